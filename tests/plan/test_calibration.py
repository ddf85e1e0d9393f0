"""What is expected of the work, found by running it alone."""

import threading
import time
from dataclasses import replace

import pytest

from labkit.base.errors import WorkloadError
from labkit.plan import calibration
from labkit.plan.calibration import calls_needed, expect, expected_answers
from labkit.plan.mix import mix
from labkit.plan.schedules import burst
from labkit.plan.work import call, cpu, io_wait
from tests.plan.test_work import says_what_to_do


def test_work_that_echoes_is_run_a_few_times_only():
    expected = expect(cpu(1), 10_000)
    assert expected.answers == expected.payloads == tuple(range(10_000))
    assert expected.checked
    assert len(expected.service_ms) == len(expected.cpu_ms) == 10_000
    assert expected.mean_service_ms > 0.5


def test_a_disturbed_call_does_not_make_the_labs_own_work_longer():
    waits = iter([0.05, 0.001, 0.05])
    work = replace(cpu(1), function=lambda payload: time.sleep(next(waits)) or payload)
    assert expect(work, 10).mean_service_ms < 25


def test_a_wait_costs_what_was_asked_for_and_nobody_waits_to_find_out():
    never = replace(io_wait(2500), function=lambda payload: pytest.fail("it was called"))
    expected = expect(never, 3)
    assert expected.service_ms == (2500, 2500, 2500)
    assert expected.cpu_ms == (0, 0, 0)
    assert expected.answers == expected.payloads
    assert expected.checked


def test_answers_are_those_of_the_function_as_json_gives_them_back():
    expected = expect(call(lambda payload: (payload, {1: payload})), 3)
    assert expected.checked
    assert expected.answers == ([0, {"1": 0}], [1, {"1": 1}], [2, {"1": 2}])


def test_each_distinct_payload_is_run_once():
    seen = []
    expect(call(seen.append, payloads=["a", "b"]), 100)
    assert sorted(seen) == ["a", "a", "b"]  # and the first once more, to see whether it answers alike


def test_an_answer_that_is_no_number_is_the_same_each_time_and_so_checked():
    expected = expect(call(lambda n: {"n": n, "mean": float("nan"), 1: 2, "b": 3}), 2)
    assert expected.checked
    assert [answer["n"] for answer in expected.answers] == [0, 1]


def test_a_function_that_answers_differently_each_time_is_not_checked():
    numbers = iter(range(100))
    expected = expect(call(lambda: next(numbers)), 3)
    assert not expected.checked
    assert expected.answers == (None, None, None)


def test_a_first_call_that_raises_is_refused():
    with pytest.raises(WorkloadError, match=r"ZeroDivisionError.*division") as error:
        expect(call(lambda: 1 / 0), 3)
    assert says_what_to_do(error)


def test_a_first_result_that_is_not_json_is_refused():
    with pytest.raises(WorkloadError, match="JSON"):
        expect(call(lambda: {1, 2}), 3)


def test_a_later_call_that_raises_leaves_its_answer_open():
    expected = expect(call(lambda payload: 6 / (payload - 2)), 4)
    assert expected.checked
    assert expected.answers == (-3, -6, None, 6)


def test_a_function_that_never_returns_is_refused_before_the_run(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(calibration, "LIMIT_S", 0.05)
    try:
        with pytest.raises(WorkloadError, match=r"did not return within 0\.05 s"):
            expect(call(lambda number: release.wait(10)), 3)
    finally:
        release.set()


def memoised(seen):
    """A function that keeps its answers, and the payloads that it was called with."""
    known = {}

    def answer(payload):
        seen.append(payload)
        if payload not in known:
            time.sleep(0.02)
            known[payload] = payload
        return known[payload]

    return answer


def test_a_cache_is_told_from_a_warm_up_by_one_more_call():
    seen = []
    expected = expect(call(memoised(seen)), 4)
    assert seen == [0, 1, 2, 3, 0, 3]
    (told,) = expected.state
    assert "a payload seen before is answered" in told

    warm = []
    expected = expect(call(lambda payload: warm.append(payload) or time.sleep(0.002 if len(warm) > 1 else 0.05)), 4)
    assert warm == [0, 1, 2, 3, 0, 3]
    assert expected.state == ()


def test_what_keeps_state_says_so():
    numbers = iter(range(100))
    (told,) = expect(call(lambda: next(numbers)), 3).state
    assert "it keeps state" in told
    assert expect(cpu(1), 3).state == ()


def test_every_call_is_told_and_no_more_are_made_than_were_announced():
    for payloads, events, most in ((None, 4, 6), (["a", "b"], 100, 4), (["a"], 10, 2)):
        seen = []
        work = call(lambda payload, seen=seen: seen.append(payload), payloads=payloads)
        expected = expected_answers(work, burst(events))
        assert len(expected.calls) == len(seen) <= calls_needed(work, burst(events)) == most
    assert calls_needed(io_wait(10), burst(4)) == 0
    assert calls_needed(cpu(1), burst(4)) == 3


def test_the_calls_of_a_mix_are_those_of_its_kinds():
    seen = []
    numbers = iter(range(100))
    kinds = {"plain": (0.5, call(seen.append)), "drawn": (0.5, call(lambda: seen.append(0) or next(numbers)))}
    mixed, plan = mix(kinds), burst(6, connections=1)
    expected = expected_answers(mixed, plan)
    assert len(expected.calls) == len(seen) == 8
    assert calls_needed(mixed, plan) == 10
    (told,) = expected.state
    assert told.startswith("drawn: answers the same payload otherwise")
