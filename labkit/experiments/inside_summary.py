"""What a record from inside an app comes to: a row an event, a row an emit, the connections.

Times are those of :class:`labkit.inside.record.Record`. A percentile is of the events kept; where the ring has lost
some, of all, from the record's histograms, which know a value to 3%.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.inside.histogram import Histogram
from labkit.inside.record import UNKNOWN, Connection, Record
from labkit.runs.stages import MISSING

#: So many samples support a 98th percentile; of fewer, the largest is told.
SUPPORTS_P98 = 150

#: Within this time, in seconds, a client that can have a websocket has it.
UPGRADES_WITHIN_S = 5.0


@dataclass(frozen=True)
class Spread:
    """Durations, in ms; NaN where there is none.

    Attributes:
        count: how many.
        p50_ms: the median.
        tail_ms: the 98th percentile, or the largest of less than `SUPPORTS_P98`.
        max_ms: the largest.
    """

    count: int = 0
    p50_ms: float = math.nan
    tail_ms: float = math.nan
    max_ms: float = math.nan

    @property
    def tail_is_max(self) -> bool:
        """Whether `tail_ms` is the largest, for want of samples."""
        return self.count < SUPPORTS_P98


@dataclass(frozen=True)
class EventRow:
    """The events of one name in one namespace.

    Attributes:
        name: of the event.
        namespace: its.
        count: how many came since the start.
        per_s: the same each second, from the first event kept, of whatever name, to the end of the record.
        queue: read (where that can be seen, else dispatched) to the handler's start.
        service: the handler's start to its end.
        cpu: of the handler's thread; none where handlers share a thread.
        held: how long the receive loop could not take the connection's next packet.
        running: handlers that had not ended when the record was taken.
        errors: of each class of exceptions, how many.
        unhandled: events that nobody handles.
        emits: made in the handlers.
        bytes_in: of an event, the median.
    """

    name: str
    namespace: str
    count: int
    per_s: float
    queue: Spread
    service: Spread
    cpu: Spread
    held: Spread
    running: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    unhandled: int = 0
    emits: int = 0
    bytes_in: float = 0.0

    @property
    def shown(self) -> str:
        """The name as people read it, with its namespace where that is not the default one."""
        return _in_namespace(self.name, self.namespace)


@dataclass(frozen=True)
class EmitRow:
    """The emits of one name in one namespace.

    Attributes:
        name: of what is emitted.
        namespace: its.
        count: calls that are kept.
        receivers: of one call, the median.
        receivers_most: the most of one call.
        bytes: of one receiver's, the median.
        written: the call to the last receiver's socket.
        elsewhere: how many were made outside of handlers.
    """

    name: str
    namespace: str
    count: int
    receivers: float
    receivers_most: int
    bytes: float
    written: Spread
    elsewhere: int

    @property
    def shown(self) -> str:
        """The name as people read it, with its namespace where that is not the default one."""
        return _in_namespace(self.name, self.namespace)


@dataclass(frozen=True)
class ConnectionsRow:
    """All connections.

    Attributes:
        seen: how many there were.
        open: at the end of the record.
        known: of how many the rest is told: the last ones.
        websocket: began with a websocket.
        upgraded: began by polling, and came to one.
        never_upgraded: stayed with polling for `UPGRADES_WITHIN_S` or more.
        tried: of these, how many asked for a websocket.
        reasons: why they ended.
        headroom_s: the least.
        unread_most: messages that waited for a receive loop; None where it cannot be seen.
        unsent_most: packets that waited to be written.
    """

    seen: int
    open: int
    known: int
    websocket: int
    upgraded: int
    never_upgraded: int
    tried: int
    reasons: Mapping[str, int]
    headroom_s: float | None
    unread_most: int | None
    unsent_most: int


def events(record: Record) -> tuple[EventRow, ...]:
    """A row an event name and namespace; what took most time in handlers first."""
    columns = arrays(record.events)
    at = came(columns)
    first_ns = int(at[at != MISSING].min(initial=record.taken_ns))
    rows = [
        _event_row(record, columns, name, space, first_ns)
        for name, space in sorted(set(zip(record.events["name"], record.events["namespace"], strict=True)))
    ]
    return tuple(
        sorted(rows, key=lambda row: -row.count * (0 if math.isnan(row.service.p50_ms) else row.service.p50_ms))
    )


def _event_row(record: Record, columns: dict[str, NDArray[np.int64]], name: int, space: int, first_ns: int) -> EventRow:
    chosen = (columns["name"] == name) & (columns["namespace"] == space)
    rows = {column: values[chosen] for column, values in columns.items()}
    start, end = rows["handler_start"], rows["handler_end"]
    began = start != MISSING
    ended = began & (end != MISSING)
    at = came(rows)
    cpu = rows["cpu_ns"]
    free = rows["loop_free"] != MISSING
    spreads = {
        "queue": _spread((start - at)[began & (at != MISSING)]),
        "service": _spread((end - start)[ended]),
        "cpu": _spread(cpu[ended & (cpu != UNKNOWN)]),
    }
    count = len(start)
    alone = np.count_nonzero(columns["name"] == name) == count
    if record.events_lost and alone and record.names[name] in record.long_run:
        told = record.long_run[record.names[name]]
        spreads = {kind: _counted(told[f"{kind}_ns"]) for kind in spreads}
        count = max(count, spreads["service"].count + int(np.count_nonzero(began & ~ended)))
    raised = Counter(record.errors[each] for each in rows["error"] if each != UNKNOWN)
    since_ns = record.started_ns if count > len(start) else first_ns
    seconds = (record.taken_ns - since_ns) / NS_PER_S
    return EventRow(
        name=record.names[name],
        namespace=record.namespaces[space],
        count=count,
        per_s=count / seconds if seconds > 0 else math.nan,
        held=_spread((rows["loop_free"] - rows["dispatched"])[free]),
        running=int(np.count_nonzero(began & ~ended)),
        errors=dict(raised.most_common()),
        unhandled=int(rows["unhandled"].sum()),
        emits=int(rows["emits"].sum()),
        bytes_in=_median(rows["bytes_in"]),
        **spreads,
    )


def emits(record: Record) -> tuple[EmitRow, ...]:
    """A row an emit's name and namespace, the most receivers first."""
    columns = arrays(record.emits)
    found = []
    for name, space in sorted(set(zip(record.emits["name"], record.emits["namespace"], strict=True))):
        chosen = (columns["name"] == name) & (columns["namespace"] == space)
        rows = {column: values[chosen] for column, values in columns.items()}
        written = rows["last_written"] != MISSING
        found.append(
            EmitRow(
                name=record.names[name],
                namespace=record.namespaces[space],
                count=int(np.count_nonzero(chosen)),
                receivers=_median(rows["receivers"]),
                receivers_most=int(rows["receivers"].max()),
                bytes=_median(rows["bytes"]),
                written=_spread((rows["last_written"] - rows["at"])[written]),
                elsewhere=int(np.count_nonzero(rows["event"] == UNKNOWN)),
            )
        )
    return tuple(sorted(found, key=lambda row: -row.count * row.receivers))


def connections(record: Record) -> ConnectionsRow:
    """How the connections fared."""
    known = record.connections
    stayed = [each for each in known if _stayed_polling(each, record.taken_ns)]
    ended = [each for each in known if each.closed_ns != MISSING]
    unread = [each.unread_most for each in known if each.unread_most != UNKNOWN]
    return ConnectionsRow(
        seen=record.connections_seen,
        open=len(known) - len(ended),
        known=len(known),
        websocket=sum(1 for each in known if each.first_transport == "websocket"),
        upgraded=sum(1 for each in known if each.first_transport == "polling" and each.upgraded_ns != MISSING),
        never_upgraded=len(stayed),
        tried=sum(1 for each in stayed if each.upgrade_tried_ns != MISSING),
        reasons=dict(Counter(each.reason or "unknown" for each in ended).most_common()),
        headroom_s=min((each.headroom_s for each in known if each.headroom_s is not None), default=None),
        unread_most=max(unread, default=None),
        unsent_most=max((each.unsent_most for each in known), default=0),
    )


def _stayed_polling(connection: Connection, until_ns: int) -> bool:
    return connection.never_upgraded and (connection.open_s(until_ns) or 0) >= UPGRADES_WITHIN_S


def came(columns: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """When events came: read, where that was seen, else dispatched."""
    return np.where(columns["read"] != MISSING, columns["read"], columns["dispatched"])


def arrays(columns: Mapping[str, "object"]) -> dict[str, NDArray[np.int64]]:
    """A record's columns as arrays."""
    return {name: np.frombuffer(values, np.int64) for name, values in columns.items()}  # type: ignore[call-overload]


def _spread(durations_ns: NDArray[np.int64]) -> Spread:
    if not len(durations_ns):
        return Spread()
    ordered = np.sort(durations_ns) / NS_PER_MS
    tail = ordered[math.ceil(0.98 * len(ordered)) - 1] if len(ordered) >= SUPPORTS_P98 else ordered[-1]
    return Spread(len(ordered), float(ordered[math.ceil(len(ordered) / 2) - 1]), float(tail), float(ordered[-1]))


def _counted(histogram: Histogram) -> Spread:
    count = len(histogram)
    if not count:
        return Spread()
    p50, p98, most = (histogram.percentile_ns(percent) or 0 for percent in (50, 98, 100))
    tail = p98 if count >= SUPPORTS_P98 else most
    return Spread(count, p50 / NS_PER_MS, tail / NS_PER_MS, most / NS_PER_MS)


def _median(values: NDArray[np.int64]) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _in_namespace(name: str, namespace: str) -> str:
    return name if namespace == "/" else f"{name} in {namespace}"
