"""CPU time of this process, of its threads and of its children, those that have ended among them."""

import subprocess
import sys
import threading

import psutil
import pytest

from labkit.base import clock
from labkit.base.cpu import CpuAccount, ended_ns, living_ns, others_ns, whole_s

COMPUTES = "import time\nwhile time.process_time() < 0.2: pass"


def spin(seconds):
    before = clock.thread_cpu_ns()
    while clock.thread_cpu_ns() - before < seconds * clock.NS_PER_S:
        pass


def test_other_threads_count_and_the_own_one_does_not():
    before = others_ns()
    spin(0.05)
    assert others_ns() - before < 0.04 * clock.NS_PER_S
    thread = threading.Thread(target=spin, args=(0.05,))
    thread.start()
    thread.join()
    assert others_ns() - before > 0.04 * clock.NS_PER_S


def test_an_account_of_a_thread_that_computes_is_not_idle():
    with CpuAccount() as account:
        before = account.idle_ns()
        spin(0.02)
        passed = account.idle_ns() - before
        # Without the kernel's account a queue for a core looks like waiting.
        assert passed < 0.01 * clock.NS_PER_S or not account.is_complete


@pytest.mark.measured
def test_a_child_counts_while_it_lives_and_once_it_has_ended():
    ended, whole = ended_ns(), whole_s(psutil.Process())
    child = subprocess.Popen([sys.executable, "-S", "-c", COMPUTES + "\ninput()"], stdin=subprocess.PIPE)
    try:
        process = psutil.Process(child.pid)
        while whole_s(process) < 0.15:
            clock.sleep(0.01)
        assert living_ns() >= 0.15 * clock.NS_PER_S
        assert ended_ns() == ended
    finally:
        child.communicate(b"\n")
    assert ended_ns() - ended >= 0.15 * clock.NS_PER_S
    assert whole_s(psutil.Process()) - whole >= 0.15
