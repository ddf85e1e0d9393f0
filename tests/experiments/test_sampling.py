"""The calls of a diagnosis: which payloads they get, and how many there are."""

import time

import pytest

from labkit.experiments.sampling import Alone, Sampling, calls_when_waiting, most_calls, typical_hold_ms
from labkit.plan.calibration import expected_answers
from labkit.plan.calls import Call
from labkit.plan.schedules import burst
from labkit.plan.work import call


def sampled(work, events=4):
    return Sampling(work, expected_answers(work, burst(events)), 10, 0)


def test_the_calls_of_a_calibration_are_not_made_again():
    seen = []
    found = sampled(call(seen.append))
    assert seen == [0, 1, 2, 3, 0]
    assert found.calls == 0
    assert found.alone.calls[0].key == "0"


def test_without_one_a_few_calls_are_made_and_counted():
    seen = []
    found = Sampling(call(lambda payload: seen.append(payload) or time.sleep(0.03)), None, 10, 0)
    assert seen == [0, 1, 2, 0]
    assert found.calls == 4


def test_payloads_are_those_that_the_run_will_not_use():
    found = sampled(call(lambda payload: payload))
    assert found.fresh(3) == [4, 5, 6]
    assert found.fresh(2) == [7, 8]
    assert not found.repeats


def test_where_there_are_no_others_they_come_again_and_that_is_known():
    found = sampled(call(lambda payload: payload, payloads=["a", "b"]))
    assert found.fresh(3) == ["a", "b", "a"]
    assert found.repeats


def test_more_payloads_than_events_are_new_ones():
    found = sampled(call(lambda payload: payload, payloads=list("abcdef")))
    assert found.fresh(2) == ["e", "f"]
    assert not found.repeats


def test_payloads_of_unlike_cost_are_compared_with_what_each_takes():
    seen = []

    def work(ms):
        seen.append(ms)
        time.sleep(ms / 1000)
        return ms

    found = sampled(call(work, payloads=[5, 10, 60, 120, 240]), 4)
    seen.clear()
    shot = found.at_once("threads", 3)
    assert set(seen) <= {10, 60, 120}  # of which it is known; 5 came first, and may have warmed up
    assert shot.found.width >= 2
    assert found.calls == 3


def test_calls_that_fail_are_tried_again_with_payloads_that_work():
    def work(number):
        if number > 3:
            raise LookupError(number)
        time.sleep(0.01)

    found = sampled(call(work))
    shot = found.at_once("threads", 8)
    assert shot.found.failed == ""
    assert shot.found.calls == 2
    assert found.calls == 10


def test_the_first_call_and_those_that_come_again_do_not_count():
    calls = [Call("0", 500, 0), Call("1", 10, 2), Call("2", 20, 2), Call("3", 30, 2), Call("0", 0.1, 0)]
    alone = Alone(tuple(calls))
    assert alone.ms == 20
    assert alone.waiting == pytest.approx(54 / 60)
    assert alone.warms_up
    assert Alone((Call("0", 500, 0), Call("0", 10, 0))).ms == 10


def test_a_child_that_queued_the_least_tells_how_much_it_computes():
    calls = (Call("0", 400, 0, children_ms=95), Call("1", 100, 0, children_ms=95), Call("2", 300, 0, children_ms=95))
    assert Alone(calls).children == 0.95


def test_long_calls_are_fewer():
    assert [calls_when_waiting(ms) for ms in (10, 249, 250, 999, 1000, 5000)] == [8, 8, 4, 4, 2, 2]


@pytest.mark.parametrize(
    ("waits_ms", "typical"), [([], 0), ([300], 300), ([5] * 20, 5), ([5] * 20 + [25], 5), ([40, 40, 1, 1, 1], 40)]
)
def test_how_long_another_thread_waits_at_once(waits_ms, typical):
    assert typical_hold_ms(waits_ms) == typical


def test_no_diagnosis_needs_more_calls_than_it_says():
    assert most_calls() == 7 + 16 + 4
    assert most_calls(calibrated=False) == most_calls() + 7
    assert most_calls("gevent") == most_calls() + 4
