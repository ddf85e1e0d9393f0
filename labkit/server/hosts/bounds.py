"""What one client can hold of a server: no thread, task or memory past its connection, whatever it sends.

python-engineio and python-socketio leave some of it to the client's good will. All that is changed is changed on
instances, as the hooks do it, and none of it runs for an ordinary event:

- Engine.IO answers a bad packet over polling by closing the connection *when all has been read*: it waits for a reader
  who need not come, for ever, on the thread of the request. Here nobody waits for that.
- The end of a connection is put into its queue once, where several may wait: a client that polls several times at once
  keeps a thread for each, 45 s long. Here all of them see the end.
- A websocket's frame that is no packet ends its receive loop by an exception, which leaves the connection open and its
  writer waiting for the heartbeat to run out. Here the connection is closed.
- The thread of a connection's next heartbeat sleeps its interval to the end, 25 s, though the client has left. Here it
  ends with its connection. (Under an event loop it is a task, and left alone.)
- Attachments of a binary event are collected without a bound. Here they have one.
"""

import inspect
from collections.abc import Callable
from typing import Any

import socketio.packet
from engineio.packet import PING, Packet

from labkit.base import clock

#: One event's attachments together, in bytes, and how many.
MAX_ATTACHED_BYTES, MAX_ATTACHMENTS = 100_000_000, 10_000


def bound(server: Any, log: list[str]) -> None:
    """Bound what a client can hold.

    Args:
        server: ``socketio.Server`` or ``socketio.AsyncServer``, with its hooks in place and nobody connected.
        log: where a connection that is closed for what it sent says so.
    """
    eio = server.eio
    eio.create_queue = _unjoined(type(eio.create_queue()))
    websocket = eio._async["websocket"]
    guard = _guarded_async if eio.is_asyncio_based() else _guarded
    eio._async = {**eio._async, "websocket": lambda handler, own: websocket(guard(handler, log), own)}
    if server.packet_class is socketio.packet.Packet:  # else the reader has chosen another serializer
        server.packet_class = BoundedPacket
    if not eio.is_asyncio_based():
        _end_heartbeats(eio)


def _unjoined(queue_class: Any) -> Any:
    """A queue of the mode's own kind whose end is for all, and for which nobody waits, as engine.io's close would."""

    class Unjoined(queue_class):  # type: ignore[misc]
        def get(self, *args: Any, **kwargs: Any) -> Any:
            packet = super().get(*args, **kwargs)
            if packet is None:
                self.put(None)
            return packet

        def join(self, *args: Any, **kwargs: Any) -> bool:
            return True

    class UnjoinedAsync(queue_class):  # type: ignore[misc]
        async def join(self) -> None:
            pass

    return UnjoinedAsync if inspect.iscoroutinefunction(queue_class.join) else Unjoined


def _guarded(handler: Callable[[Any], Any], log: list[str]) -> Callable[[Any], Any]:
    connection = getattr(handler, "__self__", None)  # engine.io's socket; none where somebody has wrapped its method

    def handle(ws: Any) -> Any:
        try:
            return handler(ws)
        except Exception as error:  # noqa: BLE001 (of whatever kind: the client has caused it)
            log.append(_words(error))
            if connection is not None:
                connection.close(wait=False, abort=True, reason=connection.server.reason.TRANSPORT_ERROR)
            return []

    return handle


def _guarded_async(handler: Callable[[Any], Any], log: list[str]) -> Callable[[Any], Any]:
    connection = getattr(handler, "__self__", None)  # engine.io's socket; none where somebody has wrapped its method

    async def handle(ws: Any) -> None:
        try:
            await handler(ws)
        except Exception as error:  # noqa: BLE001 (of whatever kind: the client has caused it)
            log.append(_words(error))
            if connection is not None:
                await connection.queue.put(None)  # wakes the writer, which closes the websocket and ends
                await connection.close(wait=False, abort=True, reason=connection.server.reason.TRANSPORT_ERROR)

    return handle


def _words(error: Exception) -> str:
    return f"a connection was closed for what its client sent ({type(error).__name__}: {error})"


def _end_heartbeats(eio: Any) -> None:
    """Let the thread that waits for a connection's next heartbeat end with the connection."""
    gone: dict[str, Any] = {}
    connect, disconnect = eio.handlers["connect"], eio.handlers["disconnect"]

    def came(eio_sid: str, environ: Any) -> Any:
        connection = eio.sockets[eio_sid]
        left = gone[eio_sid] = eio.create_event()

        def _send_ping() -> None:  # upstream's name, by which its thread is called
            if not left.wait(eio.ping_interval) and not connection.closing:
                connection.last_ping = clock.engineio_s()
                connection.send(Packet(PING))

        connection._send_ping = _send_ping
        try:
            let_in = connect(eio_sid, environ)
        except BaseException:
            gone.pop(eio_sid).set()
            raise
        if let_in is not None and let_in is not True:
            gone.pop(eio_sid).set()
        return let_in

    def left(eio_sid: str, *reason: Any) -> Any:
        if eio_sid in gone:
            gone.pop(eio_sid).set()
        return disconnect(eio_sid, *reason)

    eio.handlers["connect"], eio.handlers["disconnect"] = came, left


class BoundedPacket(socketio.packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet whose attachments are bounded; where they are not within it, the connection is closed."""

    attached_bytes = 0

    def decode(self, encoded_packet: Any) -> Any:
        """Decode the packet itself.

        Raises:
            ValueError: it announces more attachments than it may have.
        """
        count = super().decode(encoded_packet)
        if count > MAX_ATTACHMENTS:
            raise ValueError("too many attachments")
        return count

    def add_attachment(self, attachment: bytes) -> Any:
        """Take the next attachment; whether it was the last.

        Raises:
            ValueError: all of them together are larger than they may be.
        """
        self.attached_bytes += len(attachment)
        if self.attached_bytes > MAX_ATTACHED_BYTES:
            raise ValueError("the attachments of one event are too large")
        return super().add_attachment(attachment)
