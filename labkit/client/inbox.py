"""What came back: frames decoded into columns, so that a million answers are numbers and not objects."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.client import packets, page_json
from labkit.client.matching import Matching
from labkit.plan.exchange import USUAL, Exchange
from labkit.runs.stages import Outcome

Int64 = NDArray[np.int64]

#: One value per delivery; ``at`` is the instant at which its frame was read.
COLUMNS = ("event", "connection", "at", "status", "work_start", "work_end", "work_cpu")


_TOO_DEEP = "an answer that is nested too deeply"


class Inbox:
    """The deliveries and acknowledgements of one firing.

    Args:
        owner: the connection on which the answer to each event must come; -1 where another process sent the event.
        expected: what each event must be answered; None where that is not known.
        bystander: the connection on which pings are acknowledged; -1 for none.
        pings: how many there are.
        exchange: what an answer looks like.
        members: the connections that every answer is meant for, where it is meant for several.
        matching: finds the answers where handlers are not the lab's; None where they tell their ids.

    Attributes:
        columns: the deliveries, by name of :data:`COLUMNS`.
        messages: what went wrong, by number of delivery.
        answered: which events have been answered on the connection that sent them.
        rounded: how many answers hold a whole number of which a page loses digits.
        reached: which events were answered to which of the members, by their places; without a row where an answer is
            meant for its sender alone.
        acked_ns, event_acked_ns: when each ping and each event was acknowledged; 0 where it was not.
    """

    def __init__(
        self,
        owner: Int64,
        expected: Sequence[Any] | None,
        bystander: int,
        pings: int,
        exchange: Exchange = USUAL,
        members: Sequence[int] = (),
        matching: Matching | None = None,
    ) -> None:
        self.owner = owner
        self.matching = matching
        self.expected = expected
        self.bystander = bystander
        self.columns = {name: array("q") for name in COLUMNS}
        self.messages: dict[int, str] = {}
        self.exchange = exchange
        self.answered = np.zeros(len(owner), bool)
        self.rounded = 0
        self.reached = np.zeros((len(owner) if members else 0, len(members)), bool)
        self._member = {connection: place for place, connection in enumerate(members)}
        self.acked_ns = np.zeros(pings, np.int64)
        self.event_acked_ns = np.zeros(len(owner), np.int64)

    def __len__(self) -> int:
        return len(self.columns["at"])

    def take(self, connection: int, frames: Sequence[tuple[int, bytes]]) -> None:
        """Decode what one connection received."""
        for at_ns, frame in frames:
            number, values, why = packets.acknowledged_with(frame)
            if number >= 0 and not why:
                self._acknowledge(number, connection, at_ns)
            if self.matching is not None:
                found = self.matching.found(connection, frame, (number, values, why))
            elif self.exchange.by_ack:
                found = [packets.answer_in(number, values, why)] if self._is_of(number, connection) else []
            else:
                found = _answers(frame, self.exchange.answer_event) if number < 0 else []
            has_long_digits = page_json.has_long_digits(frame) if found else False
            for answer in found:
                if -1 <= answer.event < len(self.owner):  # else it is of the warm-up, or of somebody else's plan
                    self._append(at_ns, connection, answer)
                    self.rounded += has_long_digits and page_json.rounded(answer.result) is not None

    def _is_of(self, number: int, connection: int) -> bool:
        """Whether an acknowledgement is of an event that went out on this connection."""
        return 0 <= number < len(self.owner) and self.owner[number] == connection != self.bystander

    def _acknowledge(self, number: int, connection: int, at_ns: int) -> None:
        """Of a ping on the bystander's connection, of an event on the connection that sent it."""
        if connection == self.bystander:
            if number < len(self.acked_ns) and not self.acked_ns[number]:
                self.acked_ns[number] = at_ns
        elif self._is_of(number, connection) and not self.event_acked_ns[number]:
            self.event_acked_ns[number] = at_ns

    def _append(self, at_ns: int, connection: int, answer: packets.Answer) -> None:
        try:
            status, message = self._judged(answer)
        except RecursionError:  # it was just not too deep to be read, and is to be compared or shown
            status, message = Outcome.GARBLED, _TOO_DEEP
        if message:
            # Half of a surrogate pair is JSON, and no terminal or file takes it.
            self.messages[len(self)] = message.encode(errors="backslashreplace").decode()
        if answer.event >= 0 and self.owner[answer.event] == connection:
            self.answered[answer.event] = True
        if answer.event >= 0 and (place := self._member.get(connection)) is not None:
            self.reached[answer.event, place] = True
        row = (answer.event, connection, at_ns, status, answer.start_ns, answer.end_ns, answer.cpu_ns)
        for column, value in zip(self.columns.values(), row, strict=True):
            column.append(value)

    def _judged(self, answer: packets.Answer) -> tuple[int, str]:
        if answer.status == Outcome.ANSWERED and self.expected is not None:
            want = self.expected[answer.event]
            if want is not None and not packets.same(answer.result, want):
                return Outcome.WRONG, f"answered {str(answer.result)[:80]}, expected {str(want)[:80]}"
        return answer.status, answer.message

    def ordered(self) -> tuple[dict[str, Int64], dict[int, str]]:
        """The columns in the order in which the deliveries came, and the messages by number of delivery."""
        columns = {name: np.array(column, np.int64) for name, column in self.columns.items()}
        return in_order(columns, self.messages)


def _answers(frame: bytes, event: str) -> list[packets.Answer]:
    try:
        return packets.answers(frame, event)
    except RecursionError:  # as above
        return [packets.Answer(-1, Outcome.GARBLED, message=_TOO_DEEP)]


def in_order(columns: dict[str, Int64], messages: dict[int, str]) -> tuple[dict[str, Int64], dict[int, str]]:
    """Deliveries sorted by their instant, with their messages; those of one instant stay in the order that they had."""
    order = np.argsort(columns["at"], kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return (
        {name: column[order] for name, column in columns.items()},
        {int(number[place]): message for place, message in messages.items()},
    )
