"""The clock that all stamps come from, and its stand-in for exact tests."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.base import clock
from tests.support.fake_clock import FakeClock


def test_the_clock_never_runs_backwards():
    stamps = [clock.now_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)


@pytest.mark.measured
def test_another_process_reads_the_same_clock():
    code = "from labkit.base import clock; print(clock.now_ns())"
    before = clock.now_ns()
    there = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert before < there < clock.now_ns()


def test_thread_cpu_time_does_not_count_waiting():
    before = clock.thread_cpu_ns()
    clock.sleep(0.1)
    assert clock.thread_cpu_ns() - before < 50 * clock.NS_PER_MS


def test_process_cpu_time_counts_work():
    before = clock.process_cpu_ns()
    sum(range(200_000))
    assert clock.process_cpu_ns() > before


def test_units_agree_with_the_standard_library():
    before = time.perf_counter()
    at_ns = clock.now_ns()
    assert before <= at_ns / clock.NS_PER_S <= time.perf_counter()
    assert clock.NS_PER_S == 1000 * clock.NS_PER_MS


def test_fake_clock_stands_still():
    now = FakeClock(start_ns=7)
    assert [now(), now()] == [7, 7]


def test_fake_clock_advances_by_milliseconds_and_nanoseconds():
    now = FakeClock()
    now.advance(ms=1.5, ns=3)
    assert now() == 1_500_003


@pytest.mark.parametrize("step", [{"ms": -1}, {"ns": -1}, {"ms": 5, "ns": -1}])
def test_fake_clock_does_not_run_backwards(step):
    now = FakeClock(start_ns=10 * clock.NS_PER_MS)
    with pytest.raises(ValueError, match="backwards"):
        now.advance(**step)
    assert now() == 10 * clock.NS_PER_MS


@given(st.lists(st.integers(0, 10**12)))
def test_fake_clock_adds_up_exactly(steps):
    now = FakeClock()
    for step in steps:
        now.advance(ns=step)
    assert now() == sum(steps)


def test_utc_stamp_is_iso_8601_in_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", clock.utc_stamp())
