"""Several strategies side by side."""

import dataclasses
import math

import pandas as pd
import pytest

from labkit.base.errors import RecordError, UsageError
from labkit.runs.comparison import Comparison, file_name
from labkit.strategies import NAMES
from tests.support import simulated


@pytest.fixture
def three():
    return simulated.comparison(
        {
            "thread": {"own_ms": 900, "bystander_ms": 5, "handler_ms": 0.2, "blocked_ms": 1},
            "mine": {"own_ms": 300, "bystander_ms": 9, "handler_ms": 0.1, "blocked_ms": 3},
            "inline": {"own_ms": 500, "bystander_ms": 7, "handler_ms": 100, "blocked_ms": 2},
        }
    )


def test_strategies_are_in_the_order_in_which_they_were_asked_for(three):
    assert three.strategies == ("thread", "mine", "inline")
    asked = tuple(reversed(NAMES))
    assert simulated.comparison({name: {} for name in asked}).strategies == asked


def test_without_an_order_they_come_as_they_were_measured():
    runs = tuple(simulated.run(name) for name in ("b", "a", "b"))
    assert Comparison(runs).strategies == ("b", "a")
    assert Comparison(runs, names=("a",)).strategies == ("a", "b")


def test_each_strategy_has_its_runs_and_its_summary(three):
    assert [run.strategy for run in three.of("thread")] == ["thread"] * 3
    assert three["thread"].own.p50_ms == 900
    assert [s.strategy for s in three.summaries] == ["thread", "mine", "inline"]
    assert [s.runs for s in three.summaries] == [3, 3, 3]


def test_runs_stay_in_the_order_in_which_they_were_measured(three):
    assert list(three.of("thread")) == [run for run in three.runs if run.strategy == "thread"]


def test_a_strategy_that_was_not_measured_is_refused_and_the_measured_are_named(three):
    for ask in (three.of, three.__getitem__):
        with pytest.raises(UsageError, match="thread, mine, inline"):
            ask("thread-pool")
    with pytest.raises(UsageError, match="no runs"):
        Comparison(()).of("inline")


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("own", ("mine", "inline", "thread")),
        ("bystander", ("thread", "inline", "mine")),
        ("handler_blocking", ("mine", "thread", "inline")),
        ("connection_blocked", ("thread", "inline", "mine")),
    ],
)
def test_the_order_is_from_best_to_worst(three, by, order):
    assert three.order(by) == order


def test_by_default_the_order_is_by_the_callers_own(three):
    assert three.order() == three.order("own")


def test_who_never_answers_comes_last():
    result = simulated.comparison({"inline": {"own_ms": math.inf}, "thread": {"own_ms": 9000}})
    assert result.order() == ("thread", "inline")


def test_an_order_by_something_else_is_refused(three):
    with pytest.raises(UsageError, match="bystander"):
        three.order("colour")


def test_the_table_has_a_row_a_strategy(three):
    table = three.table()
    assert isinstance(table, pd.DataFrame)
    assert table.index.tolist() == ["thread", "mine", "inline"]
    assert table["own_p50_ms"].tolist() == [900, 300, 500]
    assert table["bystander_p98_ms"].tolist() == [5, 9, 7]
    assert table["verdict"].tolist() == ["poor", "needs work", "needs work"]


def test_answers_out_of_order_are_in_the_table_and_in_a_note():
    """Three events of one client; of three clients with one each there is nothing to tell."""
    found = simulated.comparison({"inline": {"own_ms": [9, 5, 1]}, "serial": {"own_ms": [1, 5, 9]}}, clients=1)
    assert found.table()["overtaken"].tolist() == [6, 0]
    assert [str(summary.order) for summary in found.summaries] == ["6 of 6", "none"]
    (note,) = found.out_of_order
    assert note in found.notes
    assert "overtook earlier ones under inline (6 of 6): if they depend" in note
    (note,) = simulated.comparison({name: {"own_ms": [9, 5, 1]} for name in "abcd"}, clients=1).out_of_order
    assert "under 4 strategies: if" in note
    room = simulated.comparison({"inline": {"own_ms": [9, 5, 1]}})
    assert room.out_of_order == ()
    assert room.table()["overtaken"].isna().all()


def test_the_text_and_the_html_contain_every_strategy(three):
    for text in (repr(three), three._repr_html_()):
        assert all(name in text for name in three.strategies)


def test_html_escapes_the_name_of_a_strategy():
    text = simulated.comparison({"<b>x</b>": {"conditions": {"full_collections": 1}}})._repr_html_()
    assert "<b>" not in text
    assert text.count("&lt;b&gt;x&lt;/b&gt;") == 2  # in its row and in the note


def test_no_runs_have_a_repr():
    assert "strategy" in repr(Comparison(()))


def test_notes_and_validity_are_those_of_the_runs(three):
    enough = simulated.comparison({"inline": {"events": 150}}, repeats=1)
    assert (enough.notes, enough.is_valid) == ((), True)
    doubtful = simulated.comparison({"inline": {}, "thread": {"events": 150, "outcomes": {"unaccounted": 1}}})
    assert [note.partition(":")[0] for note in doubtful.notes] == ["INVALID", "note"]
    assert not doubtful.is_valid
    assert all(note in repr(doubtful) for note in doubtful.notes)


def test_too_few_events_for_a_p98_are_told_with_how_many_it_takes():
    (note,) = simulated.comparison({"inline": {"events": 149}, "thread": {"events": 150}}, repeats=1).notes
    assert "149 events of a strategy support no p98, which takes 150" in note
    (note,) = simulated.comparison({"inline": {"events": 149}}, repeats=1).notes
    assert "149 events support no p98" in note


def test_an_invalid_run_is_marked_in_the_table_and_in_its_own_line():
    doubtful = simulated.comparison({"inline": {"outcomes": {"unaccounted": 1}}, "thread": {}}, repeats=2)
    assert "inline (2 of 2 INVALID)" in repr(doubtful)
    assert "inline (2 of 2 INVALID)" in doubtful._repr_html_()
    assert "thread (" not in repr(doubtful)
    assert [("INVALID" in repr(run)) for run in (doubtful.of("inline")[0], doubtful.of("thread")[0])] == [True, False]
    assert doubtful["inline"].to_dict()["invalid"] == 2


def test_two_comparisons_add_up(three):
    more = three + simulated.comparison({"inline": {}, "thread-pool": {}}, repeats=1)
    assert more.strategies == ("thread", "mine", "inline", "thread-pool")
    assert (more["inline"].runs, more["thread-pool"].runs) == (4, 1)
    assert len(three.runs) == 9


def test_a_bound_is_that_of_every_verdict():
    result = simulated.comparison({"inline": {"own_ms": 15}}, bounds_ms=(10, 20))
    assert result["inline"].own_verdict == "needs work"
    assert (result + result)["inline"].own_verdict == "needs work"


# --- files ---


def test_a_comparison_comes_back_as_it_was_saved(three, tmp_path):
    loaded = Comparison.load(three.save(tmp_path / "results"))
    assert loaded.strategies == three.strategies
    assert repr(loaded) == repr(three)
    assert [run.strategy for run in loaded.runs] == [run.strategy for run in three.runs]


def test_the_bounds_come_back_too(tmp_path):
    result = simulated.comparison({"inline": {"own_ms": 15}}, bounds_ms=(10, 20))
    assert repr(Comparison.load(result.save(tmp_path))) == repr(result)


def test_runs_of_an_earlier_comparison_do_not_mix_with_those_of_a_later_one(three, tmp_path):
    three.save(tmp_path)
    later = simulated.comparison({"inline": {}}, repeats=2)
    with pytest.raises(UsageError, match="name another folder"):
        later.save(tmp_path)
    assert repr(Comparison.load(tmp_path)) == repr(three)


def test_the_order_of_measurement_outlasts_a_thousand_runs():
    names = [file_name(number, simulated.run(events=1, pings=0)) for number in (1, 10, 999, 1000, 1001)]
    assert sorted(names) == names


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "thread-pool, workers=2", "<b>x</b>", "", "x\x00y", "ä"])
def test_any_name_makes_a_file_in_the_folder(name, tmp_path):
    result = simulated.comparison({name: {}}, repeats=1)
    assert Comparison.load(result.save(tmp_path / "results")).strategies == (name,)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_an_empty_and_a_missing_folder_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RecordError, match="no runs"):
            Comparison.load(folder)


def test_one_damaged_run_is_refused(three, tmp_path):
    three.save(tmp_path)
    next(tmp_path.glob("run-*.json")).write_text("{}")
    with pytest.raises(RecordError):
        Comparison.load(tmp_path)


def test_two_strategies_are_compared_by_the_medians_of_their_runs():
    result = simulated.comparison({"inline": {"bystander_ms": 300}, "process-pool": {"bystander_ms": 2}}, repeats=4)
    found = result.versus("inline", "process-pool")
    assert found.factor == pytest.approx(1 / 150)
    assert (
        repr(found) == "process-pool is 150.0x lower than inline at bystander p50, interval 150.0 to 150.0, 4 runs each"
    )


def test_three_runs_are_too_few_to_compare(three):
    assert "too few repeats" in repr(
        simulated.comparison({"inline": {}, "thread": {}}, repeats=3).versus("inline", "thread")
    )


def test_a_comparison_by_what_was_not_measured_is_refused():
    silent = simulated.comparison({"inline": {}, "thread": {}}, pings=0)
    with pytest.raises(UsageError, match="not measured"):
        silent.versus("inline", "thread")
    with pytest.raises(UsageError, match="compare by"):
        silent.versus("inline", "thread", by="luck")


# --- is a difference one? ---


def test_the_best_is_told_from_the_first_by_factor_and_interval():
    four = simulated.comparison(
        {"inline": {"own_ms": 100, "bystander_ms": 50}, "thread": {"own_ms": 20}}, 4, spread=0.1
    )
    own, bystander = four.contrasts()
    assert own.startswith("thread is 5.0x lower than inline at own p50")
    assert bystander.startswith("thread is ")
    assert 45 < float(bystander.split()[2].rstrip("x")) < 55


def test_a_first_that_is_best_is_compared_with_the_next():
    four = simulated.comparison({"inline": {"own_ms": 10}, "thread": {"own_ms": 20}, "mine": {"own_ms": 90}}, 4)
    assert "inline is 2.0x lower than thread at own p50" in four.contrasts()[0]


def test_what_is_alike_is_not_distinguishable():
    four = simulated.comparison({"inline": {}, "thread": {}}, 4, spread=0.3)
    assert all("not distinguishable" in line for line in four.contrasts())


def test_three_runs_each_cannot_tell_and_one_strategy_is_no_contrast():
    (line,) = simulated.comparison({"inline": {}, "thread": {"own_ms": 1}}, 3).contrasts()
    assert line == "Too few repeats to say what is chance (3 each): 4 of each can tell."
    assert simulated.comparison({"inline": {}}, 4).contrasts() == ()


def test_contrasts_without_a_bystander_are_about_callers_only():
    four = simulated.comparison({"inline": {}, "thread": {"own_ms": 1}}, 4, pings=0)
    assert [("own p50" in line) for line in four.contrasts()] == [True]


def test_a_network_between_is_told_and_of_which_strategies_where_it_is_not_all():
    over = {"network": {"delay_ms": 40, "jitter_ms": 10, "loss": 0.02, "seed": 3}}
    far, near = simulated.run("far", conditions=over), simulated.run("near")
    told = "note: between clients and server: 40 ± 10 ms one way, 2% loss"
    assert told in Comparison((far, far)).notes
    assert f"{told} (far)" in repr(Comparison((far, near)))
    assert Comparison((near,)).networks == ()


def test_a_variant_that_names_its_mode_is_not_given_it_again():
    runs = [
        dataclasses.replace(simulated.run(mode=mode), variant=name)
        for mode, name in (("gevent", "gevent, Python 3.13.0"), ("threading", "threading"), ("threading", "stock"))
    ]
    assert Comparison(tuple(runs)).strategies == ("gevent, Python 3.13.0", "threading", "stock (threading)")
