"""Two sets of runs side by side: how often chance is called a difference, what is found, and what is said first."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import labkit as lab
from labkit.base.errors import RecordError, UsageError
from labkit.runs import difference
from labkit.runs.comparison import Comparison
from labkit.runs.diff import Direction, diff
from tests.support import simulated


def side(runs, seed, *, slower=1.0, weather=0.15, name="inline", **about):
    """So many runs of a server, each of which met its own weather; `slower`: its handler."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        own, neighbour, handler = np.exp(rng.normal(0, weather, 3))
        times = {"own_ms": 50 * own * slower, "bystander_ms": 5 * neighbour, "handler_ms": 40 * handler * slower}
        found.append(simulated.run(name, **{**times, **about}))
    return Comparison(tuple(found), names=(name,))


@pytest.fixture
def no_intervals(monkeypatch):
    """They have no part in the verdict, and take most of the time; so do resamples that only make a p-value finer."""
    monkeypatch.setattr(difference, "RESAMPLES", 999)
    monkeypatch.setattr(difference, "_interval", lambda a, b, seed: (1.0, 1.0))
    monkeypatch.setattr(difference, "largest_hidden", lambda a, b: 1.0)


def test_equal_versions_are_called_different_in_at_most_one_of_twenty(no_intervals):
    """A/A of 200 pairs, several figures each: by the adjustment the expectation is at most 10, here nearer to 5."""
    found = [diff(side(5, 2 * i), side(5, 2 * i + 1)) for i in range(200)]
    assert sum(one.direction is not Direction.SAME for one in found) <= 10


def test_a_handler_that_is_slower_by_half_is_found_in_19_of_20(no_intervals):
    found = [diff(side(10, 2 * i), side(10, 2 * i + 1, slower=1.5)) for i in range(20)]
    assert sum(one.direction is Direction.SLOWER for one in found) >= 19
    for one in found:
        slower = {change.quantity.name for change in one.of(Direction.SLOWER)}
        assert slower <= {"own.p50", "handler_blocking.p50"}  # and not the bystander, who waits for nobody here


def test_what_could_have_been_hidden_is_rarely_exceeded():
    """Where nothing was seen, the true factor is below what is said in 19 of 20; of 40, 5 are three more than due."""
    rng = np.random.default_rng(3)
    sides = [(np.exp(rng.normal(0, 0.15, 8)), 1.5 * np.exp(rng.normal(0, 0.15, 8))) for _ in range(40)]
    assert sum(difference.largest_hidden(a, b) < 1.5 for a, b in sides) <= 5


def test_of_few_runs_the_wider_interval_counts():
    a, b = [1.0, 1.3, 0.8, 1.1, 0.9], [1.1, 0.9, 1.2, 1.0, 1.4]
    welch = stats.ttest_ind(np.log(b), np.log(a), equal_var=False).confidence_interval(0.95)
    assert difference.largest_hidden(a, b) == pytest.approx(math.exp(max(-welch.low, welch.high)))
    found = difference.compare(a, b)
    assert difference.largest_hidden(a, b) > max(found.high, 1 / found.low)
    assert difference.largest_hidden([1, 1], [1.5, 1.5]) == pytest.approx(1.5)
    assert difference.largest_hidden([1, 1], [1, math.inf]) == math.inf
    assert difference.largest_hidden([1], [1, 1]) == math.inf


def test_slower_is_said_with_factor_and_interval():
    found = diff(side(10, 1), side(10, 2, slower=1.5))
    told = found.sentences[0]
    assert told.startswith("inline, own.p50: B is 1.")
    assert "x slower (interval 1." in told
    assert "10 runs each)" in told
    little = diff(side(10, 1, weather=0.001), side(10, 2, slower=1.04, weather=0.001))
    assert "B is 1.04x slower (interval 1.04 to 1.04" in little.sentences[0]
    back = diff(side(10, 2, slower=1.5), side(10, 1))
    assert "x faster (interval 1." in back.sentences[0]
    assert back.direction is Direction.FASTER


@pytest.mark.parametrize(("slower", "direction"), [(1.003, "none seen"), (0.997, "none seen"), (1.01, "slower")])
def test_a_factor_in_which_nobody_reads_a_difference_is_none(slower, direction):
    found = diff(side(10, 0, weather=1e-5), side(10, 1, slower=slower, weather=1e-5))
    assert all(change.p_value < 0.05 for change in found if change.quantity.name == "own.p50")
    assert str(found.direction) == direction
    assert "no difference above 1%" in found.sentences[0] or direction == "slower"


def test_without_a_difference_it_is_said_what_could_have_been_hidden():
    found = diff(side(10, 1), side(10, 2))
    (told,) = found.sentences
    assert "no difference was seen, and no difference above " in told
    assert "% could have been hidden (10 runs each)" in told
    assert "the least certain of 3 such figures" in told


def test_three_runs_can_tell_nothing_and_are_told_how_many_can():
    found = diff(side(3, 1), side(3, 2, slower=9))
    assert found.direction is Direction.UNKNOWN
    (told,) = found.sentences
    assert "too few runs to tell (3 of each; 5 of each can, where 3 figures are compared)" in told
    assert difference.enough_for(3) == 5
    assert diff(side(5, 1), side(5, 2, slower=9)).direction is Direction.SLOWER


def test_the_adjustment_is_holms():
    assert difference.adjusted([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert difference.adjusted([0.9, 0.8]) == (1.0, 1.0)
    assert difference.adjusted([]) == ()


def test_percentiles_are_compared_where_each_run_supports_them():
    named = {change.quantity.name for change in diff(side(5, 1, events=150), side(5, 2, events=150))}
    assert "own.p98" in named
    few = diff(side(5, 1), side(5, 2))
    assert "own.p98" not in {change.quantity.name for change in few}
    assert few.left_out[0] == "Not compared, own.p98: 50 events support no p98, which takes 150 (inline)."


def test_answers_that_never_came_are_slower_without_a_factor():
    found = diff(side(6, 1), side(6, 2, own_ms=math.inf))
    (own,) = [change for change in found if change.quantity.name == "own.p50"]
    assert own.direction is Direction.SLOWER
    assert "some answers never came" in repr(own)
    assert own.to_dict()["second_ms"] is None
    assert found.loses_more
    assert any("Outcomes of inline differ: 60 answered in A; 60 timed out in B." in line for line in found.cautions)
    json.dumps(found.to_dict(), allow_nan=False)


def test_of_answers_that_never_came_on_either_side_nobody_can_tell():
    found = diff(side(6, 1, own_ms=math.inf), side(6, 2, own_ms=math.inf))
    (own,) = [change for change in found if change.quantity.name == "own.p50"]
    assert own.direction is Direction.UNKNOWN
    assert "answers never came: any may be hidden" in repr(own)
    assert found.direction is Direction.UNKNOWN


# --- what may be why, said first ---


def mended(comparison, **about):
    return replace(comparison, runs=tuple(replace(run, **about) for run in comparison.runs))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"machine": {"python": "3.13.0", "versions": {"flask": "9"}}}, "flask"),
        ({"work": "cpu:200ms"}, "Differs: work, cpu:100ms in A and cpu:200ms in B"),
        ({"mode": "gevent"}, "Differs: mode, threading in A and gevent in B"),
    ],
)
def test_what_else_differs_is_said_before_the_table(other, said):
    found = diff(side(5, 1), mended(side(5, 2), **other))
    assert any(said in line for line in found.cautions)
    assert repr(found).index(said) < repr(found).index("own.p50")


def test_settings_that_differ_are_said():
    found = diff(side(5, 1), side(5, 2, conditions={"options": {"async_handlers": False}}))
    assert any("options of inline, {} in A and {'async_handlers': False} in B" in line for line in found.cautions)


def test_what_served_and_differs_is_said():
    old = {"interpreter": {"python": "3.12.1", "gil": True, "versions": {"gevent": "26.9.0"}}}
    new = {"interpreter": {"python": "3.14.2", "gil": True, "versions": {}}}
    (said,) = [
        line for line in diff(side(5, 1, conditions=old), side(5, 2, conditions=new)).cautions if "serves" in line
    ]
    assert said == "Differs, what serves inline, in A and B: python 3.12.1 and 3.14.2, gevent 26.9.0 and none."


def test_nothing_is_said_of_what_is_alike():
    assert diff(side(5, 1), side(5, 2)).cautions == ()


def test_sides_that_were_measured_one_after_the_other_are_told():
    early = side(5, 1, conditions={"measured": "2026-11-29T10:00:00Z"})
    late = side(5, 2, conditions={"measured": "2026-11-29T11:00:00Z"})
    assert any("one after the other" in line for line in diff(early, late).cautions)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"outcomes": {"unaccounted": 1}}, "5 of 5 runs of B are INVALID: 1 events have no outcome"),
        ({"events": 11}, "they were fired different plans"),
    ],
)
def test_of_what_cannot_be_compared_nobody_can_tell(other, why):
    found = diff(side(5, 1), side(5, 2, slower=9, **other))
    assert found.direction is Direction.UNKNOWN
    assert any(why in told for told in found.sentences)
    assert not found.of(Direction.SLOWER)


def test_only_what_both_have_is_compared():
    two = side(5, 1) + side(5, 1, name="thread")
    found = diff(two, side(5, 2))
    assert {change.strategy for change in found} == {"inline"}
    assert "Only in A: thread." in found.cautions
    alone = diff(side(5, 1, name="before"), side(5, 2, name="after"))
    assert {change.strategy for change in alone} == {"before and after"}
    with pytest.raises(UsageError, match="no strategy in common"):
        diff(two, side(5, 2, name="pool"))
    with pytest.raises(UsageError, match="no runs in this comparison"):
        diff(two, Comparison(()))


# --- folders ---


@pytest.fixture
def folders(tmp_path):
    return side(5, 1).save(tmp_path / "a"), side(5, 2, slower=2).save(tmp_path / "b")


def test_folders_are_read(folders):
    found = lab.diff(*folders)
    assert found.direction is Direction.SLOWER
    assert found.cautions == ()


def test_a_folder_that_was_cut_short_is_told_and_compared(folders):
    (folders[1] / "comparison.json").unlink()
    (folders[0] / "comparison.json").rename(folders[0] / "summary.json")  # as a command leaves it
    assert lab.diff(*folders).cautions == ("B was cut short: 5 runs are there",)


def test_a_folder_of_folders_is_all_of_them(folders, tmp_path):
    for number in range(5):
        side(1, number).save(tmp_path / "many" / str(number))
    found = lab.diff(folders[0], tmp_path / "many")
    assert found.changes[0].found.runs == (5, 5)
    (tmp_path / "many" / "3" / "comparison.json").unlink()
    assert lab.diff(folders[0], tmp_path / "many").cautions[0] == "B was cut short: 5 runs are there"


def half(folder):
    next(iter(folder.glob("run-*.npz"))).unlink()


def newer(folder):
    path = next(iter(folder.glob("run-*.json")))
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))


def emptied(folder):
    for path in folder.glob("run-*"):
        path.unlink()


def of_labkit_run(folder):
    emptied(folder)
    (folder / "machine.json").write_text("{}")


def as_file(folder):
    shutil.rmtree(folder)
    folder.write_text("")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (half, "there is no run at"),
        (newer, "schema version 99: read it with a newer labkit"),
        (emptied, "holds no runs: name a folder that labkit compare"),
        (of_labkit_run, "was written by labkit run, which keeps no runs to compare"),
        (as_file, "is no folder"),
        (shutil.rmtree, "is not there"),
    ],
)
def test_what_is_no_folder_of_runs_is_told(folders, harm, said):
    harm(folders[1])
    with pytest.raises(RecordError, match=said):
        lab.diff(*folders)


def test_a_network_on_one_side_is_said_first():
    far = side(2, 0, conditions={"network": {"delay_ms": 40}})
    assert "Differs: network, none in a and 40 ms one way in b." in repr(diff(side(2, 1), far, names=("a", "b")))
