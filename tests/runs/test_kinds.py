"""Runs of a mix: each kind by itself, and which event came during a dear one."""

import dataclasses
import math

import numpy as np
import pytest

from labkit.base.errors import RecordError, UsageError
from labkit.runs.comparison import Comparison
from labkit.runs.kinds import by_cost, came_during
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import summarise
from tests.support import simulated

KINDS = ["chat", "chat", "export", "chat"]
MIX = {"kinds": KINDS, "own_ms": [2, 4, 600, math.inf], "service_ms": [1, 1, 200, 1]}


def mixed(**strategies):
    return simulated.comparison(strategies or {"inline": {}, "thread": {}}, **{"repeats": 2, **MIX})


# --- of one run ---


def test_a_mask_of_a_kind():
    run = simulated.run(**MIX)
    assert run.kinds == ("chat", "export")
    assert run.is_kind("chat").tolist() == [True, True, False, True]
    assert run.own_ms[run.is_kind("export")].tolist() == [600]


def test_a_kind_that_is_not_there_is_a_sentence():
    with pytest.raises(UsageError, match="no events of kind 'upload': its kinds are chat, export"):
        simulated.run(**MIX).is_kind("upload")
    with pytest.raises(UsageError, match="no events of kind 'chat': its work is no mix"):
        simulated.run().is_kind("chat")


@pytest.mark.parametrize(("kinds", "column"), [((), [0, 0]), (("a", "b"), [0, 2]), (("a",), [-1, 0]), (("a",), None)])
def test_names_and_numbers_that_do_not_fit_are_no_run(kinds, column):
    run = simulated.run(events=2)
    events = dict(run.events) | ({} if column is None else {"kind": np.array(column)})
    with pytest.raises(RecordError, match="names of kinds"):
        dataclasses.replace(run, events=events, kinds=kinds)


def test_a_file_keeps_the_kinds_exactly(tmp_path):
    run = simulated.run(**MIX)
    loaded = Run.load(run.save(tmp_path / "mixed"))
    assert loaded.kinds == run.kinds
    assert loaded.events["kind"].tolist() == run.events["kind"].tolist() == [0, 0, 1, 0]
    assert Run.load(simulated.run().save(tmp_path / "plain")).kinds == ()


def test_a_file_that_was_written_before_there_were_kinds_is_read(tmp_path):
    path = simulated.run().save(tmp_path / "old")
    path.write_text(path.read_text(encoding="utf-8").replace(' "kinds": [],\n', ""), encoding="utf-8")
    assert "kinds" not in path.read_text(encoding="utf-8")
    assert Run.load(path).kinds == ()


def test_the_table_of_events_names_the_kind():
    pytest.importorskip("pandas")
    assert simulated.run(**MIX).events_table()["kind"].tolist() == KINDS
    assert "kind" not in simulated.run().events_table()


# --- of a comparison ---


def test_each_kind_is_summed_up_by_itself():
    chat, export = mixed()["inline"].kinds
    assert (chat.kind, chat.events, chat.service_ms, chat.own.p50_ms) == ("chat", 6, 1, 4)
    assert chat.own.tail == ("max", math.inf)
    assert chat.goodput == pytest.approx(4 / 6)
    assert (export.kind, export.events, export.service_ms, export.own.p50_ms, export.goodput) == (
        "export", 2, 200, 600, 0,
    )  # fmt: skip
    assert mixed()["inline"].of_kind("export").events == 2
    with pytest.raises(UsageError, match="no events of kind 'upload': its kinds are chat, export"):
        mixed()["inline"].of_kind("upload")


def test_a_table_by_strategy_and_kind():
    table = mixed().by_kind()
    assert table.rows == (
        ("inline", "chat", "6", "1.0", "4.0", "never max", "67%"),
        ("inline", "export", "2", "200", "600", "600 max", "0%"),
        ("thread", "chat", "6", "1.0", "4.0", "never max", "67%"),
        ("thread", "export", "2", "200", "600", "600 max", "0%"),
    )
    assert repr(table) == table.text()
    assert table._repr_html_() == table.html()
    assert "answered within 500 ms" in table.text()


def test_a_comparison_of_a_mix_says_that_its_latencies_are_of_all_kinds():
    note = "latencies are of all kinds together (chat, export): by_kind() tells them apart"
    assert note in repr(mixed())
    assert "all kinds together" in mixed()._repr_html_()
    assert "all kinds" not in repr(simulated.comparison({"inline": {}}))


def test_json_has_the_kinds_where_there_are_any():
    (chat, export) = mixed()["inline"].to_dict()["kinds"]
    assert chat == {
        "kind": "chat",
        "events": 6,
        "service_ms": 1,
        "own": {"samples": 6, "p50_ms": 4, "p98_ms": None, "max_ms": None},
        "goodput": pytest.approx(4 / 6),
    }
    assert export["kind"] == "export"
    assert "kinds" not in summarise([simulated.run()]).to_dict()


def test_runs_of_no_mix_or_of_two_have_no_table_by_kind():
    with pytest.raises(UsageError, match=r"measure a lab\.mix"):
        simulated.comparison({"inline": {}}).by_kind()
    other = simulated.run("thread", **{**MIX, "kinds": ["a", "a", "b", "a"]})
    both = Comparison((*mixed(inline={}).runs, other))
    assert both.kinds == ()
    assert "all kinds" not in repr(both)
    with pytest.raises(UsageError, match="different ones"):
        both.by_kind()


def test_from_cheap_to_dear():
    dear_first = simulated.run(kinds=["export", "chat"], service_ms=[200, 1])
    assert by_cost([dear_first]) == ("chat", "export")
    with pytest.raises(UsageError, match=r"measure a lab\.mix"):
        by_cost([simulated.run()])


# --- which came during which ---


def during(read_ms, works, clients, kinds):
    """A run in which each event was read, and worked on from and to, when it is said; in ms."""
    plan = dataclasses.replace(simulated.burst(len(kinds), connections=2), connection=np.array(clients))
    run = simulated.run(plan=plan, kinds=kinds)
    starts, ends = np.array(works, float).T
    columns = {"read": read_ms, "work_start": starts, "work_end": ends}
    stamped = {name: np.rint(np.array(ms, float) * 1e6).astype(np.int64) for name, ms in columns.items()}
    return dataclasses.replace(run, events={**run.events, **stamped})


def test_the_dear_event_of_the_same_client_is_told_from_those_of_others():
    run = during(
        read_ms=[0, 10, 10, 150],
        works=[(5, 105), (12, 13), (12, 13), (151, 152)],
        clients=[0, 0, 1, 0],
        kinds=["export", "chat", "chat", "chat"],
    )
    assert came_during(run, "export", own_client=True).tolist() == [-1, 0, -1, -1]
    assert came_during(run, "export", own_client=False).tolist() == [-1, -1, 0, -1]


def test_of_several_dear_events_it_is_the_one_that_ends_last_and_none_is_its_own():
    run = during(
        read_ms=[0, 1, 50, 100],
        works=[(0, 100), (1, 90), (51, 52), (101, 102)],
        clients=[0, 0, 0, 0],
        kinds=["export", "export", "chat", "chat"],
    )
    assert came_during(run, "export", own_client=True).tolist() == [-1, 0, 0, -1]


def test_without_the_servers_stamps_it_is_when_the_event_was_sent():
    run = during([0, 10], [(5, 105), (12, 13)], [0, 0], ["export", "chat"])
    sent = np.array([0, 20_000_000])
    unstamped = dataclasses.replace(run, events={**run.events, "read": np.full(2, NEVER), "sent": sent})
    assert came_during(unstamped, "export", own_client=True).tolist() == [-1, 0]


def test_a_dear_event_that_was_never_worked_on_delays_nobody():
    run = during([0, 10], [(5, 105), (12, 13)], [0, 0], ["export", "chat"])
    lost = dataclasses.replace(run, events={**run.events, "work_end": np.full(2, NEVER)})
    assert came_during(lost, "export", own_client=True).tolist() == [-1, -1]
