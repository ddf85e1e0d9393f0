"""A client that does not read: what piles up is counted where it is put and where it is taken."""

import ctypes
import queue
import threading
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from engineio.packet import CLOSE, MESSAGE, Packet

from labkit import io_wait, strategy
from labkit.base.errors import UsageError
from labkit.experiments.slow_reader import Backlog, _Counter, _give_back_memory, slow_reader
from tests.support import simulated
from tests.support.helpers import nothing_left_behind


class Socket:
    """engine.io's, as far as it is counted."""

    def __init__(self):
        self.queue = queue.Queue()
        self.taken = []

    def handler(self, websocket):
        return websocket


def test_messages_are_counted_from_the_queue_to_the_socket():
    counter, socket = _Counter(), Socket()
    socket.queue.put("handshake")
    websocket = counter.count(socket.handler)(SimpleNamespace(send=socket.taken.append))
    websocket.send(socket.queue.get())
    for text in ("a", "bb", "ccc"):
        socket.queue.put(Packet(MESSAGE, text))
    drained = [socket.queue.get().data for _ in range(3)]  # as the writer does, before it sends the first
    websocket.send(drained[0])
    socket.queue.put(None)  # ends the writer, and is no message
    socket.queue.put(Packet(CLOSE))  # nor is a farewell
    _, waiting, size, queued = counter.columns()
    assert waiting.tolist() == [1, 0, 1, 2, 3, 2]
    assert size.tolist() == [0, 0, 1, 3, 6, 5]
    assert queued[-1] == 0  # it says that nothing waits
    assert socket.taken == ["handshake", "a"]
    for left in (*drained[1:], Packet(CLOSE).encode()):
        websocket.send(left)
    assert counter.columns()[1].tolist()[-1] == counter.columns()[2].tolist()[-1] == 0


def test_the_connection_that_has_most_to_do_is_the_slow_one():
    counter, quiet, busy = _Counter(), Socket(), Socket()
    for socket in (quiet, busy):
        counter.count(socket.handler)(SimpleNamespace(send=socket.taken.append))
    for message in "abc":
        busy.queue.put(Packet(MESSAGE, message))
    assert counter.columns()[1].max() == 3


def test_nothing_counted_is_nothing():
    assert [len(column) for column in _Counter().columns()] == [0, 0, 0, 0]


def test_memory_counts_until_the_client_reads():
    rows = [(0, 9, 50e6, 0), (40, 9, 57e6, 0), (80, 9, 99e6, 0)]
    found = Backlog(
        simulated.run(samples=rows), np.zeros(1), np.array([5]), np.zeros(1, int), 60, np.array([3_000_000]), 1_000
    )
    assert (found.memory_mb, found.waiting_peak) == (pytest.approx(7), 5)
    assert "10 messages to a client that did not read, 5 waited at one time, 3 MB" in repr(found)


def test_without_samples_nothing_is_said_of_memory():
    found = Backlog(
        simulated.run(threads=None), np.zeros(0), np.zeros(0, int), np.zeros(0, int), 60, np.zeros(0, int), 1
    )
    assert np.isnan(found.memory_mb)
    assert found.waiting_peak == 0


@pytest.mark.measured
def test_what_is_not_read_piles_up_and_is_all_read_in_the_end(client):
    with nothing_left_behind():
        found = slow_reader("inline", messages=1000, size_bytes=20_000, rate_hz=1000, client=client)
    # 20 MB, of which the sockets of both sides take a few.
    assert found.waiting_peak > 500
    assert found.piled_mb >= found.waiting_peak * 20_000 / 1e6
    assert (found.waiting_bytes[-1], found.size_bytes) == (0, 20_000)
    assert found.waiting[-1] == 0
    assert found.run.outcomes["answered"] == 1000
    assert found.run.own_ms.min() >= 499  # the last was asked for half a second before the client read
    assert np.isfinite(found.run.bystander_ms).all()


def test_what_was_freed_before_is_given_back_to_the_system():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("only glibc can be asked to give back what was freed")
    kept, gate = [], threading.Barrier(41)

    def fill():
        # Each thread has an arena of its own, which stays where a little of it is in use.
        texts = ["x" * 20_000 + str(i) for i in range(300)]
        kept.append(texts[::40])
        gate.wait()

    threads = [threading.Thread(target=fill) for _ in range(40)]
    for thread in threads:
        thread.start()
    gate.wait()
    for thread in threads:
        thread.join()
    resident = psutil.Process().memory_info().rss
    _give_back_memory()
    # 240 MB were filled; what earlier tests left behind decides how much of that had been room already.
    assert psutil.Process().memory_info().rss < resident


@pytest.mark.measured
def test_it_is_bounded_where_the_server_looks_at_what_was_read(client):
    chosen = strategy("drop-for-slow", unread=20)
    found = slow_reader(chosen, messages=1000, size_bytes=20_000, rate_hz=1000, client=client)
    assert found.waiting_peak <= 21
    assert found.run.conditions.parameters == {"unread": 20}
    assert found.run.outcomes["answered"] == 21  # and the newest
    assert found.run.events["outcome"][-1] == 0


@pytest.mark.measured
def test_the_work_can_be_the_readers_own(client):
    found = slow_reader("inline", io_wait(1), messages=20, rate_hz=200, client=client, reads_from_s=0.2)
    assert (found.run.work, found.run.outcomes["answered"]) == ("io_wait:1ms", 20)


def test_a_mode_in_which_nothing_can_be_counted_is_refused():
    with pytest.raises(UsageError, match="threading"):
        slow_reader("inline", mode="gevent")


def test_an_answer_of_nothing_is_refused():
    with pytest.raises(UsageError, match="size_bytes"):
        slow_reader("inline", size_bytes=0)
