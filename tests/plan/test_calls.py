"""Calls one after the other, and the account of each."""

import subprocess
import sys
import time

import pytest

from labkit.base.errors import WorkloadError
from labkit.plan.calls import Call, Caller, key_of, short
from labkit.plan.work import call


def test_every_call_is_kept_in_order_with_what_it_cost():
    caller = Caller(call(lambda seconds: time.sleep(seconds) or seconds))
    assert [caller(seconds)["result"] for seconds in (0.01, 0.0)] == [0.01, 0.0]
    slept, quick = caller.calls
    assert (slept.key, quick.key) == ("0.01", "0.0")
    assert slept.ms >= 10
    assert slept.waiting_ms > 8
    assert slept.cpu_ms < slept.ms / 2
    assert quick.children_ms == 0


def test_an_error_is_an_answer_and_a_call():
    caller = Caller(call(lambda payload: 1 / payload))
    assert "ZeroDivisionError" in caller(0)["error"]
    assert len(caller.calls) == 1


def test_one_that_does_not_return_is_given_up():
    with pytest.raises(WorkloadError, match=r"on 5 did not return within 0\.05 s"):
        Caller(call(lambda payload: time.sleep(0.2)), limit_s=0.05)(5)
    time.sleep(0.2)  # so that its thread has ended


@pytest.mark.measured
def test_what_a_child_process_computes_is_counted():
    code = "import time\nwhile time.process_time() < 0.1: pass"
    caller = Caller(call(lambda: subprocess.run([sys.executable, "-S", "-c", code], check=True).returncode))
    caller(0)
    (made,) = caller.calls
    assert made.children_ms >= 90
    assert made.cpu_ms < 50
    assert made.waiting_ms > 50


def test_queues_are_taken_off_but_never_more_than_there_was():
    assert Call("", ms=10, cpu_ms=4, queued_ms=5).undisturbed_ms == 5
    assert Call("", ms=10, cpu_ms=4, queued_ms=5).waiting_ms == 1
    assert Call("", ms=10, cpu_ms=9, queued_ms=5).undisturbed_ms == 9
    assert Call("", ms=30, cpu_ms=0, children_ms=20).cost_ms == 20


def test_payloads_are_the_same_by_what_they_hold():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert len(short("x" * 200)) == 80
