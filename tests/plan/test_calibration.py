"""What is expected of the work, found by running it alone."""

import threading
import time
from dataclasses import replace

import pytest

from labkit.base.errors import WorkloadError
from labkit.plan import calibration
from labkit.plan.calibration import expect
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
