"""The hooks that stamp a Flask-SocketIO server from outside, without an edit to its handlers.

They are placed on instances, never on classes, so that other servers of the process stay as they are. All are private
names of python-socketio, python-engineio and simple-websocket, and are checked when they are attached:

``simple_websocket.Base.input_buffer``    its reader thread appends (*read*), the receive loop pops (*dispatched*)
``simple_websocket.Base.receive``         the receive loop asks for the next packet (*loop_free*)
``socketio.Server._handle_event``         in the receive loop: which event was popped
``socketio.Server._handle_event_internal`` around the handler, in whatever thread it runs (*handler_start*, *_end*)
``socketio.Manager.emit``                 every answer, from a handler or from elsewhere (*emitted*)

Light enough for production: no pandas, no lock, no allocation an event but one deque node.
"""

import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

import simple_websocket
from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI

from labkit.clock import Now
from labkit.errors import ServerError
from labkit.stamps import Stamps


class _Inbox(list):  # type: ignore[type-arg]
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


class Instrument:
    """The hooks of one server. Until :meth:`record` is given an array, and after None, they only pass through.

    Args:
        socketio: of Flask-SocketIO.
        thread_class: of the websocket's reader.
        local_class: storage of one thread; of one greenlet where those run the receive loops.
        websocket: further arguments of ``simple_websocket.Server``.
    """

    def __init__(
        self,
        socketio: Any,
        *,
        thread_class: Callable[..., threading.Thread] | None = None,
        local_class: Callable[[], Any] = threading.local,
        **websocket: Any,
    ) -> None:
        self.server = socketio.server
        self.stamps: Stamps | None = None
        self.errors: list[str] = []
        self._websocket = {"thread_class": thread_class, **websocket}
        self._loop = local_class()  # of a receive loop's thread: its inbox
        self._originals: dict[str, Any] = {}
        for owner, name in (
            (self.server, "_handle_event"),
            (self.server, "_handle_event_internal"),
            (self.server.manager, "emit"),
            (SimpleWebSocketWSGI, "wait"),
            (simple_websocket.Server, "handshake"),
            (simple_websocket.Server, "receive"),
        ):
            if not callable(getattr(owner, name, None)):
                raise ServerError(f"{owner} has no {name}: install the versions that pyproject.toml names")
        self._attach()

    def record(self, stamps: Stamps | None) -> None:
        """From now on stamp into `stamps`; with None, stamp nothing."""
        self.errors.clear()
        self.stamps = stamps

    def _attach(self) -> None:
        self._originals = {
            "handle_event": self.server._handle_event,
            "handle_event_internal": self.server._handle_event_internal,
            "emit": self.server.manager.emit,
            "websocket": self.server.eio._async["websocket"],
        }
        self.server._handle_event = self._handle_event
        self.server._handle_event_internal = self._handle_event_internal
        self.server.manager.emit = self._emit
        # The module-wide table of the async driver is shared by all servers: ours gets a copy.
        eio = self.server.eio
        eio._async = {**eio._async, "websocket": self._stamped_websocket()}

    def detach(self) -> None:
        """Take the hooks off again; connections that are open keep their stamping inbox."""
        self.record(None)
        self.server._handle_event = self._originals["handle_event"]
        self.server._handle_event_internal = self._originals["handle_event_internal"]
        self.server.manager.emit = self._originals["emit"]
        eio = self.server.eio
        eio._async = {**eio._async, "websocket": self._originals["websocket"]}

    def _stamped_websocket(self) -> Callable[..., Any]:
        instrument = self

        class StampedServer(simple_websocket.Server):  # type: ignore[misc]
            def handshake(self) -> None:
                # Between the making of the buffer and the start of the reader thread.
                self.input_buffer = _Inbox(instrument._now)
                super().handshake()

            def receive(self, timeout: float | None = None) -> Any:
                inbox = self.input_buffer
                instrument._loop.inbox = inbox
                if inbox.held_by >= 0:
                    if (stamps := instrument.stamps) is not None and inbox.held_by < stamps.events:
                        stamps.loop_free[inbox.held_by] = stamps.now()
                    inbox.held_by = -1
                return super().receive(timeout)

        class StampedWebSocket(SimpleWebSocketWSGI):  # type: ignore[misc]
            def __call__(self, environ: Any, start_response: Any) -> Any:
                self.ws = StampedServer(environ, **self.server_args)
                result = self.app(self)
                if self.ws.mode == "gunicorn":
                    raise StopIteration
                if self.ws.mode == "werkzeug":
                    raise ConnectionError
                return result

        return lambda handler, server: StampedWebSocket(handler, server, **self._websocket)

    def _now(self) -> int:
        stamps = self.stamps
        return 0 if stamps is None else stamps.now()

    def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> Any:  # noqa: A002 (upstream's)
        stamps = self.stamps
        if stamps is not None and len(data) > 1 and (place := stamps.place(data[1])) >= 0:
            inbox = getattr(self._loop, "inbox", None)  # none where the event came by polling
            if inbox is not None:
                stamps.read[place] = inbox.read_ns
                stamps.dispatched[place] = inbox.dispatched_ns
                inbox.held_by = place
        return self._originals["handle_event"](eio_sid, namespace, id, data)

    def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: list[Any],
        namespace: str,
        id: int | None,  # noqa: A002
    ) -> Any:
        stamps = self.stamps
        place = stamps.place(data[1]) if stamps is not None and len(data) > 1 else -1
        if stamps is not None and place >= 0:
            stamps.handler_start[place] = stamps.now()
        try:
            return self._originals["handle_event_internal"](server, sid, eio_sid, data, namespace, id)
        except Exception:
            self.errors.append(traceback.format_exc())
            raise
        finally:
            if stamps is not None and place >= 0:
                stamps.handler_end[place] = stamps.now()

    def _emit(self, event: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        if (stamps := self.stamps) is not None:
            stamp_emitted(stamps, data)
        return self._originals["emit"](event, data, *args, **kwargs)


def stamp_emitted(stamps: Stamps, data: Any) -> None:
    """Stamp the events that an emit answers, alone or in a list."""
    now = stamps.now()
    for answer in data if isinstance(data, list) else (data,):
        if (place := stamps.place(answer)) >= 0 and not stamps.emitted[place]:
            stamps.emitted[place] = now
