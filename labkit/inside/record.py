"""What was seen inside a running server: columns of integers, tables of names, and one record a connection.

A :class:`Record` is a snapshot. Nothing in it changes any more, it holds no payload (unless asked), no session id and
no room, and it can be saved and read again without pickle. No numpy here: ``numpy.frombuffer(column, "int64")`` makes
an array of a column without a copy.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from labkit.base.clock import NS_PER_S
from labkit.base.typed import built, typed
from labkit.inside import column_files
from labkit.inside.column_files import Columns, require_within
from labkit.inside.histogram import KINDS, Histogram
from labkit.runs.stages import MISSING

SCHEMA_VERSION = 1

#: Instead of a count, a length of time or an index: it is not known here, or there is none.
UNKNOWN = -1

#: Of an event, in the order in which a row has them. See :class:`Record`.
EVENT_COLUMNS = (
    "number",
    "name",
    "namespace",
    "connection",
    "transport",
    "bytes_in",
    "attachments",
    "arguments",
    "read",
    "dispatched",
    "handler_start",
    "handler_end",
    "loop_free",
    "cpu_ns",
    "thread",
    "error",
    "unhandled",
    "emits",
    "answered",
    "answer_bytes",
    "answer_written",
)

#: Of an emit, in the order in which a row has them. See :class:`Record`.
EMIT_COLUMNS = (
    "number",
    "name",
    "namespace",
    "event",
    "receivers",
    "bytes",
    "thread",
    "at",
    "queued",
    "first_written",
    "last_written",
    "written",
)

#: Of a heartbeat, in the order in which a row has them. See :class:`Record`.
HEARTBEAT_COLUMNS = ("number", "connection", "ping", "read", "taken")

POLLING, WEBSOCKET = 0, 1

#: The words for the column ``transport``.
TRANSPORTS = ("polling", "websocket")

#: The name of what had no room in a table of names.
OTHER = "_other"


@dataclass(frozen=True)
class Connection:
    """What one Engine.IO connection did; instants in ns of :data:`labkit.base.clock.now_ns`, `MISSING` where none was.

    Attributes:
        number: what the column ``connection`` says.
        sid: a keyed hash of its session id, 8 hex digits; another key in every process.
        namespaces: the namespaces that it was let into, in order.
        opened_ns: its handshake; `MISSING` where it was there before the hooks.
        closed_ns: its end; `MISSING` while it is open.
        reason: why it ended, in the library's words ("client disconnect", "ping timeout", ...); "" while it is open.
        first_transport: "polling" or "websocket"; "" where its beginning was not seen.
        upgrade_offered: whether the server told it that a websocket is there.
        upgrade_tried_ns: its first request for a websocket.
        upgraded_ns: when the websocket took over. A connection that began with one has the time of its handshake.
        pongs: answers to the server's pings.
        headroom_s: the least of ``ping_timeout`` less the time from a ping to its answer; None before the first.
            Negative: the answer came when the server might have closed the connection already.
        unread_most: the most messages that were read and waited for the receive loop; `UNKNOWN` where that isn't seen.
        unsent_most: the most packets that waited to be written, or were being written to a client that does not read.
        unsent: how many waited at the snapshot.
        events: events of it.
        unseen: the columns of events that this connection cannot show, such as ``read``.
    """

    number: int
    sid: str
    namespaces: tuple[str, ...] = ()
    opened_ns: int = MISSING
    closed_ns: int = MISSING
    reason: str = ""
    first_transport: str = ""
    upgrade_offered: bool = False
    upgrade_tried_ns: int = MISSING
    upgraded_ns: int = MISSING
    pongs: int = 0
    headroom_s: float | None = None
    unread_most: int = UNKNOWN
    unsent_most: int = 0
    unsent: int = 0
    events: int = 0
    unseen: tuple[str, ...] = ()

    @property
    def never_upgraded(self) -> bool:
        """Whether it is one by polling that has not, or not yet, come to a websocket."""
        return self.first_transport == "polling" and self.upgraded_ns == MISSING

    def open_s(self, until_ns: int) -> float | None:
        """For how long it was open, at most until then; None where its beginning was not seen."""
        return None if self.opened_ns == MISSING else ((self.closed_ns or until_ns) - self.opened_ns) / NS_PER_S


@dataclass(frozen=True)
class Record:
    """A snapshot of what one :class:`~labkit.inside.instrument.Inside` has seen.

    **Events.** ``record.events["handler_start"][i]`` is an integer of the i-th event kept; rows are in the order in
    which the receive loops took them. Instants are ns of :data:`labkit.base.clock.now_ns`, `MISSING` (0) where the
    event has not come to it, or the mode cannot show it (then `unseen` says so).

    ===================  =============================================================================================
    ``number``           the how manieth event of the server it is, from 0; gaps are events that the ring has lost
    ``name``             index into `names`. Connect and disconnect handlers are rows too, named "connect", "disconnect"
    ``namespace``        index into `namespaces`
    ``connection``       :attr:`Connection.number`; `UNKNOWN` where no connection was found
    ``transport``        0 polling, 1 websocket: an index into `TRANSPORTS`
    ``bytes_in``         Engine.IO packets of the event, attachments included, without the framing of the transport
    ``attachments``      binary attachments
    ``arguments``        arguments of the event
    ``read``             its last packet lay in the process: simple-websocket's reader had it, or its POST began. While
                         others hold the GIL a packet lies in the kernel before that, which nobody in here can see
    ``dispatched``       the receive loop took that packet
    ``handler_start``    just before the handler is looked up and called
    ``handler_end``      it returned or raised; before an acknowledgement is encoded
    ``loop_free``        the receive loop could take the next packet
    ``cpu_ns``           CPU time of its thread from start to end; of a handler that took less than 50 us, how long it
                         took, which is the most that it can be; `UNKNOWN` where handlers share a thread
    ``thread``           the operating system's number of that thread
    ``error``            index into `errors`, of the class of the exception that the handler raised; `UNKNOWN`: none
    ``unhandled``        1: nobody handles an event of that name in that namespace
    ``emits``            emits made by the handler itself, in its thread or task
    ``answered``         its acknowledgement was handed over for sending
    ``answer_bytes``     bytes of that
    ``answer_written``   the socket was given it; by polling: a response took it
    ===================  =============================================================================================

    **Emits**, likewise, one row a call whatever the number of receivers:

    ===================  =============================================================================================
    ``number``           the how manieth emit, from 0
    ``name``             index into `names`
    ``namespace``        index into `namespaces`
    ``event``            ``number`` of the event in whose handler it was made; `UNKNOWN`: made elsewhere
    ``receivers``        connections of this process for which it was queued
    ``bytes``            of one receiver's packets
    ``thread``           the operating system's number of the thread that made it
    ``at``               the call
    ``queued``           the call returned: it is queued for all receivers
    ``first_written``    the first receiver's socket was given it; by polling: a response took it
    ``last_written``     the last receiver's so far
    ``written``          how many packets of it were written so far; a packet with attachments is several
    ===================  =============================================================================================

    **Heartbeats**, likewise, one row a ping of the server to one client:

    ===================  =============================================================================================
    ``number``           the how manieth ping, from 0
    ``connection``       :attr:`Connection.number`
    ``ping``             it was queued
    ``read``             its answer, a pong, lay in the process, as of an event
    ``taken``            the receive loop took the answer; `MISSING` where none came
    ===================  =============================================================================================

    Attributes:
        events: columns by name, see above; all of one length.
        emits: columns by name, see above; all of one length.
        names: of events and emits; the last of a full table is `OTHER`.
        namespaces: likewise.
        errors: class names of exceptions.
        connections: those open and the last ones closed, by number; see :meth:`connection`.
        settings: of the server, as JSON: async_mode, async_handlers, ping_interval_s, ping_timeout_s, greenlets, ...
        events_seen: events since the hooks were placed, those that the ring has lost included.
        emits_seen: likewise.
        connections_seen: likewise.
        started_ns: when the hooks were placed.
        taken_ns: when the snapshot was taken.
        started_utc: the wall clock at `started_ns`.
        long_run: by event name, for all events since the start: :class:`~labkit.inside.histogram.Histogram` of
            ``queue_ns`` (read, or else dispatched, to handler_start), ``service_ns`` and ``cpu_ns``.
        unseen: what can't be seen here, each as ``column: reason``.
        failed: hooks that failed and took themselves off; their columns end there.
        payloads: of the last events, where asked for: ``{"number": ..., "arguments": [...]}``.
        heartbeats: columns by name, see above; all of one length.
    """

    events: Columns
    emits: Columns
    names: tuple[str, ...]
    namespaces: tuple[str, ...]
    errors: tuple[str, ...]
    connections: tuple[Connection, ...]
    settings: dict[str, Any]
    events_seen: int
    emits_seen: int
    connections_seen: int
    started_ns: int
    taken_ns: int
    started_utc: str
    long_run: dict[str, dict[str, Histogram]] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    payloads: tuple[dict[str, Any], ...] = ()
    heartbeats: Columns = field(default_factory=lambda: {name: array("q") for name in HEARTBEAT_COLUMNS})

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self.events["number"])

    def __repr__(self) -> str:
        return f"<Record: {len(self)} of {self.events_seen} events, {len(self.connections)} connections>"

    def _repr_html_(self) -> str:
        from labkit.inside.shown import shown

        return shown(self)

    @property
    def events_lost(self) -> int:
        """Events that the ring has no more."""
        return self.events_seen - len(self)

    def name_of(self, row: int) -> str:
        """The name of the event in that row."""
        return self.names[self.events["name"][row]]

    def connection(self, number: int) -> Connection | None:
        """The connection of that number; None where it was closed so long ago that it is forgotten."""
        return next((each for each in self.connections if each.number == number), None)

    def save(self, folder: str | Path) -> None:
        """Write ``inside.json`` and the columns beside it; the folder is made, and the JSON appears last.

        Raises:
            OSError: the folder cannot be written to.
        """
        tables = {name: getattr(self, name) for name in _TABLES}
        about = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in tables}
        about["connections"] = [vars(connection) for connection in self.connections]
        about["long_run"] = {
            name: {what: histogram.to_json() for what, histogram in kinds.items()}
            for name, kinds in self.long_run.items()
        }
        column_files.save(folder, "inside.json", SCHEMA_VERSION, tables, about)


#: Of a record, each with its columns.
_TABLES = {"events": EVENT_COLUMNS, "emits": EMIT_COLUMNS, "heartbeats": HEARTBEAT_COLUMNS}


def load(folder: str | Path) -> Record:
    """Read what :meth:`Record.save` has written.

    Raises:
        RecordError: there is none, it is cut short, or it is of a newer schema.
    """
    return column_files.load(folder, "inside.json", SCHEMA_VERSION, _TABLES, _built)


def _built(tables: Mapping[str, Columns], about: dict[str, Any]) -> Record:
    """The record, where all of it is one."""
    long_run = {
        name: {kind: Histogram.from_json(kinds[kind]) for kind in KINDS}
        for name, kinds in about.pop("long_run").items()
    }
    record = built(Record, about, long_run=long_run, **tables)
    for name, kind in _SETTINGS.items():
        if name in record.settings:
            typed(kind, record.settings[name])
    names = {"name": len(record.names), "namespace": len(record.namespaces)}
    require_within(record.events, {**names, "transport": len(TRANSPORTS)})
    require_within(record.events, {"error": len(record.errors)}, least=UNKNOWN)
    require_within(record.emits, names)
    return record


#: What others reckon with, of the settings.
_SETTINGS: dict[str, Any] = {
    "async_mode": str,
    "async_handlers": bool,
    "greenlets": bool,
    "ping_interval_s": float,
    "ping_timeout_s": float,
    "transports": list[str],
    "allow_upgrades": bool,
}
