"""The probe: who computes while it waits for the GIL, whose collection it was; how it begins and ends."""

import contextlib
import gc
import logging
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from flask import Flask
from flask_socketio import SocketIO

import labkit
from labkit.base.clock import cpu_ns_of
from labkit.base.errors import UsageError
from labkit.inside import watch as watches
from labkit.inside.seeing import Seeing
from labkit.inside.watch import Watch
from labkit.inside.watched import CAUSES, GC, GIL
from tests.support.helpers import wait_until

HERE = "tests/inside/test_watch.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the CPU time of another thread")


@contextlib.contextmanager
def watching():
    watch = Watch(Seeing(events=64), [])
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
    assert watch.failed == ""


def held_ns(watch, cause, mark):
    """How much was put down to the line that ends with a comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if text.endswith(f"# {mark}")]
    told = watch.told()
    return sum(
        total.held_ns
        for total in told.totals
        if total.cause == cause and told.places[total.place].where.startswith(f"{HERE}:{line} in")
    )


def compute(end):
    while not end.is_set():
        sum(number * number for number in range(20_000))  # COMPUTE


def match(end):
    while not end.is_set():
        re.match("(a+)+$", "a" * 18 + "b")  # MATCH


@pytest.mark.parametrize(("work", "mark"), [(compute, "COMPUTE"), (match, "MATCH")])
def test_a_line_that_has_the_gil_is_found(work, mark):
    """In Python, and in C code that lets go of the GIL only at its end."""
    with watching() as watch:
        end = threading.Event()
        thread = threading.Thread(target=work, args=(end,))
        thread.start()
        found = wait_until(lambda: time.sleep(0.05) or held_ns(watch, GIL, mark) > 30_000_000, timeout_s=20)
        end.set()
        thread.join()
    assert found
    most = max((total for total in watch.told().totals if total.cause == GIL), key=lambda total: total.cpu_ns)
    assert watch.told().places[most.place].function == work.__name__


def test_who_waits_by_itself_is_not_blamed():
    with watching() as watch:
        time.sleep(0.2)
        assert watch.wakes > 3
    assert sum(total.cpu_ns for total in watch.told().totals if total.cause == GIL) < 50_000_000


def test_garbage_collection_is_named_with_the_line_that_set_it_off(monkeypatch):
    monkeypatch.setattr(watches, "COLLECTION_NS", 0)
    with watching() as watch:
        watch._collected("start", {})
        end = time.thread_time_ns() + 2_000_000
        while time.thread_time_ns() < end:
            pass
        time.sleep(0.02)  # as on a machine that has no core for it
        watch._collected("stop", {})  # COLLECTED
        watch._add_collections(0, 2**62)
    assert 2_000_000 <= held_ns(watch, GC, "COLLECTED") < 20_000_000


def test_a_collection_that_cannot_be_noted_is_said_once(monkeypatch, caplog):
    def fails(*_):
        raise RuntimeError("no")

    watch = Watch(Seeing(events=64), [])  # whose probe does not run: it would read stacks too
    monkeypatch.setattr(watch.places, "read", fails)
    monkeypatch.setattr(watches, "COLLECTION_NS", -1)
    gc.callbacks.append(watch._collected)
    with caplog.at_level(logging.ERROR, "labkit"):
        gc.collect()
        gc.collect()
    assert watch._collected not in gc.callbacks
    assert len(caplog.records) == 1
    assert "RuntimeError" in watch.failed


def test_it_leaves_nothing():
    before = list(gc.callbacks)
    with watching() as watch:
        assert len(gc.callbacks) == len(before) + 1
        assert wait_until(lambda: watch.wakes > 0)
    assert gc.callbacks == before
    assert not watch._thread.is_alive()
    assert watch.seeing.ended is None
    wakes = watch.wakes
    time.sleep(0.05)
    assert watch.wakes == wakes


def test_by_the_public_name():
    socketio = SocketIO(Flask("watch"), async_mode="threading")
    with labkit.instrument(socketio) as inside:
        with pytest.raises(UsageError, match="blame=True"):
            inside.watched()
        assert labkit.instrument(socketio, blame=True) is inside
        probe = inside._watch
        assert labkit.instrument(socketio, blame=True)._watch is probe
        assert repr(labkit.blame(inside)).startswith("Nothing")
    assert not probe._thread.is_alive()
    assert CAUSES[GIL] == "held the GIL"


def test_a_watch_that_fails_says_so_once_and_ends(monkeypatch, caplog):
    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(Watch, "_spent", fails)
    watch = Watch(Seeing(events=64), [])
    with caplog.at_level(logging.ERROR, "labkit"):
        watch.start()
        assert wait_until(lambda: not watch._thread.is_alive())
    watch.stop()
    assert "RuntimeError" in watch.failed
    assert [record.message for record in caplog.records] == [
        "labkit's watch failed and ends; the app goes on without it"
    ]
    assert labkit.blame((labkit.instrument(SocketIO(Flask("w"), async_mode="threading")).record(), watch.told())).unseen


def test_the_clock_of_another_thread():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    native = thread.native_id
    still = cpu_ns_of(native)
    assert 0 < still < 10**9
    before = cpu_ns_of(threading.get_native_id())
    sum(range(200_000))
    assert cpu_ns_of(threading.get_native_id()) > before
    end.set()
    thread.join()
    assert wait_until(lambda: cpu_ns_of(native) is None)


@pytest.mark.measured
def test_a_fork_is_watched_once_somebody_connects_to_it():
    code = (
        "import os, sys, threading, time, labkit\n"
        "from flask import Flask\n"
        "from flask_socketio import SocketIO\n"
        "app = Flask('f')\n"
        "socketio = SocketIO(app, async_mode='threading')\n"
        "inside = labkit.instrument(socketio, blame=True)\n"
        "threads = len(os.listdir('/proc/self/task')) if sys.platform == 'linux' else 2\n"
        "child = os.fork()\n"
        "before = inside.watched().wakes\n"
        "if not child:\n"
        "    assert sys.platform != 'linux' or len(os.listdir('/proc/self/task')) == threads - 1\n"
        "    socketio.test_client(app)\n"
        "end = time.monotonic() + 20\n"
        "while inside.watched().wakes < before + 3 and time.monotonic() < end:\n"
        "    time.sleep(0.01)\n"
        "told = inside.watched()\n"
        "good = told.wakes >= before + 3 and told.failed == ''\n"
        "if child:\n"
        "    good = good and os.waitpid(child, 0)[1] == 0\n"
        "sys.exit(not good)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
