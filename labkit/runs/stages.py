"""The words of a record: the stages of an event, what becomes of it, and what becomes of an answer.

Whoever stamps and whoever reads stamps shares these names. No numpy here: the hooks import this module.
"""

from enum import IntEnum, StrEnum


class Stage(StrEnum):
    """An instant of one event, and the name of its column in a record.

    The first eight are the event's way, in the order in which it passes them. The last three are side marks: they are
    not on the way of the answer.
    """

    INTENDED = "intended"  # when it was due
    SENT = "sent"  # stamped before the write
    READ = "read"  # the reader thread put it into the inbox
    DISPATCHED = "dispatched"  # the receive loop took it from there
    WORK_START = "work_start"
    WORK_END = "work_end"
    EMITTED = "emitted"
    DELIVERED = "delivered"

    HANDLER_START = "handler_start"
    HANDLER_END = "handler_end"
    LOOP_FREE = "loop_free"  # its connection could take the next packet


#: The way of one event, in the order in which it passes the stages.
STAGES = tuple(Stage)[:8]

SIDE_MARKS = tuple(Stage)[8:]

#: What the server stamps. The client stamps the rest, and the answer carries the two stamps of the work.
SERVER_COLUMNS = (
    Stage.READ,
    Stage.DISPATCHED,
    Stage.HANDLER_START,
    Stage.HANDLER_END,
    Stage.LOOP_FREE,
    Stage.EMITTED,
)

#: No stamp, in a column of instants on the clock: the stage was not reached, or the mode cannot show it.
MISSING = 0

#: The same in a column that counts from the start of a run. There 0 is a time like any other.
NEVER = -(2**63)


class Outcome(IntEnum):
    """What can become of an event; each has exactly one. The first six and the last are kinds of its first answer.

    Saved runs hold these numbers: a new one comes last.
    """

    ANSWERED = 0
    FAILED = 1
    SHED = 2
    SUPERSEDED = 3
    GARBLED = 4
    WRONG = 5
    TIMED_OUT = 6
    DISCONNECTED = 7
    UNSENT = 8
    UNREADABLE = 9  # Python reads it, and no page can: NaN is no JSON
    SENT = 10  # nobody can tell what became of it: no answer is asked for, or none can be matched with its event

    @property
    def label(self) -> str:
        """The word that people read, such as ``timed out``."""
        return self.name.lower().replace("_", " ")


#: Instead of an outcome: the run ended before its own time limit, or its stamps contradict each other. There must be
#: no such event.
UNACCOUNTED = -1

#: The words for :class:`Outcome`, in its order.
OUTCOMES = tuple(outcome.label for outcome in Outcome)


class Delivery(IntEnum):
    """What can become of an answer that reached a client."""

    ANSWER = 0
    DUPLICATE = 1
    LATE = 2
    STRAY = 3  # on another connection than its event's: the broadcast bug
    GARBLED = 4
    MEANT = 5  # on another connection than its event's, where it is meant for everybody
    UNMATCHED = 6  # of which nobody can tell which event it answers

    @property
    def label(self) -> str:
        """The word that people read."""
        return self.name.lower()


#: The words for :class:`Delivery`, in its order.
DELIVERIES = tuple(delivery.label for delivery in Delivery)


def outcome_label(number: int) -> str:
    """The word for a number in the column ``outcome``, ``unaccounted`` among them."""
    return Outcome(number).label if number != UNACCOUNTED else "unaccounted"
