"""Who stands still, and for whom: at a lock, for a pool, behind an event loop; without a socket."""

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import socketio as plain
from flask import Flask
from flask_socketio import SocketIO

import labkit
from labkit.inside.waiting import worker_of_a_full_pool
from labkit.inside.watched import CAUSES, LOCK, LOOP, POOL
from tests.support.helpers import wait_until

LOCK_OF_ALL = threading.Lock()


def line_of(mark):
    """A line of this file, as it is told."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if text.endswith(f"# {mark}")]
    return f"tests/inside/test_waiting.py:{line} in "


@pytest.fixture
def seen():
    """An app that is watched; and a call that lets one of its handlers run in a thread of its own."""
    app = Flask("waiting")
    socketio = SocketIO(app, async_mode="threading")
    inside = labkit.instrument(socketio, blame=True)
    threads = []

    def begin(name):
        client = socketio.test_client(app)
        thread = threading.Thread(target=client.emit, args=(name, 1))
        thread.start()
        threads.append(thread)

    yield socketio, inside, begin
    for thread in threads:
        thread.join(10)
    inside.detach()


def held_s(inside, cause):
    """For how long somebody was seen to wait for that."""
    return sum(total.held_ns for total in inside.watched().totals if total.cause == cause) / 1e9


def test_at_a_lock(seen):
    socketio, inside, begin = seen
    end = threading.Event()

    @socketio.on("checkout")
    def checkout(data):
        with LOCK_OF_ALL:
            end.wait()  # HOLDS

    @socketio.on("chat")
    def chat(data):
        with LOCK_OF_ALL:  # WANTS
            pass

    begin("checkout")
    assert wait_until(LOCK_OF_ALL.locked)
    begin("chat")
    found = wait_until(lambda: held_s(inside, LOCK) > 0.1)
    end.set()
    assert found
    worst = labkit.blame(inside).verdict
    assert (worst.cause, worst.by, worst.waited) == (CAUSES[LOCK], "checkout", "chat")
    assert worst.where.startswith(line_of("HOLDS"))
    assert worst.at.startswith(line_of("WANTS"))


def test_for_a_pool_of_which_all_threads_are_busy(seen):
    socketio, inside, begin = seen
    end = threading.Event()
    pool = ThreadPoolExecutor(1)

    def report():
        end.wait()  # FILLS

    @socketio.on("export")
    def export(data):
        pool.submit(report).result()

    begin("export")
    begin("export")
    found = wait_until(lambda: held_s(inside, POOL) > 0.1)
    end.set()
    pool.shutdown()
    assert found
    worst = labkit.blame(inside).verdict
    assert (worst.cause, worst.by, worst.waited) == (
        CAUSES[POOL],
        "test_for_a_pool_of_which_all_threads_are_busy.report",
        "export",
    )
    assert worst.where.startswith(line_of("FILLS"))


def test_a_pool_that_is_shut_down_is_not_full_whoever_has_its_threads_identifier_now():
    pool = ThreadPoolExecutor(1)
    worker = pool.submit(threading.current_thread).result()
    pool.shutdown()
    assert worker_of_a_full_pool({worker.ident: sys._getframe()}) is None


def test_who_waits_for_something_of_its_own_is_nobody_s_fault(seen):
    socketio, inside, begin = seen

    @socketio.on("export")
    def export(data):
        time.sleep(0.2)

    begin("export")
    time.sleep(0.3)
    assert held_s(inside, LOCK) == held_s(inside, POOL) == held_s(inside, LOOP) == 0


def test_behind_an_event_loop_that_does_not_turn():
    server = plain.AsyncServer(async_mode="asgi")
    end = threading.Event()

    @server.on("export")
    async def export(sid, data):
        await asyncio.sleep(0)
        end.wait()  # BLOCKS

    async def serve():
        await server.manager.connect("one", "/")
        await server._handle_event("one", "/", None, ["export", 1])
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    with labkit.instrument(server, blame=True) as inside:
        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        found = wait_until(lambda: held_s(inside, LOOP) > 0.1)
        end.set()
        thread.join()
        assert found
        worst = labkit.blame(inside).verdict
    assert (worst.cause, worst.by) == (CAUSES[LOOP], "export")
    assert worst.where.startswith(line_of("BLOCKS"))
