"""What the hooks of every server share: where stamps go, which event a packet carries, and how they are put in place.

Hooks are put on instances, never on classes, so that other servers of the process stay as they are.
"""

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from socketio import packet as socketio_packet

from labkit.base.errors import ServerError
from labkit.server.kept import MAX_CHARACTERS, Kept
from labkit.server.stamps import Stamps

_ACKNOWLEDGEMENTS = (socketio_packet.ACK, socketio_packet.BINARY_ACK)


class StampingHooks(ABC):
    """The hooks of one server; a subclass says how its handlers, its emits and its websockets are hooked into.

    Until :meth:`record` is given an array, and after None, the hooks only pass through.

    Args:
        server: ``socketio.Server`` or ``socketio.AsyncServer``.

    Attributes:
        stamps: where stamps go; None where nothing is recorded.
        errors: tracebacks of handlers that raised.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self.stamps: Stamps | None = None
        self.errors: list[str] = Kept()

    def record(self, stamps: Stamps | None) -> None:
        """From now on stamp into `stamps`; with None, stamp nothing."""
        self.errors.clear()
        self.stamps = stamps

    def _put_in_place(self, *more: tuple[Any, str]) -> None:
        """Put the hooks in front of the server's own methods, which they call.

        Args:
            more: methods that the stamping websocket needs, each with its owner.

        Raises:
            ServerError: a method is not there; nothing was changed.
        """
        server = self.server
        own = [(server, name) for name in ("_handle_event", "_handle_event_internal", "_send_packet")]
        require_names(*own, (server.manager, "emit"), *more)
        self._handle, self._handle_internal = server._handle_event, server._handle_event_internal
        self._emit_on, self._send_on = server.manager.emit, server._send_packet
        server._handle_event, server._handle_event_internal = self._handle_event, self._handle_event_internal
        server.manager.emit, server._send_packet = self._emit, self._send_packet
        # With a message queue, what another process emits does not pass through `emit` here.
        if hasattr(server.manager, "_handle_emit"):
            self._emit_queued_on: Callable[[Any], Any] = server.manager._handle_emit
            server.manager._handle_emit = self._emit_queued
        # The module-wide table of the async driver is shared by all servers: ours gets a copy.
        server.eio._async = {**server.eio._async, "websocket": self._stamped_websocket()}

    @abstractmethod
    def _stamped_websocket(self) -> Any:
        """What makes a websocket that stamps, in place of engine.io's own."""

    @abstractmethod
    def _handle_event(self, *args: Any, **kwargs: Any) -> Any:
        """In the receive loop, before and after the server's own."""

    @abstractmethod
    def _handle_event_internal(self, *args: Any, **kwargs: Any) -> Any:
        """Around the handler."""

    @abstractmethod
    def _emit(self, *args: Any, **kwargs: Any) -> Any:
        """Before the answer is encoded."""

    def _emit_queued(self, message: dict[str, Any]) -> Any:
        """Before an answer that came by the message queue is encoded; of an ``AsyncServer`` to be awaited."""
        for data in message["data"] if isinstance(message.get("data"), list) else ():
            self.emitted(data)
        return self._emit_queued_on(message)

    @abstractmethod
    def _send_packet(self, eio_sid: str, packet: Any) -> Any:
        """Before a packet of python-socketio's own is encoded; an acknowledgement may carry the answer."""

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
        """A handler has raised: keep its traceback; of a long one the end, which says what it was."""
        self.errors.append(traceback.format_exc()[-MAX_CHARACTERS:])

    def loop_free(self, place: int) -> None:
        """The receive loop that was busy with this event asks for the next packet."""
        stamps = self.stamps
        if stamps is not None and place < stamps.events:
            stamps.loop_free[place] = stamps.now()

    def acknowledging(self, packet: Any) -> None:
        """Stamp the event whose answer is the value of an acknowledgement."""
        if packet.packet_type in _ACKNOWLEDGEMENTS and packet.data:
            self.emitted(packet.data)

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
