"""The hooks that stamp a Flask-SocketIO server from outside, without an edit to its handlers.

They hook into private names of python-socketio, python-engineio and simple-websocket, which are checked when the hooks
are put in place:

``simple_websocket.Base.input_buffer``    its reader thread appends (*read*), the receive loop pops (*dispatched*)
``simple_websocket.Base.receive``         the receive loop asks for the next packet (*loop_free*)
``socketio.Server._handle_event``         in the receive loop: which event was popped
``socketio.Server._handle_event_internal`` around the handler, in whatever thread it runs (*handler_start*, *_end*)
``socketio.Manager.emit``                 every answer, from a handler or from elsewhere (*emitted*)
``socketio.Server._send_packet``          the acknowledgement that carries an answer (*emitted*, too)

Light enough for production: no pandas, no lock, and per event one deque node is all that is allocated.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import simple_websocket
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI

from labkit.base.clock import Now
from labkit.server.stamping import StampingHooks
from labkit.server.websocket import Websocket, WebsocketOfWSGI


class _StampedBuffer(list):  # type: ignore[type-arg]
    """simple-websocket's ``input_buffer``, which remembers when a message came and when it was taken."""

    def __init__(self, now: Now) -> None:
        super().__init__()
        self.now = now
        self.arrivals: deque[int] = deque()
        self.read_ns = 0
        self.dispatched_ns = 0
        self.held_by = -1  # the place of the event for which the receive loop is busy

    def append(self, message: Any) -> None:
        # The stamp first: once the message is visible, the receive loop may take it at once.
        self.arrivals.append(self.now())
        super().append(message)

    def pop(self, index: Any = -1) -> Any:
        message = super().pop(index)
        self.read_ns = self.arrivals.popleft()
        self.dispatched_ns = self.now()
        return message


class Hooks(StampingHooks):
    """The hooks of one Flask-SocketIO server.

    Args:
        socketio: of Flask-SocketIO.
        thread_class: of the websocket's reader.
        local_class: storage of one thread; of one greenlet where those run the receive loops.
        websocket: further arguments of ``simple_websocket.Server``.

    Raises:
        ServerError: another version of a library has other names; nothing was changed.
    """

    def __init__(
        self,
        socketio: Any,
        *,
        thread_class: Callable[..., threading.Thread] | None = None,
        local_class: Callable[[], Any] = threading.local,
        **websocket: Any,
    ) -> None:
        super().__init__(socketio.server)
        self._websocket = {"thread_class": thread_class, **websocket}
        self._loop = local_class()  # of a receive loop's thread: its buffer
        self._put_in_place(
            (SimpleWebSocketWSGI, "wait"),
            (simple_websocket.Server, "handshake"),
            (simple_websocket.Server, "receive"),
            (simple_websocket.Server, "_thread"),
        )

    def _stamped_websocket(self) -> Callable[..., Any]:
        hooks = self

        class StampedServer(Websocket):
            def handshake(self) -> None:
                # Between the making of the buffer and the start of the reader thread.
                self.input_buffer = _StampedBuffer(hooks.now)
                super().handshake()

            def receive(self, timeout: float | None = None) -> Any:
                buffer = self.input_buffer
                hooks._loop.buffer = buffer
                if buffer.held_by >= 0:
                    hooks.loop_free(buffer.held_by)
                    buffer.held_by = -1
                return super().receive(timeout)

        class StampedWebSocket(WebsocketOfWSGI):
            server_class = StampedServer

        return lambda handler, server: StampedWebSocket(handler, server, **self._websocket)

    def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> Any:  # noqa: A002 (upstream's)
        place = self.place(data)
        if place >= 0 and (stamps := self.stamps) is not None:
            buffer = getattr(self._loop, "buffer", None)  # none where the event came by polling
            if buffer is not None:
                stamps.read[place] = buffer.read_ns
                stamps.dispatched[place] = buffer.dispatched_ns
                buffer.held_by = place
        return self._handle(eio_sid, namespace, id, data)

    def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: list[Any],
        namespace: str,
        id: int | None,  # noqa: A002
    ) -> Any:
        stamps, place = self.begin(data)
        try:
            return self._handle_internal(server, sid, eio_sid, data, namespace, id)
        except Exception:
            self.failed()
            raise
        finally:
            self.end(stamps, place)

    def _emit(self, event: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        self.emitted(data)
        return self._emit_on(event, data, *args, **kwargs)

    def _send_packet(self, eio_sid: str, packet: Any) -> Any:
        self.acknowledging(packet)
        return self._send_on(eio_sid, packet)
