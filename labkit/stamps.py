"""Preallocated arrays of stamps: one column a stage, one place an event, no lock and no growth.

An event's number in the plan is its place in every column, so a stamp is one store into an ``array``
(about 30 ns), whatever thread takes it, and no two threads ever write the same place.
"""

from array import array

from labkit.clock import Now, now_ns

#: The stages on the critical path of one event, in the order in which an event passes them.
STAGES = ("intended", "sent", "read", "dispatched", "work_start", "work_end", "emitted", "delivered")

#: Side marks: they are not on the way of the answer.
SIDE_MARKS = ("handler_start", "handler_end", "loop_free")

#: What the server can stamp; the client stamps the rest, and the answer carries the work's own two.
SERVER_COLUMNS = ("read", "dispatched", "handler_start", "handler_end", "loop_free", "emitted")

#: No stamp: a stage that was not reached, or that a mode cannot show. Of an instant on the clock,
MISSING = 0

#: and of one that is counted from the start of a run, where 0 is a time like any other.
NEVER = -(2**63)


class Stamps:
    """The server's stamps of one run, in ns of :data:`labkit.clock.now_ns`; :data:`MISSING` where none was taken.

    Args:
        events: places; an event whose number is not in ``range(events)`` is not stamped (warm-up, foreign traffic).
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
