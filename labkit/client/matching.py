"""Which event an answer answers, where the handlers are not the lab's and know nothing of its ids."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.client import packets, page_json
from labkit.client.packets import Answer
from labkit.plan import wire
from labkit.plan.exchange import BY_NOTHING, BY_NUMBER, BY_ORDER, OWN_ID, Exchange
from labkit.plan.payloads import arguments, field_of
from labkit.runs.stages import Outcome

Int64 = NDArray[np.int64]


class Matching(ABC):
    """Finds the answers in frames."""

    @abstractmethod
    def found(self, connection: int, frame: bytes, acknowledged: tuple[int, Any, str]) -> list[Answer]:
        """The answers that a frame carries; of one that is nobody's the event is -1.

        Args:
            connection: on which it came.
            frame: as it came.
            acknowledged: what :func:`labkit.client.packets.acknowledged_with` says of it.
        """


def of(exchange: Exchange, payloads: Sequence[Any], local: Int64) -> Matching | None:
    """What finds the answers to these events; None where they are the lab's own and tell their ids.

    Args:
        exchange: by what answers are matched.
        payloads: of each event.
        local: on which connection each goes out; -1 where another process sends it.
    """
    if exchange.match == OWN_ID:
        return None
    if exchange.match == BY_NUMBER:
        return _ByNumber(local)
    if exchange.match == BY_NOTHING or not exchange.is_matched:
        return _ByNothing(exchange)
    if exchange.match == BY_ORDER:
        return _ByOrder(exchange, local)
    return _ByField(exchange, payloads)


class _ByNumber(Matching):
    """An acknowledgement has the number of its event, and says by itself that the handler has returned."""

    def __init__(self, local: Int64) -> None:
        self._local = local.tolist()

    def found(self, connection: int, frame: bytes, acknowledged: tuple[int, Any, str]) -> list[Answer]:
        number, values, why = acknowledged
        if not 0 <= number < len(self._local) or self._local[number] != connection:
            return []  # of a bystander's ping, or of a warm-up
        if why:
            return [Answer(number, Outcome.UNREADABLE, message=why)]
        return [Answer(number, Outcome.ANSWERED, values)]


class _ByEvent(Matching):
    """Answers are events of a name."""

    def __init__(self, exchange: Exchange) -> None:
        self.name = exchange.answer_event

    def found(self, connection: int, frame: bytes, acknowledged: tuple[int, Any, str]) -> list[Answer]:
        if acknowledged[0] >= 0 or not frame.startswith((packets.EVENT, packets.BINARY_EVENT)):
            return []
        why = ""
        try:
            try:
                _, data = packets.parsed(frame)
            except page_json.Unreadable as refused:
                why, (_, data) = str(refused), packets.unreadable(frame)
            name, *values = data
        except (ValueError, TypeError, RecursionError) as error:
            return [Answer(-1, Outcome.GARBLED, message=f"not a Socket.IO packet ({error}): {frame[:60]!r}")]
        if name != self.name:
            return [Answer(-1, Outcome.UNREADABLE, message=why)] if why else []
        try:
            answer = self._answer(connection, values)
        except RecursionError:  # it was just not too deep to be read, and is to be compared or shown
            answer = Answer(-1, Outcome.GARBLED, message="an answer that is nested too deeply")
        if answer is None:
            return []
        if why:
            return [Answer(answer.event, Outcome.UNREADABLE, message=why)]
        return [answer]

    def _answer(self, connection: int, values: list[Any]) -> Answer | None:
        raise NotImplementedError


class _ByNothing(_ByEvent):
    """Answers are counted, and nobody knows whose they are."""

    def _answer(self, connection: int, values: list[Any]) -> Answer | None:
        return Answer(-1, Outcome.ANSWERED, values)


class _ByOrder(_ByEvent):
    """The k-th answer on a connection is that of its k-th event; what comes after the last is the last's once more.

    Where answers are meant for everybody there is one sender, and the k-th on any connection is that of its k-th event.
    """

    def __init__(self, exchange: Exchange, local: Int64) -> None:
        super().__init__(exchange)
        self._events = {int(c): np.flatnonzero(local == c).tolist() for c in np.unique(local) if c >= 0}
        self._of_all = list(range(len(local))) if exchange.fan_out else []
        self._next: Counter[int] = Counter()

    def _answer(self, connection: int, values: list[Any]) -> Answer | None:
        events = self._of_all or self._events.get(connection)
        if not events:
            return None
        place = self._next[connection]
        self._next[connection] += 1
        return Answer(events[min(place, len(events) - 1)], Outcome.ANSWERED, values)


class _ByField(_ByEvent):
    """A field of the event comes back in its answer."""

    def __init__(self, exchange: Exchange, payloads: Sequence[Any]) -> None:
        super().__init__(exchange)
        self.sent, self.answered = fields(exchange.match)
        self._events = by_field(payloads, self.sent)

    def _answer(self, connection: int, values: list[Any]) -> Answer | None:
        told = _in_any(values, self.answered)
        if told is None:
            return Answer(-1, Outcome.GARBLED, message=f"an answer without the field {self.answered}: {values!r:.60}")
        return Answer(self._events.get(_key(told), -1), Outcome.ANSWERED, values)


def fields(match: str) -> tuple[str, str]:
    """The fields of an event and of its answer: ``id`` is both, ``ref=order.id`` is one of each."""
    sent, equals, answered = match.partition("=")
    return sent, answered if equals else sent


def by_field(payloads: Sequence[Any], path: str) -> Mapping[Hashable, int]:
    """Of each value of a field, which event carries it; an event without it is not among them."""
    found = {}
    for event, payload in enumerate(payloads):
        value = _in_any(arguments(payload), path)
        if value is not None:
            found[_key(value)] = event
    return found


def _in_any(values: list[Any], path: str) -> Any:
    """The field of the first argument that has it."""
    return next((told for value in values if (told := field_of(value, path)) is not None), None)


def _key(value: Any) -> Hashable:
    return value if isinstance(value, str | int) else wire.text(value)
