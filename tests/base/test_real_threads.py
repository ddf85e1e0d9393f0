"""Threads of the operating system, with and without gevent's patches."""

import subprocess
import sys
import threading

import pytest

from labkit.base.real_threads import RealThread, is_patched, original


def test_it_runs_beside_and_can_be_waited_for():
    go, seen = threading.Event(), []
    thread = RealThread(lambda: seen.append((go.wait(5), threading.get_native_id())))
    thread.start()
    assert thread.is_alive()
    assert not thread.join(0.01)
    go.set()
    assert thread.join(5)
    assert not thread.is_alive()
    assert seen[0] != (True, threading.get_native_id())


def test_where_nothing_is_patched_everything_is_original():
    assert not is_patched()
    assert original("_thread", "allocate_lock") is threading._allocate_lock


@pytest.mark.measured
def test_where_gevent_has_patched_it_is_no_greenlet():
    code = """
from gevent import monkey; monkey.patch_all()
import threading
from labkit.base.real_threads import RealThread, is_patched
ids = []
thread = RealThread(lambda: ids.append(threading.get_native_id()))
thread.start()
assert thread.join(10)
assert is_patched() and ids != [threading.get_native_id()]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
