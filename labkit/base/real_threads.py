"""A thread of the operating system, also where gevent has made greenlets of Python's threads.

gevent patches a process from its first line on, and keeps what it replaced (``gevent.monkey.get_original``).
"""

import sys
from collections.abc import Callable
from typing import Any


def original(module: str, name: str) -> Any:
    """Something of the standard library as it was before gevent patched it, if it did."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    __import__(module)
    return getattr(sys.modules[module], name)


def is_patched() -> bool:
    """Whether the threads of this process are greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


class RealThread:
    """A thread that runs none of the reader's code; whoever joins it blocks, greenlets and all.

    Args:
        target: what it runs.
    """

    def __init__(self, target: Callable[[], object]) -> None:
        self._target = target
        self._ended = original("_thread", "allocate_lock")()

    def start(self) -> None:
        """Run it."""
        self._ended.acquire()
        original("_thread", "start_new_thread")(self._run, ())

    def _run(self) -> None:
        try:
            self._target()
        finally:
            self._ended.release()

    def is_alive(self) -> bool:
        """Whether it runs."""
        return bool(self._ended.locked())

    def join(self, timeout_s: float = -1) -> bool:
        """Wait until it has ended, for ever where no time is given; whether it has."""
        if not self._ended.acquire(timeout=timeout_s):
            return False
        self._ended.release()
        return True
