"""What the hooks of every server share: which row a stamp belongs to, and what becomes of a hook that fails.

The halves here run before and after the server's own methods. They are the same for ``socketio.Server`` and for
``socketio.AsyncServer``; :mod:`labkit.inside.sync_hooks` and :mod:`labkit.inside.async_hooks` put them around.
"""

import hashlib
import json
import logging
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from labkit.base.clock import NS_PER_MS, NS_PER_S, Now, now_ns, thread_cpu_ns
from labkit.inside.connections import Connections, Live
from labkit.inside.histogram import Counting
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, HEARTBEAT_COLUMNS, POLLING, UNKNOWN, WEBSOCKET
from labkit.inside.ring import Names, Ring
from labkit.runs.stages import MISSING

if TYPE_CHECKING:
    from labkit.inside.recorder import Recorder

log = logging.getLogger("labkit")

# Places within a row.
HANDLER_START, HANDLER_END, LOOP_FREE, CPU_NS, THREAD, ERROR, UNHANDLED, EMITS, ANSWERED, ANSWER_BYTES = (
    EVENT_COLUMNS.index(column)
    for column in (
        *("handler_start", "handler_end", "loop_free", "cpu_ns", "thread", "error", "unhandled", "emits", "answered"),
        "answer_bytes",
    )
)
NAME, READ, DISPATCHED, ANSWER_WRITTEN = map(EVENT_COLUMNS.index, ("name", "read", "dispatched", "answer_written"))
EMIT_RECEIVERS, EMIT_BYTES, EMIT_QUEUED, EMIT_FIRST, EMIT_LAST, EMIT_WRITTEN = map(
    EMIT_COLUMNS.index, ("receivers", "bytes", "queued", "first_written", "last_written", "written")
)

HEARTBEAT_READ, HEARTBEAT_TAKEN = map(HEARTBEAT_COLUMNS.index, ("read", "taken"))

# Types of packets: Engine.IO's, and Socket.IO's two acknowledgements.
PING, PONG, MESSAGE = 2, 3, 4
ACKS = (3, 6)

#: Heartbeats kept: of 1,000 clients those of three minutes.
HEARTBEATS_KEPT = 8_192

#: A handler that took less than this computed for as long, as far as anybody needs to know.
SHORT_NS = 50_000

#: So many packets that a connection has not taken are looked at by a watch.
PILED = 8

#: Of payloads, where they are asked for: so many, and so many characters of each.
PAYLOADS_KEPT, PAYLOAD_LONGEST = 1_000, 10_000

#: Under which a packet carries what its writing belongs to.
TAG = "_labkit_sending"

#: One key a process: the same connection has the same hash in all of its records, and nobody can guess a sid.
_KEY = secrets.token_bytes(16)


def hashed(sid: str) -> str:
    """A session id as 8 hex digits that tell it from others and say nothing else."""
    return hashlib.blake2b(sid.encode(), digest_size=4, key=_KEY).hexdigest()


def size(data: Any) -> int:
    """The bytes of an Engine.IO packet's data, its type included where it is text."""
    if isinstance(data, str):
        return 1 + (len(data) if data.isascii() else len(data.encode("utf-8", "surrogatepass")))
    return len(data) if isinstance(data, bytes | bytearray) else 0


class Event(list):  # type: ignore[type-arg]
    """An event's data, as python-socketio hands it from the receive loop to the handler's thread, with its row."""

    __slots__ = ("at", "before", "cpu_ns", "number", "who")
    number: int
    at: int
    cpu_ns: int  # of its thread, at the handler's start
    who: Any  # the thread, green thread or task of the handler; None while there is none
    before: Any  # what that one handled until then


class Sending:
    """An emit or an acknowledgement on its way to sockets."""

    __slots__ = ("answer", "at", "bytes", "last", "number", "receivers")

    def __init__(self, number: int, at: int, answer: bool) -> None:
        self.number = number
        self.at = at
        self.answer = answer
        self.receivers = self.bytes = 0
        self.last: Live | None = None


class Seeing:
    """What one :class:`~labkit.inside.instrument.Inside` has seen of one server or several.

    Args:
        events: rows of events, and of emits.
        payloads: keep arguments too.
        now: where stamps come from; a fake in tests.
    """

    def __init__(self, *, events: int, payloads: bool = False, now: Now = now_ns) -> None:
        self.now = now
        self.events = Ring(EVENT_COLUMNS, events)
        self.emits = Ring(EMIT_COLUMNS, events)
        self.heartbeats = Ring(HEARTBEAT_COLUMNS, min(events, HEARTBEATS_KEPT))
        self._rows, self._emit_rows = self.events.data, self.emits.data  # which never move
        self.names, self.namespaces, self.errors = Names(), Names(64), Names(64)
        self.connections = Connections()
        self.payloads: deque[dict[str, Any]] | None = deque(maxlen=PAYLOADS_KEPT) if payloads else None
        self.recorder: Recorder | None = None
        self.long_run: dict[int, Counting] = {}
        self.failed: tuple[str, ...] = ()
        # For a watch (labkit.inside.watch), and None without one: handlers that computed and ended; who piles up, and
        # the line that sends to it.
        self.ended: deque[tuple[Event, int]] | None = None
        self.on_pile: Callable[[FrameType], Any] | None = None
        self.on_connection: Callable[[], Any] | None = None  # of a fork's first one
        self.piled: dict[int, tuple[Live, Any]] = {}
        self._native_id = threading.get_native_id

    def fail(self, hook: str) -> None:
        """A hook has raised: say so once. The caller takes it off."""
        if hook not in self.failed:
            self.failed = (*self.failed, hook)
            log.error("a hook of labkit failed and takes itself off, the app goes on: %s", hook, exc_info=True)

    # Events

    def arrived(self, connection: Live | None, namespace: str | None, data: list[Any], packet: bool = True) -> Event:
        """The receive loop has an event: give it a row.

        Args:
            connection: its connection, where it has one.
            namespace: as python-socketio tells it.
            data: the event's name and arguments.
            packet: a packet brought it, which is the one that the receive loop has; not so for an end.
        """
        ring, spaces = self.events, self.namespaces
        name = data[0]
        # A name that is no text can be unhashable, such as a list.
        index = self.names.index.get(name) if type(name) is str else None
        if index is None:
            index = self.names.add(name)
        space = spaces.index.get(namespace)
        if space is None:
            space = spaces.add(namespace or "/")
        event = Event(data)
        number, transport, bytes_in, packets, read, dispatched = UNKNOWN, POLLING, 0, 1, 0, 0
        if connection is not None:
            number = connection.number
            transport = WEBSOCKET if connection.websocket else POLLING
            if packet:
                connection.event = event
                bytes_in, packets, dispatched = connection.bytes_in, connection.packets_in, connection.dispatched_ns
                if transport == POLLING:
                    read = connection.post_ns
                elif (inbox := connection.buffer) is not None:
                    read, dispatched = inbox.read_ns, inbox.dispatched_ns
        event.number = drawn = ring.draw()
        event.at = at = drawn % ring.rows * ring.width
        event.cpu_ns = unknown = UNKNOWN
        dispatched = dispatched or self.now()
        # In the order of EVENT_COLUMNS; what is not known yet is 0, or UNKNOWN.
        # fmt: off
        ring.pack(
            self._rows, 8 * at, drawn, index, space, number, transport, bytes_in, packets - 1, len(data) - 1,
            read, dispatched, 0, 0, 0, unknown, 0, unknown, 0, 0, 0, 0, 0,
        )
        # fmt: on
        if self.payloads is not None:
            self.payloads.append({"number": drawn, "arguments": _copied(data[1:])})
        return event

    def begin(self, event: Event, cpu: bool) -> None:
        """Its handler starts, in this thread; one that is called a second time has started before."""
        row, at = self._rows, event.at
        if row[at] == event.number and not row[at + HANDLER_START]:
            row[at + THREAD] = self._native_id()
            if cpu:
                event.cpu_ns = thread_cpu_ns()
            row[at + HANDLER_START] = self.now()

    def end(self, event: Event) -> None:
        """Its handler has ended, in whatever way; or it has, and its acknowledgement is about to be sent."""
        row, at = self._rows, event.at
        if row[at] != event.number or row[at + HANDLER_END]:
            return
        row[at + HANDLER_END] = now = self.now()
        index, start, cpu_ns = row[at + NAME], row[at + HANDLER_START], event.cpu_ns
        if cpu_ns >= 0:
            # Reading that clock is a system call, the dearest step of all that is done for an event.
            row[at + CPU_NS] = cpu_ns = now - start if now - start < SHORT_NS else thread_cpu_ns() - cpu_ns
            if self.ended is not None and cpu_ns > NS_PER_MS:
                self.ended.append((event, cpu_ns))
        try:
            counting = self.long_run[index]
        except KeyError:
            counting = self.long_run.setdefault(index, Counting())
        counting.add(start - (row[at + READ] or row[at + DISPATCHED]), now - start, cpu_ns)

    def raised(self, event: Event, error: BaseException) -> None:
        """Its handler has raised."""
        self._set(event, ERROR, self.errors.add(type(error).__name__))

    def unhandled(self, event: Event) -> None:
        """Nobody handles it."""
        self._set(event, UNHANDLED, 1)

    def _set(self, event: Event, column: int, value: int) -> None:
        row, at = self._rows, event.at
        if row[at] == event.number:
            row[at + column] = value

    # Packets

    def took(self, connection: Live, packet: Any, ping_timeout_s: float) -> None:
        """The receive loop has a packet."""
        if packet.packet_type == MESSAGE:
            connection.bytes_in += size(packet.data)
            connection.packets_in += 1
            if connection.waited:  # the instant at which the websocket gave it is known
                connection.waited = False
            elif connection.buffer is None:
                connection.dispatched_ns = self.now()
        elif packet.packet_type == PONG and connection.ping_ns:
            self._ponged(connection, ping_timeout_s)

    def _pinged(self, connection: Live) -> None:
        """The server asks a client whether it is there."""
        ring = self.heartbeats
        connection.heartbeat = number = ring.draw()
        connection.ping_ns = self.now()
        at = number % ring.rows * ring.width
        # In the order of HEARTBEAT_COLUMNS.
        ring.pack(ring.data, 8 * at, number, connection.number, connection.ping_ns, MISSING, MISSING)

    def _ponged(self, connection: Live, ping_timeout_s: float) -> None:
        """It is."""
        now, ring = self.now(), self.heartbeats
        headroom = int(ping_timeout_s * NS_PER_S) - (now - connection.ping_ns)
        connection.ping_ns = MISSING
        connection.pongs += 1
        if connection.headroom_ns is None or headroom < connection.headroom_ns:
            connection.headroom_ns = headroom
        row, at = ring.data, connection.heartbeat % ring.rows * ring.width
        if row[at] == connection.heartbeat:
            if not connection.websocket:
                row[at + HEARTBEAT_READ] = connection.post_ns
            elif connection.buffer is not None:
                row[at + HEARTBEAT_READ] = connection.buffer.read_ns
            row[at + HEARTBEAT_TAKEN] = now

    def free(self, connection: Live, binary: dict[str, Any], eio_sid: str) -> None:
        """It could take the next packet. `binary` has those that wait for attachments, which count as one event."""
        if (event := connection.event) is not None:
            connection.event = None
            row, at = self._rows, event.at
            if row[at] == event.number:
                row[at + LOOP_FREE] = self.now()
        if eio_sid not in binary:
            connection.bytes_in = connection.packets_in = 0

    def sends(self, connection: Live, packet: Any, sending: Sending | None) -> None:
        """A packet is about to be queued."""
        if packet.packet_type == PING:
            self._pinged(connection)
        connection.queued = queued = connection.queue()
        if (unsent := queued - connection.written) > connection.unsent_most:
            connection.unsent_most = unsent
        if unsent >= PILED and self.on_pile is not None and connection.number not in self.piled:
            self.piled[connection.number] = connection, self.on_pile(sys._getframe(1))
        if sending is not None:
            setattr(packet, TAG, sending)
            if sending.last is not connection:
                sending.last = connection
                sending.receivers += 1
            if sending.receivers == 1:
                sending.bytes += size(packet.data)

    def polled(self, connection: Live, upgraded: bool, packets: list[Any]) -> None:
        """The writer has taken packets; a response to a polling client takes them at once."""
        if upgraded and connection.writes_seen:
            connection.batch = iter(packets)
            return
        now = self.now()
        connection.written += len(packets)
        if not upgraded:
            for packet in packets:
                self._wrote(packet, now)

    def writes(self, connection: Live) -> None:
        """The writer gives the socket the next packet of what it took; none where a probe is answered.

        Stamped before the write: after it, the client may have the packet long before this thread has the GIL again.
        """
        packet = next(connection.batch, None)
        if packet is not None:
            self._wrote(packet, self.now())

    def _wrote(self, packet: Any, now: int) -> None:
        sending = getattr(packet, TAG, None)
        if sending is None:
            return
        at = sending.at
        if sending.answer:
            row = self._rows
            if row[at] == sending.number:
                row[at + ANSWER_WRITTEN] = now
            return
        row = self._emit_rows
        if row[at] == sending.number:
            if not row[at + EMIT_FIRST]:
                row[at + EMIT_FIRST] = now
            row[at + EMIT_LAST] = now
            row[at + EMIT_WRITTEN] += 1

    # Emits and acknowledgements

    def emit_begins(self, name: Any, namespace: str | None, event: Event | None) -> Sending:
        """An emit: give it a row."""
        ring, spaces = self.emits, self.namespaces
        index = self.names.index.get(name) if type(name) is str else None
        if index is None:
            index = self.names.add(name)
        space = spaces.index.get(namespace)
        if space is None:
            space = spaces.add(namespace or "/")
        of, thread = UNKNOWN, 0
        if event is not None:
            of, row = event.number, self._rows
            if row[event.at] == of:
                row[event.at + EMITS] += 1
                thread = row[event.at + THREAD]
        number = ring.draw()
        at = number % ring.rows * ring.width
        # In the order of EMIT_COLUMNS.
        thread = thread or self._native_id()
        ring.pack(self._emit_rows, 8 * at, number, index, space, of, 0, 0, thread, self.now(), 0, 0, 0, 0)
        return Sending(number, at, answer=False)

    def emit_ends(self, sending: Sending) -> None:
        """It is queued for all of its receivers."""
        row, at = self._emit_rows, sending.at
        if row[at] == sending.number:
            row[at + EMIT_RECEIVERS] = sending.receivers
            row[at + EMIT_BYTES] = sending.bytes
            row[at + EMIT_QUEUED] = self.now()

    def answer_begins(self, event: Event) -> Sending:
        """The handler has returned, and what it returned is about to be sent."""
        self.end(event)
        self._set(event, ANSWERED, self.now())
        return Sending(event.number, event.at, answer=True)

    def answer_ends(self, event: Event, sending: Sending) -> None:
        """The acknowledgement is queued."""
        self._set(event, ANSWER_BYTES, sending.bytes)


def _copied(arguments: list[Any]) -> list[Any]:
    """The arguments as JSON can hold them, each cut to a length."""
    copies = []
    for argument in arguments:
        try:
            text = json.dumps(argument, default=lambda other: f"<{type(other).__name__}>")
        except (TypeError, ValueError, RecursionError):  # keys that JSON has not, circles
            text = json.dumps(f"<{type(argument).__name__}>")
        copies.append(json.loads(text) if len(text) <= PAYLOAD_LONGEST else text[:PAYLOAD_LONGEST] + "...")
    return copies
