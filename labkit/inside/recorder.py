"""Events with what they carry, streamed to a file while the app runs, to be replayed (:mod:`labkit.plan.recording`).

An event is encoded where it arrives, since its handler may change it. Secrets are taken out and lines are written by
the thread that saves: at most so many bytes wait for it, and what comes beyond is counted and not kept.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from labkit.base.clock import NS_PER_S, Now, now_ns
from labkit.plan import recording
from labkit.plan.recording import Recorded
from labkit.plan.redaction import Redactor

#: What may wait to be written, and what is written in all, in characters.
WAITING_MOST, WRITTEN_MOST = 64_000_000, 2_000_000_000

#: Whose connection is not known, since it was there before the hooks.
NOBODY = -1


class Recorder:
    """The events that one server receives in one process.

    Args:
        path: of the file, which appears with the first write. Where another process has it, its name gets a number.
        fields: further names of fields that are secrets.
        now: where stamps come from; a fake in tests.

    Attributes:
        written: how many events are in the file.
        missing: how many are not, by reason.
    """

    def __init__(self, path: Path, *, fields: Iterable[str] = (), now: Now = now_ns) -> None:
        self._path = path
        self._now = now
        self._began_ns = now()
        self._redactor = Redactor(fields)
        self._waiting: deque[str] = deque()
        self._size = 0  # of what waits: about, since threads add to it at once
        self._file: TextIO | None = None
        self._characters = 0
        self.written = 0
        self.missing: Counter[str] = Counter()

    def take(self, connection: int | None, namespace: str | None, data: list[Any], ack: bool) -> None:
        """An event has arrived; never raises because of what it carries."""
        if self._size > WAITING_MOST:
            self.missing["came faster than they could be written"] += 1
            return
        number = NOBODY if connection is None else connection
        time_s = (self._now() - self._began_ns) / NS_PER_S
        try:
            line = Recorded(time_s, number, namespace or "/", data[0], tuple(data[1:]), ack).line()
        except (TypeError, ValueError, RecursionError):
            self.missing["cannot be written as JSON"] += 1
            return
        self._size += len(line)
        self._waiting.append(line)

    def write(self) -> None:
        """Write what waits.

        Raises:
            OSError: that could not be done; what waited is counted as missing.
        """
        while self._waiting:
            line = self._waiting.popleft()
            self._size = max(0, self._size - len(line)) if self._waiting else 0
            if self._characters > WRITTEN_MOST:
                self.missing[f"came after {WRITTEN_MOST // 1_000_000_000} GB were written"] += 1
                continue
            try:
                event = recording.of_line(line.encode())
            except (ValueError, RecursionError):  # a name that is no text
                self.missing["have no name that is a text"] += 1
                continue
            try:
                self._put(self._redactor.event(event).line())
            except OSError:
                self.missing["could not be written to the disk"] += 1
                raise
            self.written += 1
        if self._file is not None:
            self._file.flush()

    def forked(self) -> None:
        """This process is a fork: what waits and the file are its parent's."""
        self._waiting.clear()
        self._file, self._size, self._characters, self.written = None, 0, 0, 0
        self.missing.clear()

    def told(self) -> dict[str, Any]:
        """What was recorded so far, as JSON."""
        return {
            "file": "" if self._file is None else self._file.name,
            "events": self.written,
            "missing": dict(self.missing),
            "redacted": dict(self._redactor.counts),
        }

    def _put(self, line: str) -> None:
        if self._file is None:
            self._file = self._opened()
            self._file.write(recording.head(redacted=True) + "\n")
        self._characters += len(line)
        self._file.write(line + "\n")

    def _opened(self) -> TextIO:
        """A new file: payloads are for who has started the app alone."""
        own = self._path.with_name(f"{self._path.stem}-{os.getpid()}{self._path.suffix}")
        again = [own.with_name(f"{own.stem}-{number}{own.suffix}") for number in range(2, 100)]
        for path in (self._path, own, *again):
            try:
                return open(path, "x", encoding="utf-8", opener=_private)
            except FileExistsError:
                continue
        raise FileExistsError(f"{self._path} has a hundred others beside it")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
