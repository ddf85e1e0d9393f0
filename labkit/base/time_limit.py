"""A call that may never return: made on a thread of its own, and given up after a while."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from labkit.base import clock
from labkit.base.errors import WorkloadError
from labkit.base.patched import patched_by

T = TypeVar("T")

#: Longer than any handler for which people wait, and short enough to wait for a mistake.
LIMIT_S = 30.0

#: The calls that have not returned yet, for who watches this process: of each its name, its limit in seconds, and when
#: it began (:data:`labkit.base.clock.now_ns`).
running: list[tuple[str, float, int]] = []


def call_within(limit_s: float, name: str, function: Callable[[], T]) -> T:
    """What `function` returns, or raises, if it does so within `limit_s` seconds.

    A thread cannot be ended from outside. One that is given up goes on, but keeps no process from ending. Where gevent
    or eventlet has patched this process, a thread is none: the call is made at once, and whoever watches this process
    has to end it.

    Raises:
        WorkloadError: it has not returned by then; the message calls it `name`.
    """
    with _told(name, limit_s):
        return function() if patched_by() else _on_thread(limit_s, name, function)


def _on_thread(limit_s: float, name: str, function: Callable[[], T]) -> T:
    returned: list[T] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            returned.append(function())
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that asked)
            raised.append(error)

    thread = threading.Thread(target=call, name="labkit-timelimit", daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not returned:
        raise too_long(name, limit_s)
    return returned[0]


def too_long(name: str, limit_s: float) -> WorkloadError:
    """The error of a call that has not returned in time."""
    return WorkloadError(f"{name} did not return within {limit_s:g} s: mend it, or give what it waits for a timeout")


@contextmanager
def _told(name: str, limit_s: float) -> Iterator[None]:
    one = (name, limit_s, clock.now_ns())
    running.append(one)
    try:
        yield
    finally:
        running.remove(one)
