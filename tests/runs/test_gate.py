"""Base, base again and head: how often an equal head is called slower, what is found, and when nobody can tell."""

import numpy as np
import pytest

from labkit.base.errors import UsageError
from labkit.runs import circumstances, difference
from labkit.runs.diff import Direction
from labkit.runs.gate import AGAIN, BASE, HEAD, SIDES, judge
from labkit.runs.verdicts import State
from tests.support import simulated

ROUNDS = 10


def side(rounds, seed, *, slower=1.0, weather=0.15, spare=(1.0, 1.0), neighbour_ms=5.0, **about):
    """So many runs of one version, fired from outside, each of which met its own weather."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rounds):
        own, neighbour = np.exp(rng.normal(0, weather, 2))
        times = {"own_ms": 50 * own * slower, "bystander_ms": neighbour_ms * neighbour, "instrumented": False}
        found.append(simulated.run("shop:app", conditions={"spare_cpu": spare}, **{**times, **about}))
    return found


def sides(seed, *, rounds=ROUNDS, again=None, head=None, **about):
    """All three; `again` and `head` say in what they differ."""
    given = {BASE: {}, AGAIN: again or {}, HEAD: head or {}}
    return {name: side(rounds, 3 * seed + i, **{**about, **given[name]}) for i, name in enumerate(SIDES)}


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Resamples that make a p-value or an interval finer take most of the time."""
    monkeypatch.setattr(difference, "RESAMPLES", 99)


def test_an_equal_head_is_called_slower_in_at_most_1_of_20(monkeypatch):
    """A/A of 200 gates: half of the exact test's twentieth is "faster", so 5 are due, before any is taken back.

    Each gate deals 30 of the same 90 runs: whose they are is chance, as the test has it.
    """
    monkeypatch.setattr(circumstances, "differing", lambda *_: ())  # what else is said takes half of the time
    rng, pool = np.random.default_rng(0), side(90, 0)
    found = []
    for _ in range(200):
        dealt = [pool[i] for i in rng.permutation(len(pool))[: 3 * ROUNDS]]
        found.append(judge({name: dealt[i::3] for i, name in enumerate(SIDES)}).direction)
    assert found.count(Direction.SLOWER) <= 10
    assert found.count(Direction.UNKNOWN) <= 10  # and it is not for want of an answer


def test_a_handler_slower_by_half_is_found_in_19_of_20():
    found = [judge(sides(seed, head={"slower": 1.5})).direction for seed in range(20)]
    assert found.count(Direction.SLOWER) >= 19


def test_the_sentence_has_factor_and_interval():
    told = judge(sides(1, head={"slower": 1.5})).sentences[0]
    assert told.startswith("shop:app, own.p50: head is 1.")
    assert "x slower (interval 1." in told
    assert f"{ROUNDS} runs each)" in told


def test_a_difference_within_what_the_base_differs_from_itself_is_none():
    """The exact test calls both different; that the base is, too, says that it is not the head."""
    wandering = sides(1, weather=0.01, again={"slower": 1.3}, head={"slower": 1.25})
    judged = judge(wandering)
    assert judged.found.changes[0].found.is_distinguishable
    assert judged.direction is Direction.UNKNOWN
    assert "the base differs from itself by as much here" in judged.sentences[-1]
    assert "the base did differ from itself" in " ".join(judged.found.cautions)
    assert judge({**wandering, HEAD: side(ROUNDS, 9, slower=2.0, weather=0.01)}).direction is Direction.SLOWER


def test_runs_that_scatter_can_hide_a_slowdown():
    judged = judge(sides(2, weather=0.8))
    assert judged.direction is Direction.UNKNOWN
    assert "a slowdown above 1.5x might be hidden" in judged.sentences[-1]
    assert judge(sides(2, weather=0.8), resolution=100).direction is Direction.SAME


def test_below_a_millisecond_nobody_minds_what_is_hidden():
    judged = judge(sides(2, weather=0.8, own_ms=50.0, neighbour_ms=0.05))
    assert judged.direction is Direction.SAME
    assert max(change.hidden for change in judged.found) > 1.5
    assert judge(sides(2, weather=0.8, own_ms=50.0, neighbour_ms=5.0)).direction is Direction.UNKNOWN


def test_beside_a_busy_neighbour_a_difference_has_to_be_far_above_the_noise():
    near, far = {"head": {"slower": 1.2}, "weather": 0.1}, {"head": {"slower": 2.5}, "weather": 0.1}
    assert judge(sides(0, **near)).direction is Direction.SLOWER
    busy = judge(sides(0, spare=(0.9, 0.3), **near))
    assert busy.direction is Direction.UNKNOWN
    assert "something else computes here: two cores at work at once got only 30%" in busy.sentences[-1]
    assert judge(sides(0, spare=(0.9, 0.3), **far)).direction is Direction.SLOWER


def test_a_round_with_an_invalid_run_is_left_out_whole():
    given = sides(4)
    given[HEAD][2] = simulated.run("shop:app", outcomes={"unaccounted": 1}, instrumented=False)
    judged = judge(given)
    assert len(judged.found.first.runs) == len(judged.found.second.runs) == ROUNDS - 1
    assert any("1 of 10 rounds left out" in caution for caution in judged.found.cautions)
    for number in range(6):
        given[HEAD][number] = given[HEAD][2]
    assert judge(given).direction is Direction.UNKNOWN


def test_few_rounds_cannot_tell_and_none_is_refused():
    assert judge(sides(5, rounds=3, head={"slower": 9})).direction is Direction.UNKNOWN
    one_short = sides(6, rounds=2)
    one_short[HEAD].pop()
    assert len(judge(one_short).found.first.runs) == 1
    with pytest.raises(UsageError):
        judge({name: [] for name in SIDES})


def test_events_that_only_the_head_loses_are_told():
    losing = side(ROUNDS, 9, own_ms=[50.0] * 9 + [float("inf")])
    judged = judge({**sides(7), HEAD: losing})
    assert judged.loses_more
    assert judged.sentences[0] == "head lost 10 of 100 events, more than base did"
    assert judged.to_dict()["loses_more"]
    assert not judge({**sides(7), HEAD: losing, AGAIN: losing}).loses_more


def test_an_expectation_that_the_base_breaks_itself_cannot_be_told():
    line = "own.p50 < 1.1 * base"
    (found,) = judge(sides(8, weather=0.01, head={"slower": 1.5})).verdicts(line)
    assert found.state is State.BROKEN
    (found,) = judge(sides(8, weather=0.01, again={"slower": 1.4}, head={"slower": 1.5})).verdicts(line)
    assert (found.state, found.why) == (State.UNKNOWN, "the base itself breaks it here")
    (found,) = judge(sides(8, head={"slower": 1.5}, spare=(0.2,))).verdicts("own.p50 < 60ms")
    assert found.state is State.BROKEN  # which has nothing to do with a base
