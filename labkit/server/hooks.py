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

from labkit.base.clock import Now
from labkit.base.errors import ServerError
from labkit.server.stamps import Stamps


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


class StampingHooks:
    """What the hooks of every server have in common: where stamps go, and which event a packet is.

    Until :meth:`record` is given an array, and after None, the hooks only pass through.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self.stamps: Stamps | None = None
        self.errors: list[str] = []

    def record(self, stamps: Stamps | None) -> None:
        """From now on stamp into `stamps`; with None, stamp nothing."""
        self.errors.clear()
        self.stamps = stamps

    def now(self) -> int:
        """A stamp; 0 where nothing is recorded."""
        stamps = self.stamps
        return 0 if stamps is None else stamps.now()

    def place(self, data: list[Any]) -> int:
        """The place of the event that a packet carries; -1 where it has none in this run."""
        stamps = self.stamps
        return -1 if stamps is None or len(data) < 2 else stamps.place(data[1])

    def begin(self, data: list[Any]) -> tuple[Stamps | None, int]:
        """A handler starts: where its end is to be stamped."""
        stamps, place = self.stamps, self.place(data)
        if stamps is not None and place >= 0:
            stamps.handler_start[place] = stamps.now()
        return stamps, place

    def end(self, stamps: Stamps | None, place: int) -> None:
        """A handler has ended, in whatever way."""
        if stamps is not None and place >= 0:
            stamps.handler_end[place] = stamps.now()

    def failed(self) -> None:
        """A handler has raised: keep its traceback."""
        self.errors.append(traceback.format_exc())

    def loop_free(self, place: int) -> None:
        """The receive loop that was busy with this event asks for the next packet."""
        stamps = self.stamps
        if stamps is not None and place < stamps.events:
            stamps.loop_free[place] = stamps.now()

    def emitted(self, data: Any) -> None:
        """Stamp the events that an emit answers, alone or in a list."""
        stamps = self.stamps
        if stamps is None:
            return
        now = stamps.now()
        for answer in data if isinstance(data, list) else (data,):
            if (place := stamps.place(answer)) >= 0 and not stamps.emitted[place]:
                stamps.emitted[place] = now


def require_names(*names: tuple[Any, str]) -> None:
    """Raise `ServerError` where an object has no method of that name: another version of the library has another."""
    for owner, name in names:
        if not callable(getattr(owner, name, None)):
            raise ServerError(f"{owner} has no {name}: install the versions that pyproject.toml names")


class Hooks(StampingHooks):
    """The hooks of one Flask-SocketIO server.

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
        super().__init__(socketio.server)
        self._websocket = {"thread_class": thread_class, **websocket}
        self._loop = local_class()  # of a receive loop's thread: its buffer
        server = self.server
        require_names(
            (server, "_handle_event"),
            (server, "_handle_event_internal"),
            (server.manager, "emit"),
            (SimpleWebSocketWSGI, "wait"),
            (simple_websocket.Server, "handshake"),
            (simple_websocket.Server, "receive"),
        )
        self._handle, self._handle_internal, self._emit_on = (
            server._handle_event,
            server._handle_event_internal,
            server.manager.emit,
        )
        server._handle_event = self._handle_event
        server._handle_event_internal = self._handle_event_internal
        server.manager.emit = self._emit
        # The module-wide table of the async driver is shared by all servers: ours gets a copy.
        server.eio._async = {**server.eio._async, "websocket": self._stamped_websocket()}

    def _stamped_websocket(self) -> Callable[..., Any]:
        hooks = self

        class StampedServer(simple_websocket.Server):  # type: ignore[misc]
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
