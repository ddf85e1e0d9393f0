"""What became of every event while something was killed: exactly one of answered, late, lost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.base.text import ratio

Float64 = NDArray[np.float64]

#: No fault: what the other runs are held against.
NO_FAULT = "none"


#: What can be killed, and how a sentence names it.
FAULTS = {
    NO_FAULT: "nothing",
    "pool-child": "a child of the workers' pool",
    "workers": "the whole worker group",
    "server": "the server",
    "redis": "Redis that keeps nothing on disk",
    "redis-aof": "Redis with appendfsync always",
}


class Fate(IntEnum):
    """What became of an event."""

    ANSWERED = 0
    LATE = 1
    LOST = 2


@dataclass(frozen=True, eq=False, repr=False)
class Delivery:
    """The books of one run in which something was killed.

    Every event is exactly one of three:

    - *lost*: no answer came to its client until the end of the run. It ends when everything runs again and no answer
      has come to anybody for :attr:`patience_s`.
    - *late*: it was due before everything ran again, and its answer came after that.
    - *answered*: all others.

    A resubmission is an attempt, not an event; a duplicate is an answer to an event that was answered before.

    Attributes:
        strategy, work, plan: what was measured, by their names.
        fault: what was killed; ``none`` for nothing.
        outbox: whether the clients kept what they had sent until its result was there.
        due_ms, sent_ms, answered_ms: of each event, from the start of the run, shape (n,): when it was due, first
            submitted, first answered. Infinite where it never was.
        duplicates, resubmissions: how many.
        errors: events whose first answer is an error of the work.
        fault_ms: when it was killed; infinite where nothing was.
        recovered_ms: when everything ran again.
        patience_s: how long it was waited for one more answer, in seconds.
        restarts: how often the workers ended by themselves, and were started again.
        queued, unacknowledged: tasks that lay in Redis at the end: such that nobody had taken, and such that somebody
            had, who was killed. Celery gives the latter out again after its visibility timeout, by default an hour.
    """

    strategy: str
    work: str
    plan: str
    fault: str
    outbox: bool
    due_ms: Float64
    sent_ms: Float64
    answered_ms: Float64
    duplicates: int
    resubmissions: int
    errors: int
    fault_ms: float
    recovered_ms: float
    patience_s: float
    restarts: int = 0
    queued: int | None = None
    unacknowledged: int | None = None

    def __len__(self) -> int:
        return len(self.due_ms)

    @property
    def fate(self) -> NDArray[np.int64]:
        """Of each event its :class:`Fate`, shape (n,)."""
        fate = np.full(len(self), int(Fate.ANSWERED))
        if math.isfinite(self.recovered_ms):
            fate[(self.due_ms < self.recovered_ms) & (self.answered_ms > self.recovered_ms)] = Fate.LATE
        fate[np.isinf(self.answered_ms)] = Fate.LOST
        return fate

    @property
    def answered(self) -> int:
        """Events that were answered, and not late."""
        return int(np.sum(self.fate == Fate.ANSWERED))

    @property
    def late(self) -> int:
        """Events that had to wait until everything ran again."""
        return int(np.sum(self.fate == Fate.LATE))

    @property
    def lost(self) -> int:
        """Events without an answer."""
        return int(np.sum(self.fate == Fate.LOST))

    @property
    def outage_ms(self) -> float:
        """From the kill until everything ran again; NaN where nothing was killed."""
        return self.recovered_ms - self.fault_ms if math.isfinite(self.fault_ms) else math.nan

    @property
    def rate_hz(self) -> float:
        """Answered events per second, from the first that was due to the last answer; 0 where none was answered."""
        came = self.answered_ms[np.isfinite(self.answered_ms)]
        return ratio(1000 * len(came), float(came.max() - self.due_ms[0])) if len(came) else 0.0

    def __repr__(self) -> str:
        killed = "nothing killed" if self.fault == NO_FAULT else f"kill -9 of {FAULTS[self.fault]}"
        text = (
            f"{self.strategy}, {killed}: of {len(self)} events {self.answered} answered, {self.late} late, {self.lost} "
            f"lost; {_counted(self.duplicates, 'duplicate')}, {_counted(self.resubmissions, 'resubmission')}"
        )
        if self.errors:
            text += f"; {_counted(self.errors, 'answer')} with an error of the work"
        if self.lost and self.unacknowledged is not None:
            text += f" (in Redis at the end: {self.queued} queued, {self.unacknowledged} unacknowledged)"
        if self.restarts:
            text += f"; the workers ended by themselves, {_counted(self.restarts, 'time')}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """The counts and the times as plain JSON values; None where there was none."""
        times = {
            name: [_finite(value) for value in getattr(self, name)] for name in ("due_ms", "sent_ms", "answered_ms")
        }
        names = ("strategy", "work", "plan", "fault", "outbox", "answered", "late", "lost", "duplicates")
        more = ("resubmissions", "errors", "patience_s", "restarts", "queued", "unacknowledged")
        counts = {name: getattr(self, name) for name in (*names, *more)}
        return {
            **counts,
            "rate_hz": _finite(self.rate_hz),
            "fault_ms": _finite(self.fault_ms),
            "recovered_ms": _finite(self.recovered_ms),
            **times,
        }


def close(
    due_ns: Sequence[int],
    submissions: Sequence[tuple[int, int]],
    answers: Sequence[tuple[int, int, bool]],
    start_ns: int,
) -> dict[str, Any]:
    """Close the books: of each event when it was due, first submitted and first answered; and what came beside.

    Args:
        due_ns: of each event, from the start.
        submissions: when, and of which event.
        answers: when, to which event, and whether with an error; an event that there is not is nobody's.
        start_ns: of the run, on the clock of the others.

    Returns:
        The fields of a :class:`Delivery` that follow.
    """
    events = len(due_ns)
    sent_ms, answered_ms = np.full(events, math.inf), np.full(events, math.inf)
    counts = {"duplicates": 0, "resubmissions": 0, "errors": 0}
    for at_ns, event in sorted(submissions):
        if math.isinf(sent_ms[event]):
            sent_ms[event] = (at_ns - start_ns) / NS_PER_MS
        else:
            counts["resubmissions"] += 1
    for at_ns, event, is_error in sorted(answers):
        if not 0 <= event < events:
            continue
        if math.isinf(answered_ms[event]):
            answered_ms[event] = (at_ns - start_ns) / NS_PER_MS
            counts["errors"] += is_error
        else:
            counts["duplicates"] += 1
    due_ms = np.asarray(due_ns, np.int64) / NS_PER_MS
    return {"due_ms": due_ms, "sent_ms": sent_ms, "answered_ms": answered_ms, **counts}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
