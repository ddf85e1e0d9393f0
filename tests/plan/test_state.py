"""What calls say of a state that the work keeps, and when they rather say nothing."""

import pytest

from labkit.plan import state
from labkit.plan.calls import Call


def calls(*timed):
    """Calls of (payload, ms) each."""
    return [Call(key, ms, ms) for key, ms in timed]


def numbered(costs, again):
    """Calls of payloads 0, 1, 2 ... and then of the first again."""
    return calls(*((str(number), ms) for number, ms in enumerate(costs)), ("0", again))


def test_steady_calls_say_nothing():
    assert state.found(numbered([10, 11, 9, 10, 12, 10], 10)) == ()


def test_the_same_payload_answered_otherwise():
    (told,) = state.found(numbered([10, 10], 10), alike=False)
    assert "answers the same payload otherwise from call to call: it keeps state" in told
    assert "may corrupt it" in told


def test_a_payload_seen_before_is_far_quicker():
    cached = [*numbered([170, 168, 169, 171], 0.4), *calls(("3", 0.4))]
    (told,) = state.found(cached)
    assert "a payload seen before is answered 428x faster (171 ms, then 0.4 ms)" in told


def test_a_first_call_that_warms_up_is_no_cache():
    # The first payload is quick when it comes again, and so is every other from the first call on.
    assert state.found(numbered([800, 2, 2, 2], 2)) == ()
    # The payloads' own costs differ: the first is quick by nature, the last is as slow as it was.
    assert state.found([*numbered([800, 300, 300, 300], 2), *calls(("3", 300))]) == ()


def test_work_of_microseconds_is_nobodys_cache():
    assert state.found([*numbered([0.5, 0.5, 0.5], 0.01), *calls(("2", 0.01))]) == ()


def test_slower_from_call_to_call():
    (told,) = state.found(numbered([1, 2, 3, 4, 5, 6], 7))
    assert "calls get slower and slower (the 7th took 7.0 ms, the first 1.0 ms)" in told


@pytest.mark.parametrize(
    ("costs", "again"),
    [
        ([1, 2, 3, 4, 5, 6], 1),  # later payloads cost more, and the first costs what it did
        ([5, 1, 6, 2, 7, 3], 7),  # up and down
        ([10, 11, 12, 12, 13, 14], 14),  # in order, but by little
        ([1, 2, 3], 4),  # too few
        ([0.001, 0.002, 0.003, 0.004, 0.005], 0.006),  # clocks and caches
        ([10, 10, 10, 10, 10, 10, 10, 40], 40),  # a slow spell at the end
    ],
)
def test_what_is_no_growth(costs, again):
    assert state.found(numbered(costs, again)) == ()


def test_queues_for_a_core_are_no_growth():
    busy = [Call(str(number), 10.0 * (number + 1), 10.0, queued_ms=10.0 * number) for number in range(8)]
    assert state.found([*busy, Call("0", 90.0, 10.0, queued_ms=80.0)]) == ()
