"""The connections of a server while they live, and the last of those that have ended."""

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

from labkit.base.clock import NS_PER_S
from labkit.inside.placed import Placed
from labkit.inside.record import UNKNOWN, Connection
from labkit.runs.stages import MISSING

#: So many connections that have ended are remembered.
ENDED_KEPT = 4_096

#: For so long after its end a connection's hooks stay: its writer may have packets left.
_WRITES_ON_NS = 10 * NS_PER_S

#: So many namespaces of one connection are told.
_NAMESPACES_TOLD = 64


class Live:
    """What the hooks know of one Engine.IO connection. Written by its receive loop and its writer, without a lock."""

    __slots__ = (
        "batch",
        "buffer",
        "bytes_in",
        "closed_ns",
        "dispatched_ns",
        "event",
        "events",
        "first_transport",
        "headroom_ns",
        "heartbeat",
        "namespaces",
        "number",
        "opened_ns",
        "packets_in",
        "ping_ns",
        "placed",
        "pongs",
        "post_ns",
        "queue",
        "queued",
        "reason",
        "retrying",
        "sid",
        "unseen",
        "unsent_most",
        "upgrade_offered",
        "upgrade_tried_ns",
        "upgraded_ns",
        "waited",
        "websocket",
        "writes_seen",
        "written",
    )

    def __init__(self, number: int, sid: str) -> None:
        self.number = number
        self.sid = sid
        self.placed = Placed()
        self.namespaces: list[str] = []
        self.opened_ns = self.closed_ns = MISSING
        self.reason = self.first_transport = ""
        self.upgrade_offered = False
        self.websocket = False  # its packets come by one now
        self.upgrade_tried_ns = self.upgraded_ns = MISSING
        self.unseen: list[str] = []
        # The packets that are being received: of one event, of which all but the last wait for attachments.
        self.bytes_in = self.packets_in = 0
        self.post_ns = self.dispatched_ns = MISSING
        self.buffer: Any = None  # simple-websocket's, where it stamps
        self.waited = False  # dispatched_ns was stamped where the packet was taken
        self.event: Any = None  # for which the receive loop is busy
        self.retrying: Any = None  # a connect handler that takes no `auth` is called a second time
        self.events = 0
        # The packets that are sent.
        self.queue = itertools.count(1).__next__
        self.queued = self.written = self.unsent_most = 0
        self.batch: Iterator[Any] = iter(())  # what the writer has taken and not yet written
        self.writes_seen = False
        # The heartbeat.
        self.ping_ns = MISSING
        self.heartbeat = UNKNOWN  # its row
        self.pongs = 0
        self.headroom_ns: int | None = None

    def told(self) -> Connection:
        """As a record, at this instant."""
        return Connection(
            number=self.number,
            sid=self.sid,
            namespaces=tuple(self.namespaces),
            opened_ns=self.opened_ns,
            closed_ns=self.closed_ns,
            reason=self.reason,
            first_transport=self.first_transport,
            upgrade_offered=self.upgrade_offered,
            upgrade_tried_ns=self.upgrade_tried_ns,
            upgraded_ns=self.upgraded_ns,
            pongs=self.pongs,
            headroom_s=None if self.headroom_ns is None else self.headroom_ns / NS_PER_S,
            unread_most=UNKNOWN if self.buffer is None else self.buffer.most,
            unsent_most=self.unsent_most,
            unsent=max(self.queued - self.written, 0),
            events=self.events,
            unseen=tuple(self.unseen),
        )

    def let_into(self, namespace: str) -> None:
        """It is connected to a namespace."""
        if namespace not in self.namespaces and len(self.namespaces) < _NAMESPACES_TOLD:
            self.namespaces.append(namespace)


class Connections:
    """Those that live, by their session id, and the last `ENDED_KEPT` that have ended."""

    def __init__(self) -> None:
        self.live: dict[str, Live] = {}
        self._ended: deque[Connection] = deque(maxlen=ENDED_KEPT)
        self._writing_on: deque[Live] = deque()
        self._draw = itertools.count().__next__
        self.seen = 0

    def open(self, eio_sid: str, sid: str, now_ns: int) -> Live:
        """A connection that was not known."""
        self._let_go(now_ns)
        number = self._draw()
        self.seen = max(self.seen, number + 1)
        self.live[eio_sid] = connection = Live(number, sid)
        return connection

    def close(self, eio_sid: str, reason: str, now_ns: int) -> None:
        """A connection has ended."""
        connection = self.live.get(eio_sid)
        if connection is not None:
            connection.closed_ns = now_ns
            connection.reason = connection.reason or reason
            self._writing_on.append(connection)  # first, so that no snapshot misses it
            self.live.pop(eio_sid, None)

    def _let_go(self, now_ns: int) -> None:
        """Take the hooks off connections that ended a while ago: they would keep them in memory, in circles."""
        while self._writing_on and self._writing_on[0].closed_ns < now_ns - _WRITES_ON_NS:
            try:
                connection = self._writing_on.popleft()
            except IndexError:  # another thread had it
                return
            connection.placed.take_off()
            self._ended.append(connection.told())

    def take_off(self) -> bool:
        """Put back the methods of every connection; see :meth:`Placed.take_off`."""
        back = [connection.placed.take_off() for connection in [*self.live.values(), *self._writing_on]]
        return all(back)

    def told(self) -> tuple[Connection, ...]:
        """All that are known, by number."""
        known = [*self._ended, *(live.told() for live in [*self._writing_on, *self.live.values()])]
        return tuple(sorted({each.number: each for each in known}.values(), key=lambda each: each.number))
