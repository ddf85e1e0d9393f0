"""How an event is asked and answered: under which names, in which namespace, over which transport, to whom."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from labkit.base.errors import UsageError

#: The event that a strategy handles, and the one that it answers with, where nobody names others.
MESSAGE, RESPONSE = "message", "response"

#: What an answer can be: an event of its own, or the value that acknowledges the event.
BY_EVENT, BY_ACK = "event", "ack"
ANSWERS = (BY_EVENT, BY_ACK)

#: Nothing comes back, or nothing that is waited for: then there is no latency.
BY_NOTHING = "nothing"

#: By what an answer is matched with its event: the id that the lab's own work puts into it, the number of an
#: acknowledgement, the order of a connection's answers, or not at all. Whatever else is the name of a field.
OWN_ID, BY_NUMBER, BY_ORDER = "own-id", "number", "order"

#: Of a warm-up: an acknowledgement carried something, and nobody can tell whether it is meant as the answer.
BY_VALUE = "value"

#: A client uses the one or the other from the beginning, or begins with polling and upgrades, as a page does.
WEBSOCKET, POLLING, UPGRADE = "websocket", "polling", "upgrade"
TRANSPORTS = (WEBSOCKET, POLLING, UPGRADE)

#: The namespace of who names none.
ROOT = "/"

#: More sockets no machine has for this.
MOST_LISTENERS = 50_000

#: Events that are not an app's to send: Socket.IO's own, and the lab's bystander's.
_RESERVED = ("connect", "connect_error", "disconnect", "bystander")


@dataclass(frozen=True)
class Exchange:
    """What the clients of one firing say, and what they take for an answer.

    Attributes:
        event, answer_event: the event that is sent, and the one that carries an answer.
        namespace: of senders and listeners.
        answer: ``event``, ``ack`` or ``nothing``; None where the warm-up is to tell.
        transport: of the senders, ``websocket``, ``polling`` or ``upgrade``.
        fan_out: every answer is meant for every client that is connected to the namespace.
        listeners: further clients there that only read.
        match: by what an answer is matched with its event: ``own-id``, ``number``, ``order``, ``nothing``, or a field
            of both; ``ref=order.id`` where it is called otherwise in the answer.
        bystander_namespace: where a bystander pings.
    """

    event: str = MESSAGE
    answer_event: str = RESPONSE
    namespace: str = ROOT
    answer: str | None = None
    transport: str = WEBSOCKET
    fan_out: bool = False
    listeners: int = 0
    match: str = OWN_ID
    bystander_namespace: str = ROOT

    def __post_init__(self) -> None:
        for name in ("event", "answer_event"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value or value in _RESERVED:
                raise UsageError(f"{name} must be the name of an event of the app's own, not {value!r}")
        for space in (self.namespace, self.bystander_namespace):
            if not isinstance(space, str) or space[:1] != ROOT or set(space) & set(",?"):
                raise UsageError(
                    f"a namespace begins with / and has neither comma nor question mark: {space!r} is none"
                )
        if not isinstance(self.match, str) or not self.match:
            raise UsageError(f"an answer is matched by a field, by order or by nothing, not by {self.match!r}")
        if self.answer is not None and self.answer not in (*ANSWERS, BY_NOTHING):
            raise UsageError(f"an answer comes as {' or '.join(ANSWERS)}, not as {self.answer!r}")
        if self.transport not in TRANSPORTS:
            raise UsageError(f"the transport is {' or '.join(TRANSPORTS)}, not {self.transport!r}")
        if not isinstance(self.fan_out, bool):
            raise UsageError(f"fan_out is True or False, not {self.fan_out!r}: give the number of members as listeners")
        if type(self.listeners) is not int or not 0 <= self.listeners <= MOST_LISTENERS:
            raise UsageError(
                f"listeners is a number of clients from 0 to {MOST_LISTENERS:,}, not {str(self.listeners)[:20]}"
            )
        if self.answer == BY_ACK and self.answer_event != RESPONSE:
            raise UsageError("answer='ack' reads no event, and answer_event names one: give one or the other")
        if self.answer == BY_ACK and self.fan_out:
            raise UsageError("an acknowledgement reaches its sender alone: leave out fan_out, or answer='ack'")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """What settings say of it, with the usual for what they leave out.

        Raises:
            UsageError: it makes no sense.
        """
        return cls(**{each.name: settings[each.name] for each in fields(cls) if each.name in settings})

    @property
    def sockets(self) -> int:
        """How many each sender has open: who polls needs one more, to send while it waits."""
        return 2 if self.transport == POLLING else 1

    @property
    def by_ack(self) -> bool:
        """Whether answers come by acknowledgement."""
        return self.answer == BY_ACK

    @property
    def is_matched(self) -> bool:
        """Whether answers are matched with events: only then there are latencies."""
        return BY_NOTHING not in (self.match, self.answer)

    def settled(self, seen: frozenset[str]) -> Self:
        """The same with its answer decided, by what of :data:`ANSWERS` the events of a warm-up were answered by."""
        if self.answer is not None:
            return self
        # An event wins: many handlers return something beside the answer that they send.
        by_ack = BY_ACK in seen and BY_EVENT not in seen and not self.fan_out and self.answer_event == RESPONSE
        return replace(self, answer=BY_ACK if by_ack else BY_EVENT)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


#: Of who names nothing.
USUAL = Exchange()
