"""What a server does now: its last minute in a few figures, small enough to be told twice a second."""

import json
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import RecordError

SCHEMA_VERSION = 1

#: Percentiles and the longest waits are of so many seconds, rates of so many, and who holds others up of so many.
WINDOW_S, RATE_S, HOLDERS_S = 60.0, 5.0, 10.0

#: Of fewer samples the largest is told in place of the 98th percentile.
SUPPORTS_P98 = 150


@dataclass(frozen=True)
class Times:
    """Durations, in ms; None where there is none.

    Attributes:
        count: of how many.
        p50_ms: the median.
        tail_ms: the 98th percentile, or the largest of less than `SUPPORTS_P98`.
    """

    count: int = 0
    p50_ms: float | None = None
    tail_ms: float | None = None


@dataclass(frozen=True)
class Wait:
    """The longest wait of an event, and for whom.

    Attributes:
        waited_ms: in the queue, and in the handler as far as a watch has seen for whom.
        cause: in the words of :data:`labkit.inside.watched.CAUSES`; "ran meanwhile" where only that is known, "" where
            nothing is.
        who: an event, a route, a task; "" where it is not known.
        where: the line; "" where it is not known.
        is_over: False while it still waits.
    """

    waited_ms: float
    cause: str = ""
    who: str = ""
    where: str = ""
    is_over: bool = True


@dataclass(frozen=True)
class EventNow:
    """The events of one name in one namespace.

    Attributes:
        name, namespace: its.
        count: in the time that was looked at.
        per_s: of the last seconds.
        running: handlers that run now.
        waiting: events that were taken and whose handlers have not started.
        errors: handlers that raised.
        queue: read (where that can be seen, else dispatched) to the handler's start.
        service: the handler's start to its end.
        worst: the longest wait; None where none waited.
    """

    name: str
    namespace: str
    count: int
    per_s: float
    running: int
    waiting: int
    errors: int
    queue: Times
    service: Times
    worst: Wait | None = None

    @property
    def shown(self) -> str:
        """The name as people read it, with its namespace where that is not the default one."""
        return self.name if self.namespace == "/" else f"{self.name} in {self.namespace}"


@dataclass(frozen=True)
class ConnectionsNow:
    """The connections that are open.

    Attributes:
        open: how many.
        websocket: by websocket, now.
        never_upgraded: by polling for 5 seconds or more.
        headroom_s: the least heartbeat headroom; None where no ping was answered yet.
        unread: messages that wait for their receive loops, where that can be seen.
        unsent: packets that wait to be written.
    """

    open: int = 0
    websocket: int = 0
    never_upgraded: int = 0
    headroom_s: float | None = None
    unread: int = 0
    unsent: int = 0


@dataclass(frozen=True)
class Holder:
    """Who holds others up.

    Attributes:
        share: of the last seconds, from 0; more than 1 where several do at once.
        cause: in the words of :data:`labkit.inside.watched.CAUSES`.
        who: an event, a route, a task.
        where: the line; "" where it is not known.
    """

    share: float
    cause: str
    who: str
    where: str = ""


@dataclass(frozen=True)
class Recent:
    """What one server of one process does now.

    Attributes:
        pid: of the process.
        taken_ns: when this was told; :data:`labkit.base.clock.now_ns`, the same clock for all processes of a machine.
        span_s: percentiles and waits are of so many seconds, or of the last 256 events of a name where there were more.
        events_seen: since the hooks were placed.
        events: by name, those that come most often first.
        connections: the open ones.
        emits_per_s: calls.
        sent_per_s: the same, times their receivers.
        holders: who held others up most; only where it is watched.
        is_watched: whether it is watched who makes whom wait.
        async_mode: of the server; "" where none is made yet.
        async_handlers: its setting.
        left_out: names of events for which there was no room.
        failed: hooks that took themselves off.
    """

    pid: int
    taken_ns: int
    span_s: float
    events_seen: int
    events: tuple[EventNow, ...] = ()
    connections: ConnectionsNow = ConnectionsNow()
    emits_per_s: float = 0.0
    sent_per_s: float = 0.0
    holders: tuple[Holder, ...] = ()
    is_watched: bool = False
    async_mode: str = ""
    async_handlers: bool = True
    left_out: int = 0
    failed: tuple[str, ...] = ()

    @property
    def in_flight(self) -> int:
        """Events that were taken, and whose handlers have not ended."""
        return sum(each.running + each.waiting for each in self.events)

    def to_bytes(self) -> bytes:
        """As JSON in one line."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **vars(self)}, default=vars).encode()


def from_bytes(data: bytes) -> Recent:
    """What :meth:`Recent.to_bytes` told.

    Raises:
        RecordError: it is none, or of a newer schema.
    """
    try:
        about = json.loads(data)
        version = about.pop("schema_version")
        if version > SCHEMA_VERSION:
            raise RecordError(f"this app's labkit is newer (schema {version}): watch it with that one")
        about["events"] = tuple(_event(each) for each in about["events"])
        about["connections"] = ConnectionsNow(**about["connections"])
        about["holders"] = tuple(Holder(**each) for each in about["holders"])
        about["failed"] = tuple(about["failed"])
        return Recent(**about)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"what the app tells cannot be read: watch it again ({error!r})") from error


def _event(told: dict[str, Any]) -> EventNow:
    times = {name: Times(**told[name]) for name in ("queue", "service")}
    worst = told["worst"]
    return EventNow(**{**told, **times, "worst": None if worst is None else Wait(**worst)})
