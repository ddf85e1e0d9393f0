"""Whether runs are as expected: it holds, it does not, or nobody can tell, which is never a pass."""

import math

import numpy as np
import pytest

import labkit as lab
from labkit.base.errors import LabError, NotAsExpected, UsageError
from labkit.runs.comparison import Comparison
from labkit.runs.verdicts import State, Verdicts, verdicts
from tests.support import simulated

#: A run that must not be used.
INVALID = {"outcomes": {"unaccounted": 1}}


def state(measured, line, **base):
    (found,) = verdicts(measured, line, **base)
    return found.state


def side(runs, own_ms, *, seed=0, weather=0.1, **about):
    """So many runs, each of which met its own weather."""
    rng = np.random.default_rng(seed)
    return [simulated.run(own_ms=own_ms * np.exp(rng.normal(0, weather)), **about) for _ in range(runs)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("own.max < 301ms", State.HOLDS),
        ("own.max < 300ms", State.BROKEN),
        ("own.max <= 0.3s", State.HOLDS),
        ("own.max > 299ms", State.HOLDS),
        ("own.max >= 301ms", State.BROKEN),
        ("lost == 0", State.HOLDS),
        ("lost > 0", State.BROKEN),
        ("shed <= 19%", State.BROKEN),
        ("shed <= 20%", State.HOLDS),
        ("goodput == 80%", State.HOLDS),
        ("own.p99 < 1s", State.UNKNOWN),
        ("order.overtaken == 0", State.UNKNOWN),
    ],
)
def test_a_bound_is_compared_with_what_was_measured(line, expected):
    refused = {} if line.startswith("own.max") else {"shed": 2}  # who was refused waits for ever
    assert state(simulated.run(own_ms=300, outcomes=refused), line) is expected


@pytest.mark.parametrize("line", ["lost == 0", "own.max < 9999s", "own.max < 1ms"])
def test_of_an_invalid_run_nobody_can_tell_anything(line):
    (found,) = verdicts(simulated.run(**INVALID), line)
    assert found.state is State.UNKNOWN
    assert "1 of 1 runs INVALID: 1 events have no outcome" in found.why


def test_one_invalid_run_among_several_is_enough():
    assert state([simulated.run(), simulated.run(**INVALID)], "lost == 0") is State.UNKNOWN


def test_never_answered_is_no_time_at_all():
    run = simulated.run(own_ms=[1, math.inf])
    assert state(run, "own.max < 9999s") is State.BROKEN
    assert state(run, "own.mean < 9999s") is State.BROKEN


def test_a_comparison_is_judged_strategy_by_strategy():
    result = simulated.comparison({"inline": {"own_ms": 900}, "thread": {"own_ms": 300}})
    found = verdicts(result, "own.max < 500ms", "thread: lost == 0")
    assert [(one.strategy, one.expectation.text, one.state) for one in found] == [
        ("inline", "own.max < 500ms", State.BROKEN),
        ("thread", "own.max < 500ms", State.HOLDS),
        ("thread", "lost == 0", State.HOLDS),
    ]
    assert found.state is State.BROKEN
    assert found.headline == "Expectations: 2 of 3 hold, 1 does not."
    assert not found


def test_the_interval_says_where_a_bound_is_close():
    runs = [simulated.run(own_ms=own) for own in (90, 95, 100, 105, 110)]
    (close,) = verdicts(runs, "own.p50 < 102ms")
    assert (close.state, "within the interval" in close.why) == (State.HOLDS, True)
    (far,) = verdicts(runs, "own.p50 < 500ms")
    assert (far.state, far.why) == (State.HOLDS, "")


# --- against a base ---


def test_faster_than_allowed_holds_and_slower_does_not():
    base = side(8, 100)
    assert state(side(8, 100, seed=1), "own.p50 < 1.5 * base", base=base) is State.HOLDS
    assert state(side(8, 200, seed=1), "own.p50 < 1.5 * base", base=base) is State.BROKEN
    assert state(side(8, 200, seed=1), "own.p50 >= 1.5 * base", base=base) is State.HOLDS
    (found,) = verdicts(side(8, 200, seed=1), "own.p50 < 1.5 * base", base=base)
    assert found.against.low < found.against.factor < found.against.high
    assert found.bound == pytest.approx(150, rel=0.2)


def test_what_chance_explains_nobody_can_tell():
    base = side(8, 100, weather=0.3)
    (found,) = verdicts(side(8, 108, seed=1, weather=0.3), "own.p50 < 1.1 * base", base=base)
    assert found.state is State.UNKNOWN
    assert "more runs can tell" in found.why


@pytest.mark.parametrize("runs", [1, 3])
def test_few_runs_cannot_tell_however_clear_it_looks(runs):
    (found,) = verdicts(side(runs, 10), "own.p50 < 1.1 * base", base=side(runs, 1000))
    assert found.state is State.UNKNOWN
    assert "4 runs of each are the fewest that can tell" in found.why


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ([simulated.run(**INVALID)] * 5, "of the base: 5 of 5 runs INVALID"),
        ([simulated.run(events=11)] * 5, "fired another plan, 11 events at once"),
        ([simulated.run(events=4)] * 5, "of a run support no p50"),
        ([simulated.run(own_ms=math.inf)] * 5, "never came"),
    ],
)
def test_a_base_that_tells_nothing_is_told(base, why):
    (found,) = verdicts(side(5, 100), "own.p50 < 1.1 * base", base=base)
    if why == "never came":
        assert found.state is State.HOLDS
    else:
        assert found.state is State.UNKNOWN
    assert why in found.why


def test_a_goodput_of_nothing_has_no_factor():
    base = [simulated.run(own_ms=math.inf)] * 5
    (found,) = verdicts(side(5, 100), "goodput >= 0.9 * base", base=base)
    assert (found.state, found.why) == (State.UNKNOWN, "a run with goodput of 0 has no factor")


def test_equal_versions_are_rarely_called_different(monkeypatch):
    """A/A: the exact test errs in at most one of twenty; each line asks one side of it."""
    monkeypatch.setattr("labkit.runs.verdicts.interval", lambda *_: (math.nan, math.nan))  # has no part in it
    broken = sum(
        state(side(5, 100, seed=2 * i), "own.p50 <= base", base=side(5, 100, seed=2 * i + 1)) is State.BROKEN
        for i in range(60)
    )
    assert broken <= 3


def test_a_base_may_be_a_strategy_of_the_same_comparison():
    result = simulated.comparison({"inline": {"own_ms": 900}, "thread": {"own_ms": 300}}, 5, spread=0.05)
    (found,) = verdicts(result, "own.p50 < 0.5 * base", base="inline")
    assert (found.strategy, found.state) == ("thread", State.HOLDS)


def test_of_a_base_with_several_strategies_the_same_one_counts():
    base = simulated.comparison({"inline": {"own_ms": 100}, "thread": {"own_ms": 900}}, 5, spread=0.05)
    head = simulated.comparison({"thread": {"own_ms": 300}}, 5, spread=0.05)
    assert state(head, "own.p50 < 0.5 * base", base=base) is State.HOLDS
    with pytest.raises(UsageError, match="the base has no runs of pool, only of inline, thread"):
        verdicts(simulated.run("pool"), "own.p50 < base", base=base)


# --- what is shown and raised ---


def test_expect_returns_what_holds_and_raises_the_table_of_what_does_not():
    run = simulated.run(own_ms=300, outcomes={"timed out": 2})
    assert lab.expect(run, "timed_out == 2", "own.p50 < 1s")
    with pytest.raises(NotAsExpected) as raised:
        lab.expect(run, "lost == 0", "own.p50 < 1s", "own.p98 < 1s")
    assert isinstance(raised.value, LabError)
    said = str(raised.value)
    for part in (
        "1 of 3 hold, 1 does not, of 1 nobody can tell",
        "own.p50 < 1s",
        "300 ms",
        "10 events support no p98, which takes 150",
        "8 answered, 2 timed out",
    ):
        assert part in said, part
    assert [one.state for one in raised.value.verdicts] == [State.BROKEN, State.HOLDS, State.UNKNOWN]


def test_what_nobody_can_tell_is_raised_too():
    with pytest.raises(NotAsExpected, match="of 1 nobody can tell"):
        lab.expect(simulated.run(), "own.p99 < 1s")


@pytest.mark.parametrize(
    ("measured", "lines", "said"),
    [
        (simulated.run(), (), "nothing to expect"),
        ([], ("lost == 0",), "a run, several runs or a comparison"),
        ("folder", ("lost == 0",), "a run, several runs or a comparison"),
        (Comparison(()), ("lost == 0",), "no runs to judge"),
        (simulated.run(), ("thraed: lost == 0",), "no measured strategy 'thraed'"),
        (simulated.run(), ("own.p50 < base",), "needs a base"),
    ],
)
def test_what_makes_no_sense_is_refused(measured, lines, said):
    with pytest.raises(UsageError, match=said):
        verdicts(measured, *lines)


def test_a_base_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="was not measured here"):
        verdicts(simulated.run(), "own.p50 < base", base="thread")
    with pytest.raises(UsageError, match="only the base itself"):
        verdicts(simulated.run(), "own.p50 < base", base="inline")


def test_json_has_null_for_what_is_unknown():
    (never, unknown) = verdicts(simulated.run(own_ms=[1, math.inf]), "own.max < 1s", "own.p99 < 1s")
    assert (never.to_dict()["measured"], never.to_dict()["verdict"]) == (None, "does not hold")
    assert (unknown.to_dict()["measured"], unknown.to_dict()["verdict"]) == (None, "can't tell")
    assert unknown.to_dict()["why"]


def test_a_notebook_shows_it_escaped():
    (found,) = verdicts(simulated.run("<b>", own_ms=1), "<b>: lost == 0")
    assert "<b>" not in Verdicts((found,))._repr_html_()
