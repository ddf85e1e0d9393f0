"""The figures that can be asked for by name: what they come to, and when nobody can tell."""

import math
from dataclasses import replace

import numpy as np
import pytest

from labkit.runs.quantity import COUNTS, NAMES, find, interval, quantity
from labkit.runs.stages import NEVER
from tests.support import simulated


def value(name, *runs):
    return find(quantity(name), runs).value


def why(name, *runs):
    found = find(quantity(name), runs)
    assert math.isnan(found.value)
    return found.unknown


def test_times_are_of_all_runs_together():
    runs = [simulated.run(own_ms=list(range(1, 101))), simulated.run(own_ms=list(range(101, 201)))]
    assert value("own.p50", *runs) == pytest.approx(100)
    assert value("own.p98", *runs) == pytest.approx(196)
    assert value("own.max", *runs) == pytest.approx(200)
    assert value("own.mean", *runs) == pytest.approx(100.5)
    assert find(quantity("own.p50"), runs).each == (pytest.approx(50), pytest.approx(150))


def test_an_answer_that_never_came_is_the_largest():
    run = simulated.run(own_ms=[1, 2, 3, math.inf, math.inf, math.inf])
    assert value("own.max", run) == math.inf
    assert value("own.mean", run) == math.inf
    assert value("own.p50", run) == pytest.approx(3)
    assert (value("lost", run), value("timed_out", run), value("answered", run)) == (3, 3, 3)
    assert value("goodput", run) == 0.5


@pytest.mark.parametrize(
    ("name", "events", "needed"), [("own.p99", 299, 300), ("own.p98", 149, 150), ("own.p50", 5, 6)]
)
def test_a_percentile_takes_events_beyond_it(name, events, needed):
    assert f"{events} events support no {name[4:]}, which takes {needed}" in why(name, simulated.run(events=events))
    assert not math.isnan(value(name, simulated.run(events=needed)))


def test_runs_together_may_tell_what_each_by_itself_cannot():
    runs = [simulated.run(events=100) for _ in range(2)]
    found = find(quantity("own.p98"), runs)
    assert (found.unknown, found.each) == ("", ())
    assert "100 events of a run support no p98" in found.unknown_each


def test_what_nobody_saw_is_not_filled_in():
    assert "no bystander" in why("bystander.max", simulated.run(pings=0, bystander_ms=[]))
    outside = simulated.run(instrumented=False)
    assert "cannot be seen from outside" in why("handler_blocking.max", outside)
    assert "cannot be seen from outside" in why("connection_blocked.mean", outside)
    seen = simulated.run(events=10)
    events = {name: column.copy() for name, column in seen.events.items()}
    events["handler_end"][:4] = NEVER
    assert "4 of 10 answered events have no such stamp" in why("handler_blocking.max", replace(seen, events=events))


def test_answers_that_cannot_be_matched_leave_everything_of_events_unknown(monkeypatch):
    run = simulated.run()
    monkeypatch.setattr(type(run), "own_ms", np.full(10, np.nan))
    for name in ("own.max", "goodput", "rate", "lost", "answered"):
        assert "nobody can tell" in why(name, run)
    assert value("bystander.max", run) == pytest.approx(1)
    assert value("unsent", run) == 0


def test_a_rate_is_of_answers_and_of_the_time_until_the_last():
    run = simulated.run(own_ms=[100, 200, 500, 1000])
    assert value("rate", run) == pytest.approx(4.0)
    assert value("rate", run, run) == pytest.approx(4.0)
    assert value("rate", simulated.run(own_ms=[math.inf])) == 0


def test_order_is_known_only_where_it_was_put_to_the_test():
    assert "not put to the test" in why("order.overtaken", simulated.run())
    assert value("order.overtaken", simulated.run(own_ms=[50, 40, 30], clients=1)) == 2
    assert value("order.overtaken", simulated.run(own_ms=[30, 40, 50], clients=1)) == 0


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("failed", {"outcomes": {"failed": 2}}),
        ("shed", {"outcomes": {"shed": 2}}),
        ("garbled", {"outcomes": {"garbled": 2}}),
        ("disconnected", {"outcomes": {"disconnected": 2}}),
        ("unaccounted", {"outcomes": {"unaccounted": 2}}),
        ("strays", {"strays": 2}),
        ("duplicates", {"duplicates": 2}),
        ("late", {"outcomes": {"timed out": 2}, "late": 2}),
    ],
)
def test_counts_are_those_of_the_run(name, about):
    assert value(name, simulated.run(**about), simulated.run(**about)) == 4


def test_every_name_can_be_found():
    run = simulated.run(own_ms=list(range(1, 401)), pings=400, clients=1)
    for name in NAMES:
        assert not math.isnan(value(name, run)), name
    assert set(COUNTS) < set(NAMES)


def test_the_interval_is_over_runs_and_not_over_events():
    alike = [simulated.run(own_ms=100) for _ in range(5)]
    assert interval(quantity("own.p50"), alike) == (pytest.approx(100), pytest.approx(100))
    apart = [simulated.run(own_ms=own) for own in (50, 80, 100, 120, 200)]
    low, high = interval(quantity("own.p50"), apart)
    assert 50 <= low < 100 < high <= 200
    assert math.isnan(interval(quantity("own.p50"), apart[:1])[0])
    assert math.isnan(interval(quantity("lost"), apart)[0])
    assert interval(quantity("goodput"), apart) == (1, 1)


def test_an_interval_may_reach_to_never():
    runs = [simulated.run(own_ms=own) for own in (50, 80, math.inf)]
    assert interval(quantity("own.p50"), runs) == (pytest.approx(50), math.inf)
