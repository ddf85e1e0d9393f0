"""Another thread that asks for the GIL: what it is refused, and that all is put back."""

import hashlib
import sys
import time

import pytest

from labkit.experiments.gil_probe import UNDISTURBED_S, CpuAccount, Probe
from labkit.runs import environment
from labkit.server.steady import switch_interval
from tests.support.helpers import nothing_left_behind, wait_until

needs_gil = pytest.mark.skipif(not environment.gil(), reason="this interpreter has no GIL")


def turn(count=400_000):
    x = 1
    for _ in range(count):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF


def test_waiting_is_idle_and_computing_is_not():
    with CpuAccount() as account:
        if not account.is_complete:
            pytest.skip("the kernel does not account for queues")
        before, began = account.idle_ns(), time.perf_counter_ns()
        time.sleep(0.05)
        slept = (account.idle_ns() - before) / (time.perf_counter_ns() - began)
        before, began = account.idle_ns(), time.perf_counter_ns()
        turn()
        computed = (account.idle_ns() - before) / (time.perf_counter_ns() - began)
    assert slept > 0.8
    assert computed < 0.2


@needs_gil
def test_who_computes_in_python_refuses_the_gil_and_who_hashes_does_not():
    data = bytes(20_000_000)
    with switch_interval(UNDISTURBED_S):
        with Probe() as python:
            turn()
        with Probe() as hashing:
            for _ in range(3):
                hashlib.sha256(data).digest()
    assert python.held > 0.8
    assert hashing.held < 0.2


@needs_gil
def test_c_code_that_keeps_the_gil_makes_another_thread_wait_for_all_of_it():
    values = list(range(1_000_000, 0, -1)) * 2
    before = time.perf_counter()
    with Probe() as probe:
        sorted(values, key=str)
    took_ms = (time.perf_counter() - before) * 1000
    assert max(probe.waits_ms) > 0.5 * took_ms


def test_nothing_is_left_behind_and_the_interval_is_put_back():
    before = sys.getswitchinterval()
    with nothing_left_behind():
        with pytest.raises(ZeroDivisionError), switch_interval(0.1), Probe():
            raise ZeroDivisionError(sys.getswitchinterval())
        with CpuAccount() as account:
            account.ready_ns()
    assert sys.getswitchinterval() == pytest.approx(before)


def test_it_ends_by_itself_should_the_block_never_do():
    with Probe(at_most_s=0.05) as probe:
        assert wait_until(lambda: not probe._thread.is_alive())


def test_where_the_kernel_tells_nothing_the_file_is_another(monkeypatch):
    import os

    real = os.open

    def not_there(path, *arguments):
        if "schedstat" in str(path):
            raise FileNotFoundError(path)
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", not_there)
    with CpuAccount() as account:
        assert not account.is_complete
        assert account.ready_ns() == 0


@needs_gil
def test_what_was_before_the_work_began_is_left_out():
    with switch_interval(UNDISTURBED_S), Probe(whole=False) as python:
        time.sleep(0.1)  # in which it has the GIL all the time
        python.work_begins()
        turn()
    assert python.held > 0.8
