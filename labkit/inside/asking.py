"""A process of the app is asked to save at once: before a signal is passed on to it that may end it without a word.

The one who asks writes a byte into a named pipe in the record's folder; the one who saves waits for that instead of
sleeping, and gives the pipe an old date when all is saved. Where there are no named pipes nobody is asked.
"""

import contextlib
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

from labkit.base.clock import NS_PER_S, now_ns, sleep

_PIPE = "ask"

#: The date of a pipe whose question was answered.
_ANSWERED_NS = 10**9

#: Longer than this nobody waits for an answer, which takes milliseconds on a machine that has time for it.
ANSWER_WITHIN_S = 2.0


class Asked:
    """The end of the one who saves, on a real thread.

    Args:
        folder: of the record.
        sleep: how to wait where there is no pipe, seconds.
    """

    def __init__(self, folder: Path, sleep: Callable[[float], object]) -> None:
        self._folder = folder
        self._sleep = sleep
        self._pipe: int | None = None
        with contextlib.suppress(OSError, AttributeError):
            os.mkfifo(folder / _PIPE)
            # For writing too: else its end would be told as soon as the first who asked has closed it.
            self._pipe = os.open(folder / _PIPE, os.O_RDWR | os.O_NONBLOCK)

    def wait(self, timeout_s: float) -> bool:
        """Whether it was asked in that time."""
        if self._pipe is not None:
            # A select that cannot: more than 1,024 descriptors, or the app has closed ours.
            with contextlib.suppress(OSError, ValueError):
                ready, _, _ = _real_select()([self._pipe] if self._is_ours() else [], [], [], timeout_s)
                return bool(ready and self._is_ours() and os.read(self._pipe, 4_096))
        self._sleep(timeout_s)
        return False

    def _is_ours(self) -> bool:
        """Whether the descriptor is the pipe's still: the app may close all, and open another of this number."""
        assert self._pipe is not None
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._pipe), os.stat(self._folder / _PIPE))
        return False

    def answer(self) -> None:
        """All is saved."""
        os.utime(self._folder / _PIPE, ns=(_ANSWERED_NS, _ANSWERED_NS))


def ask(folder: Path) -> None:
    """Have all processes of a run save what they have, and wait for that, though not long."""
    asked = []
    for pipe in folder.glob(f"server-*/{_PIPE}"):
        # Nobody reads it any more where its process has ended.
        with contextlib.suppress(OSError):
            writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.utime(pipe)
                os.write(writing, b"s")
            finally:
                os.close(writing)
            asked.append(pipe)
    deadline = now_ns() + round(ANSWER_WITHIN_S * NS_PER_S)
    while asked and now_ns() < deadline:
        sleep(0.005)
        asked = [pipe for pipe in asked if not _is_answered(pipe)]


def _is_answered(pipe: Path) -> bool:
    try:
        return pipe.stat().st_mtime_ns == _ANSWERED_NS
    except OSError:  # its folder is gone
        return True


def _real_select() -> Callable[..., tuple[list[int], list[int], list[int]]]:
    """The one that waits with the thread, also where gevent has put its own in its place."""
    monkey = sys.modules.get("gevent.monkey")
    return select.select if monkey is None else monkey.get_original("select", "select")  # type: ignore[no-any-return]
