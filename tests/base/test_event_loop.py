"""What an event loop waits with."""

import selectors
import socket

from labkit.base.clock import NS_PER_MS, now_ns
from labkit.base.event_loop import fine_selector

WAITS, EACH_MS = 50, 0.2


def waited_ms(selector):
    """Of so many short waits for nothing, how long they took together; the quickest of several tries."""
    tries = []
    for _ in range(10):
        start_ns = now_ns()
        for _ in range(WAITS):
            selector.select(EACH_MS / 1000)
        tries.append((now_ns() - start_ns) / NS_PER_MS)
    return min(tries)


def test_it_waits_for_less_than_a_millisecond():
    """epoll by itself rounds each of these waits up to a whole one."""
    left, right = socket.socketpair()
    with left, right, fine_selector() as selector:
        selector.register(left, selectors.EVENT_READ)
        assert WAITS * EACH_MS <= waited_ms(selector) < WAITS


def test_it_tells_who_can_be_read_at_once_and_within_its_time():
    left, right = socket.socketpair()
    with left, right, fine_selector() as selector:
        selector.register(left, selectors.EVENT_READ)
        assert selector.select(0) == []
        assert selector.select(0.001) == []
        right.send(b"x")
        for timeout in (0, 5, None):
            ((key, events),) = selector.select(timeout)
            assert (key.fileobj, events) == (left, selectors.EVENT_READ)
