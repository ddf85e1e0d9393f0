"""Plans: exact where they are arithmetic, by property where they are not."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import ScheduleError
from labkit.plan.schedules import CLIENTS, Schedule, burst, constant, poisson, ramp

MS = 1_000_000

unhurried = settings(deadline=None)  # the machine may be busy: a property is not a benchmark
rates = st.floats(0.1, 500)
durations = st.floats(0.05, 5)
clients = st.integers(1, 7)
seeds = st.integers(0, 2**32)


@st.composite
def plans(draw):
    shared = {"connections": draw(st.one_of(st.none(), clients)), "seed": draw(seeds)}
    events = st.integers(shared["connections"] or 1, 200)
    kinds = [
        st.builds(lambda rate, n: constant(rate, events=n, **shared), rates, events),
        st.builds(lambda rate, n: poisson(rate, events=n, **shared), rates, events),
        st.builds(lambda n, s, k: burst(n, every_s=s, times=k, **shared), events, durations, st.integers(1, 4)),
    ]
    if shared["connections"] is None:  # so many seconds may bring fewer events than there are clients
        kinds.append(st.builds(lambda rate, s: constant(rate, seconds=s, **shared), rates, durations))
        kinds.append(st.builds(lambda a, b, s: ramp(a, b, seconds=s, **shared), rates, rates, durations))
    return draw(st.one_of(kinds))


def same(a, b):
    return a.to_dict() == b.to_dict()


def test_constant_is_exact():
    plan = constant(20, seconds=5)
    assert plan.intended_ns.tolist() == [i * 50 * MS for i in range(100)]
    assert (plan.name, plan.span_s, plan.rate_hz) == ("20/s for 5 s from 10 clients", 4.95, 20)
    assert constant(3, events=3).intended_ns.tolist() == [0, 333_333_333, 666_666_667]


@pytest.mark.parametrize(
    ("rate_hz", "seconds", "count"), [(0.1, 3, 1), (10, 0.3, 3), (3, 0.1, 1), (49, 1 / 49, 1), (2, 0.6, 2)]
)
def test_constant_has_an_event_wherever_one_is_due_before_the_end(rate_hz, seconds, count):
    assert len(constant(rate_hz, seconds=seconds)) == count


def test_burst_is_exact():
    plan = burst(events=3, every_s=0.5, times=2, connections=2)
    assert plan.intended_ns.tolist() == [0, 0, 0, 500 * MS, 500 * MS, 500 * MS]
    assert plan.connection.tolist() == [0, 1, 0, 1, 0, 1]
    assert plan.name == "3 events at once, 2 times, every 0.5 s, from 2 clients"
    assert plan.rate_hz == 6  # 3 every half second, not 6 in half a second


def test_one_burst_has_no_rate():
    plan = burst()
    assert (len(plan), plan.span_s, plan.rate_hz, plan.name) == (10, 0, None, "10 events at once from 10 clients")


def test_ramp_is_exact():
    # 1/s to 3/s in 2 s: t + t**2 / 2 events by t, so event i is due at sqrt(1 + 2 i) - 1
    expected = [round((math.sqrt(1 + 2 * i) - 1) * 1e9) for i in range(4)]
    assert ramp(1, 3, seconds=2).intended_ns.tolist() == expected
    assert ramp(1, 3, seconds=2).name == "1/s to 3/s in 2 s from 4 clients"


def test_a_falling_ramp_thins_out():
    gaps = np.diff(ramp(100, 10, seconds=5).intended_ns)
    assert (np.diff(gaps) >= -1).all()  # within the rounding of a nanosecond
    assert gaps[0] == pytest.approx(10 * MS, rel=0.01)


@unhurried
@given(rate=rates, seconds=durations)
def test_a_level_ramp_is_constant(rate, seconds):
    level, even = ramp(rate, rate, seconds=seconds), constant(rate, seconds=seconds)
    assert len(level) == len(even)
    assert np.abs(level.intended_ns - even.intended_ns).max() <= 2


@unhurried
@given(start=rates, end=rates, seconds=durations)
def test_ramp_counts_the_integral_and_stays_inside(start, end, seconds):
    plan = ramp(start, end, seconds=seconds)
    assert abs(len(plan) - (start + end) / 2 * seconds) <= 1
    assert plan.span_s <= seconds


@unhurried
@given(rate=rates, seconds=durations)
def test_constant_counts_what_is_due_and_stays_inside(rate, seconds):
    plan = constant(rate, seconds=seconds)
    assert 0 <= len(plan) - rate * seconds + 1e-6 <= 1 + 1e-6
    assert plan.span_s <= seconds


@unhurried
@given(plan=plans())
def test_every_plan_is_sorted_and_its_connections_take_turns(plan):
    assert plan.intended_ns[0] >= 0
    assert (np.diff(plan.intended_ns) >= 0).all()
    shares = np.bincount(plan.connection, minlength=plan.connections)
    assert len(shares) == plan.connections
    assert shares.max() - shares.min() <= 1


@unhurried
@given(plan=plans())
def test_round_trip_through_json(plan):
    assert same(Schedule.from_dict(json.loads(json.dumps(plan.to_dict()))), plan)


@unhurried
@given(rate=rates, events=st.integers(1, 200), seed=seeds)
def test_poisson_has_the_count_and_depends_on_nothing_but_the_seed(rate, events, seed):
    plan = poisson(rate, events=events, seed=seed)
    assert len(plan) == events
    assert same(plan, poisson(rate, events=events, seed=seed))


@unhurried
@given(seed=seeds, seconds=st.floats(1, 20))
def test_a_longer_poisson_plan_begins_with_the_shorter(seed, seconds):
    long, short = poisson(50, seconds=20, seed=seed), poisson(50, seconds=seconds, seed=seed)
    assert short.intended_ns.tolist() == [ns for ns in long.intended_ns.tolist() if ns < seconds * 1e9]


def test_poisson_of_another_seed_differs():
    assert poisson(20, events=10, seed=1).intended_ns.tolist() != poisson(20, events=10, seed=2).intended_ns.tolist()


def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential():
    rate, events = 200, 20_000
    gaps_s = np.diff(poisson(rate, events=events, seed=1).intended_ns) / 1e9
    standard_error = 1 / rate / math.sqrt(len(gaps_s))
    assert abs(gaps_s.mean() - 1 / rate) < 4 * standard_error
    # the variance of a sample standard deviation of an exponential is 2 / (n rate**2): kurtosis 9
    assert abs(gaps_s.std() - 1 / rate) < 4 * math.sqrt(2) * standard_error


def test_poisson_for_seconds_counts_as_poisson():
    counts = [len(poisson(50, seconds=4, seed=seed)) for seed in range(200)]
    assert abs(np.mean(counts) - 200) < 4 * math.sqrt(200 / 200)
    assert 0.6 < np.var(counts) / 200 < 1.5  # variance = mean; standard error of the ratio 0.1


@pytest.mark.parametrize(
    ("plan", "clients"),
    [
        (burst, CLIENTS),
        (lambda: burst(4), 4),  # no more clients than events
        (lambda: burst(4, every_s=1, times=3), 4),  # every burst is of the same clients
        (lambda: burst(30), CLIENTS),
        (lambda: constant(20, seconds=5), CLIENTS),
        (lambda: poisson(20, events=3), 3),
        (lambda: ramp(1, 30, seconds=5), CLIENTS),
    ],
)
def test_a_plan_is_of_a_room_of_clients_where_nobody_says_how_many(plan, clients):
    assert plan().connections == clients
    assert plan().name.endswith(f"from {clients} clients")
    assert set(plan().connection.tolist()) == set(range(clients))


def test_one_greedy_client_sends_everything():
    plan = burst(10, connections=1)
    assert (plan.senders, plan.name) == ("one client", "10 events at once from one client")
    assert set(plan.connection.tolist()) == {0}


@pytest.mark.parametrize("plan", [burst, lambda n, connections: constant(9, events=n, connections=connections)])
def test_more_clients_than_events_is_an_error_that_says_what_to_do(plan):
    with pytest.raises(ScheduleError, match="6 clients cannot send 5 events: ask for as many events as clients"):
        plan(5, connections=6)
    with pytest.raises(ScheduleError, match="connections is 0: give 1 or more"):
        plan(5, connections=0)


def test_names_say_what_a_plan_is():
    assert poisson(20, seconds=5, seed=1).name == "20/s for 5 s, Poisson, seed 1, from 10 clients"
    assert constant(2.5, events=7, connections=3).name == "2.5/s for 7 events from 3 clients"
    assert repr(constant(20, seconds=5)) == "<Schedule 20/s for 5 s from 10 clients: 100 events, last at 4.95 s>"
    assert repr(burst(1)) == "<Schedule 1 event from one client: 1 event, last at 0 s>"


def test_describe_uses_the_words_of_the_field():
    text = constant(20, seconds=5).describe()
    assert text.startswith("Open loop, 20/s for 5 s from 10 clients: 100 events")
    assert "intended start" in text
    assert "20/s on average;" in text
    assert "from 2 clients: 10 events, last at 0 s, all at one instant" in burst(connections=2).describe()


def test_a_plan_cannot_be_changed_from_outside():
    due, sender = np.array([0, 1]), np.array([0, 0])
    plan = Schedule("mine", due, sender, connections=1, seed=0)
    due[0] = 5
    assert plan.intended_ns.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        plan.intended_ns[0] = 5


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize(
    "make",
    [
        lambda bad: constant(bad, events=1),
        lambda bad: poisson(bad, events=1),
        lambda bad: ramp(bad, 1, seconds=1),
        lambda bad: ramp(1, bad, seconds=1),
        lambda bad: ramp(1, 1, seconds=bad),
        lambda bad: constant(1, seconds=bad),
        lambda bad: poisson(1, seconds=bad),
        lambda bad: burst(2, every_s=bad, times=2),
    ],
)
def test_numbers_that_are_no_rate_or_duration(make, bad):
    with pytest.raises(ScheduleError, match="give a finite number above 0"):
        make(bad)


@pytest.mark.parametrize("bad", [0, -1])
@pytest.mark.parametrize(
    "make",
    [
        lambda bad: constant(1, events=bad),
        lambda bad: poisson(1, events=bad),
        burst,
        lambda bad: burst(times=bad),
        lambda bad: constant(1, events=1, connections=bad),
        lambda bad: poisson(1, events=1, connections=bad),
        lambda bad: ramp(1, 2, seconds=1, connections=bad),
        lambda bad: burst(connections=bad),
    ],
)
def test_counts_below_one(make, bad):
    with pytest.raises(ScheduleError, match="give 1 or more"):
        make(bad)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constant(1), "give either seconds or events"),
        (lambda: poisson(1, seconds=1, events=1), "give either seconds or events"),
        (lambda: burst(times=2), "give every_s"),
        (lambda: burst(2.5), "give a whole number"),
        (lambda: poisson(1, events=1, seed=-1), "seed is -1: give 0 or more"),
        (lambda: poisson(1e-6, seconds=1), "raise the rate or seconds"),
        (lambda: constant(1e-6, events=2_000), "more than 30 years"),
        (lambda: constant(1, events=50_000_001), "50,000,001 events is too large: ask for 50 million"),
        (lambda: constant(1e300, seconds=1e300), "ask for 50 million"),
        (lambda: poisson(1e6, seconds=51), "ask for 50 million"),
        (lambda: burst(10**6, every_s=1, times=51), "ask for 50 million"),
        (lambda: ramp(1e6, 1e6, seconds=51), "ask for 50 million"),
    ],
)
def test_what_cannot_be_fired(make, message):
    with pytest.raises(ScheduleError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intended_ns": [1, 0]}, "must be sorted"),
        ({"intended_ns": [-1, 0]}, "not negative"),
        ({"intended_ns": [0.5, 1.5]}, "list of integers"),
        ({"intended_ns": []}, "one or more events"),
        ({"connection": [[0], [0]]}, "list of integers"),
        ({"connection": [0]}, "equally long"),
        ({"connection": [0, 2]}, "from 0 to 1"),
        ({"connection": [-1, 0]}, "from 0 to 1"),
        ({"connections": 0}, "give 1 or more"),
        ({"surprise": 1}, "not a plan|write it anew"),
    ],
)
def test_a_plan_from_elsewhere_is_checked(change, message):
    plan = burst(2, connections=2).to_dict()
    with pytest.raises(ScheduleError, match=message):
        Schedule.from_dict({**plan, **change})


def test_a_plan_with_a_part_missing():
    with pytest.raises(ScheduleError, match="write it anew"):
        Schedule.from_dict({"name": "half"})
