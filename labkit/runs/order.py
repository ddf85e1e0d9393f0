"""Whether a client's answers came in the order of its events.

A client's events are those that went out on one connection, in the order of their intended starts; those of one instant
in the order of their numbers, in which they are sent. An event is *overtaken* if the answer to a later event of the
same client came before its own. That can only happen where the later one was sent before the earlier one was answered:
how often it could have happened stands beside how often it did, so that order which nothing put to the test is not
taken for order which was kept.

Only an event's own answer counts, the first one in time, also where it is an error or wrong. What was lost, came late
or came twice overtakes nothing, and is not overtaken. Nor does a refusal: somebody who is told at once that there will
be no answer has not been answered out of turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labkit.runs.stages import NEVER, Delivery, Outcome

if TYPE_CHECKING:
    from labkit.runs.run import Run

Int64 = NDArray[np.int64]

#: Outcomes whose answer says that there will be none.
REFUSALS = (Outcome.SHED, Outcome.SUPERSEDED)

#: Of an event without a later one of its client.
_NONE_LATER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Order:
    """How many events were overtaken by a later one of the same client.

    Attributes:
        overtaken: so many were.
        of: so many could have been: a later one of their client was under way, and both were answered. 0 where each
            client sent one event, or waited for its answer before it sent the next.
    """

    overtaken: int = 0
    of: int = 0

    @property
    def is_asked(self) -> bool:
        """Whether any event could have been overtaken; if not, nothing is known of order."""
        return self.of > 0

    @property
    def is_kept(self) -> bool | None:
        """Whether each client was answered in the order of its events; None where that was not asked."""
        return self.overtaken == 0 if self.is_asked else None

    def __add__(self, other: "Order") -> "Order":
        return Order(self.overtaken + other.overtaken, self.of + other.of)

    def __str__(self) -> str:
        """How many were answered out of order, as a cell of a table: ``none``, ``5 of 9``, ``-`` where not asked."""
        if not self.is_asked:
            return "-"
        return f"{self.overtaken:,} of {self.of:,}" if self.overtaken else "none"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; `kept` is null where it was not asked."""
        return {"kept": self.is_kept, "overtaken": self.overtaken, "of": self.of}


def total(orders: Iterable[Order]) -> Order:
    """Of several runs, or of several strategies, together."""
    return sum(orders, Order())


def observed(run: "Run") -> Order:
    """The order of one run's answers, by the definition above."""
    events = run.events
    answered = (events["delivered"] != NEVER) & ~np.isin(events["outcome"], REFUSALS)
    counted = np.flatnonzero(answered)
    counted = counted[np.argsort(run.plan.connection[counted], kind="stable")]
    client, place = run.plan.connection[counted], _places(run)[counted]
    overtaken = _least_later(place, client) < place
    # Whatever overtook was sent before, whatever the stamps of two cores say.
    could_be = overtaken | (_least_later(events["sent"][counted], client) < events["delivered"][counted])
    return Order(int(np.count_nonzero(overtaken)), int(np.count_nonzero(could_be)))


def _places(run: "Run") -> Int64:
    """Of every event the place of its answer among all answers; those of one frame came in the order that it has."""
    row = np.zeros(len(run), np.int64)
    answers = np.flatnonzero((run.deliveries["kind"] == Delivery.ANSWER) & (run.deliveries["event"] >= 0))
    row[run.deliveries["event"][answers]] = answers
    places = np.empty(len(run), np.int64)
    places[np.lexsort((row, run.events["delivered"]))] = np.arange(len(run))
    return places


def _least_later(values: Int64, client: Int64) -> Int64:
    """Of every event the least value among the later events of its client, which stand behind it."""
    least = np.full(len(values), _NONE_LATER)
    for own in np.split(np.arange(len(values)), np.flatnonzero(np.diff(client)) + 1):
        least[own[:-1]] = np.minimum.accumulate(values[own[:0:-1]])[::-1]
    return least
