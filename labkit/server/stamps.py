"""Preallocated arrays of stamps: one column per stage, one place per event, no lock and no growth.

An event's number in the plan is its place in every column. So a stamp is one store into an ``array`` (about 30 ns),
whichever thread takes it, and no two threads ever write the same place.
"""

from array import array

from labkit.base.clock import NS_PER_S, Now, now_ns
from labkit.base.patched import original
from labkit.runs.stages import SERVER_COLUMNS

#: So long a handler is waited for that goes on after the last answer.
SETTLES_S = 1.0


class Stamps:
    """The server's stamps of one run, in ns of :data:`labkit.base.clock.now_ns`.

    Where none was taken, there is :data:`labkit.runs.stages.MISSING`.

    Args:
        events: how many places; an event whose number is not in ``range(events)`` is not stamped (warm-up, foreign
            traffic).
        now: where stamps come from; a fake in tests.
    """

    __slots__ = ("dispatched", "emitted", "events", "handler_end", "handler_start", "loop_free", "now", "read")

    def __init__(self, events: int, now: Now = now_ns) -> None:
        self.events = events
        self.now = now
        for column in SERVER_COLUMNS:
            setattr(self, column, array("q", bytes(8 * events)))

    read: "array[int]"
    dispatched: "array[int]"
    handler_start: "array[int]"
    handler_end: "array[int]"
    loop_free: "array[int]"
    emitted: "array[int]"

    def columns(self) -> dict[str, "array[int]"]:
        """The columns by name; the live arrays, not copies."""
        return {column: getattr(self, column) for column in SERVER_COLUMNS}

    def place(self, message: object) -> int:
        """The place of an event or of an answer, by its ``id``; -1 where it has none in this run."""
        if isinstance(message, dict):
            number = message.get("id")
            if type(number) is int and 0 <= number < self.events:
                return number
        return -1

    def settle(self, limit_s: float = SETTLES_S) -> None:
        """Wait for handlers that have begun and not ended: one that answers first goes on after the last answer.

        Args:
            limit_s: those that take longer have no end in this run.
        """
        pause = original("time", "sleep")  # orders are carried out on a real thread, whatever is patched
        until_ns = now_ns() + round(limit_s * NS_PER_S)
        while now_ns() < until_ns and any(
            start and not end for start, end in zip(self.handler_start, self.handler_end, strict=True)
        ):
            pause(0.005)
