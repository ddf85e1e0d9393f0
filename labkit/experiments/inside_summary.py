"""What a record from inside an app comes to: a row an event, a row an emit, the connections, and all that in words.

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
from labkit.base.text import about
from labkit.experiments import broadcasts
from labkit.inside.histogram import Histogram
from labkit.inside.record import UNKNOWN, Connection, Record
from labkit.runs.stages import MISSING

#: So many samples support a 98th percentile; of fewer, the largest is told.
SUPPORTS_P98 = 150

#: Handlers that take less are not spoken of, in ms.
WORTH_TELLING_MS = 20.0

#: Nor are shorter waits for a handler.
WAIT_WORTH_TELLING_MS = 50.0

#: So many events are told that take long, and as many that wait long.
TOLD = 3

#: So many names are told in one sentence.
_NAMED = 6

#: Within this time, in seconds, a client that can have a websocket has it.
UPGRADES_WITHIN_S = 5.0

#: A client whose answers to pings leave less than this share of the timeout is close to being thrown out.
LITTLE_HEADROOM = 0.2

#: So many packets that wait for a client to read them are a heap.
HEAP = 50


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
    columns = _arrays(record.events)
    came = _came(columns)
    first_ns = int(came[came != MISSING].min(initial=record.taken_ns))
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
    came = _came(rows)
    cpu = rows["cpu_ns"]
    free = rows["loop_free"] != MISSING
    spreads = {
        "queue": _spread((start - came)[began & (came != MISSING)]),
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
    columns = _arrays(record.emits)
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


def told(record: Record, blame: str | None = None) -> str:
    """What a record says in words: by these rules alone, and who made whom wait only where `blame` says it.

    Args:
        record: what was seen.
        blame: a sentence or more on who made whom wait, which then come first.
    """
    return " ".join(sentences(record, blame))


def sentences(record: Record, blame: str | None = None) -> list[str]:
    """The same one by one."""
    rows = events(record)
    found = [blame] if blame else []
    found += [_of_handler(row, record) for row in [row for row in rows if _is_long(row)][:TOLD]]
    waited = [row for row in rows if row.queue.max_ms >= WAIT_WORTH_TELLING_MS]
    longest = sorted(waited, key=lambda row: -row.queue.max_ms)[:TOLD]
    found += [_of_wait(row, record) for row in longest]
    found += [_of_errors(row) for row in rows if row.errors]
    if unhandled := [f"`{row.shown}` ({_times(row.unhandled)})" for row in rows if row.unhandled]:
        found.append(f"Nobody handles {', '.join(unhandled[:_NAMED])}{' and others' * (len(unhandled) > _NAMED)}.")
    found += [
        f"`{row.shown}` had not returned {_times(row.running)} when this was recorded." for row in rows if row.running
    ]
    found += broadcasts.told(broadcasts.broadcasts(record)[:TOLD])
    found += _of_connections(record)
    if not found and rows:
        found.append(_of_nothing(rows))
    if not rows:
        found.insert(0, "No client has sent an event.")
    return found


def _is_long(row: EventRow) -> bool:
    return row.service.p50_ms >= WORTH_TELLING_MS or row.service.tail_ms >= 2 * WORTH_TELLING_MS


def _of_handler(row: EventRow, record: Record) -> str:
    name, took, cpu = f"`{row.shown}`", row.service.p50_ms, row.cpu.p50_ms
    long = f"{about(took)} ({_times(row.service.count)}, at most {about(row.service.max_ms)})"
    held = row.held.p50_ms >= took / 2 and not record.settings.get("async_handlers", True)
    after = "; with async_handlers=False the next events of its client wait that long too" if held else ""
    if math.isnan(cpu) and took >= WORTH_TELLING_MS:
        shared = "green threads" if record.settings.get("greenlets") else "the event loop"
        return f"{name} takes {long}; what of it is computing cannot be seen where handlers share {shared}{after}."
    if took < WORTH_TELLING_MS:
        return (
            f"{name} takes {about(took)} as a rule and up to {about(row.service.max_ms)}: something held it up{after}."
        )
    if cpu >= WORTH_TELLING_MS:
        alone = "meanwhile no other Python code of its process computes"
        return f"{name} computes {about(cpu)} and takes {long}: {alone}{after}."
    return f"{name} takes {long} and computes {about(cpu)} of it: it waits, for something or for its turn{after}."


def _of_wait(row: EventRow, record: Record) -> str:
    ran = _ran_during_worst_wait(row, record)
    meanwhile = f"; meanwhile ran {ran}" if ran else ""
    return f"`{row.shown}` waited up to {about(row.queue.max_ms)} for its handler to start{meanwhile}."


def _ran_during_worst_wait(row: EventRow, record: Record) -> str:
    """The handlers that filled most of the longest wait kept of this event; not a proof that they caused it."""
    columns = _arrays(record.events)
    start = columns["handler_start"]
    came = _came(columns)
    name, space = record.names.index(row.name), record.namespaces.index(row.namespace)
    mine = (columns["name"] == name) & (columns["namespace"] == space) & (start != MISSING) & (came != MISSING)
    if not mine.any():
        return ""
    worst = int(np.argmax(np.where(mine, start - came, -1)))
    end = np.where(columns["handler_end"] == MISSING, record.taken_ns, columns["handler_end"])
    shared = np.minimum(end, start[worst]) - np.maximum(start, came[worst])
    filled = {
        other: int(shared[(columns["name"] == other) & (start != MISSING) & (shared > 0)].sum())
        for other in set(record.events["name"])
    }
    wait = int(start[worst] - came[worst])
    most = sorted((each for each in filled if filled[each] >= wait / 4), key=lambda each: -filled[each])[:2]
    return " and ".join(f"`{record.names[each]}`" for each in most)


def _of_errors(row: EventRow) -> str:
    kinds = ", ".join(f"{kind} {_times(count)}" for kind, count in row.errors.items())
    return f"`{row.shown}` raised {kinds}."


def _of_connections(record: Record) -> list[str]:
    row, timeout_s = connections(record), record.settings.get("ping_timeout_s")
    found = []
    if row.never_upgraded:
        why = (
            "asked for one and did not get it"
            if row.tried == row.never_upgraded
            else f"{row.tried or 'none'} asked for one"
        )
        offered = record.settings.get("allow_upgrades", True) and "websocket" in record.settings.get("transports", ())
        why = why if offered or row.tried else "the server offers none"
        found.append(
            f"{row.never_upgraded} of {row.known} connections never came to a websocket ({why}): each event of theirs "
            f"is a request of its own."
        )
    if row.headroom_s is not None and timeout_s and row.headroom_s < LITTLE_HEADROOM * timeout_s:
        found.append(f"An answer to a ping left {row.headroom_s:.1f} s of the {timeout_s:g} s that a client has.")
    if timeouts := row.reasons.get("ping timeout", 0):
        found.append(f"{timeouts} of {row.known} connections ended with a ping timeout.")
    if row.unsent_most >= HEAP:
        found.append(f"Up to {row.unsent_most} packets waited for one client to read them.")
    if row.unread_most is not None and row.unread_most >= HEAP:
        found.append(f"Up to {row.unread_most} messages of one client waited to be taken.")
    return found


def _of_nothing(rows: tuple[EventRow, ...]) -> str:
    waited = max((row.queue.max_ms for row in rows if row.queue.count), default=math.nan)
    took = max((row.service.max_ms for row in rows if row.service.count), default=math.nan)
    return (
        f"Nobody waited long: at most {about(waited)} for a handler to start; no handler took more than {about(took)}."
    )


def _stayed_polling(connection: Connection, until_ns: int) -> bool:
    return connection.never_upgraded and (connection.open_s(until_ns) or 0) >= UPGRADES_WITHIN_S


def _came(columns: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """When events came: read, where that was seen, else dispatched."""
    return np.where(columns["read"] != MISSING, columns["read"], columns["dispatched"])


def _arrays(columns: Mapping[str, "object"]) -> dict[str, NDArray[np.int64]]:
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


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
