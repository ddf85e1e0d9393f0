"""The threads of one server, all of them known, so that a stop can wait for all of them."""

import contextlib
import threading
from typing import Any

from labkit.base import clock


class Threads:
    """Makes the threads of one server.

    Args:
        log: where a thread that ends by an exception says so.

    Attributes:
        started: those that have not ended.
    """

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.started: set[threading.Thread] = set()

    def make(self, *args: Any, **kwargs: Any) -> threading.Thread:
        """A daemon thread, as engine.io's own, that puts its traceback into the log instead of on stderr."""
        return _Thread(self, *args, **kwargs)

    def failed(self, name: str, error: Exception) -> None:
        """A thread has ended by an exception: called where it is handled."""
        self.log.append(f"{name}: {type(error).__name__}: {error}")

    def join_named(self, part: str, deadline_ns: int) -> None:
        """Wait for those in whose name `part` is."""
        for thread in list(self.started):
            if part in thread.name:
                join(thread, deadline_ns)

    def join_all(self, deadline_ns: int) -> list[str]:
        """Wait for all, also for those that start meanwhile; the names of those that still work at the deadline."""
        while others := self.started - {threading.current_thread()}:
            if clock.now_ns() >= deadline_ns:
                return [thread.name for thread in others]
            for thread in others:
                join(thread, deadline_ns)
        return []


def join(thread: threading.Thread, deadline_ns: int) -> None:
    """Wait for a thread until the deadline; not at all for the one that asks, which would wait for itself."""
    if thread is threading.current_thread():
        return
    try:
        thread.join(max(0.0, (deadline_ns - clock.now_ns()) / clock.NS_PER_S))
    except RuntimeError:
        clock.sleep(0.001)  # it is in the set, and about to start


class _Thread(threading.Thread):
    def __init__(self, known: Threads, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "daemon": True})
        self._known = known

    def start(self) -> None:
        self._known.started.add(self)  # before it runs: a stop may come just then
        super().start()

    def run(self) -> None:
        try:
            with contextlib.suppress(SystemExit):  # of a sleep that the stop has ended
                super().run()
        except Exception as error:  # noqa: BLE001 (a thread ends by it either way)
            self._known.failed(self.name, error)
        finally:
            self._known.started.discard(self)
