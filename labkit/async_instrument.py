"""The hooks that stamp python-socketio's ``AsyncServer`` under ASGI; as those of :mod:`labkit.instrument`.

``engineio ... asgi.WebSocket.wait``       the receive loop asks (*loop_free*) and gets a packet (*dispatched*)
``socketio.AsyncServer._handle_event``     in the receive loop: which event it was
``socketio.AsyncServer._handle_event_internal`` around the handler, in whatever task it runs
``socketio.AsyncManager.emit``             every answer (*emitted*)

*read* is not among them: the packet waits in a buffer of uvicorn's protocol, which has no place for a hook.
"""

import traceback
from contextvars import ContextVar
from typing import Any

from engineio.async_drivers.asgi import WebSocket

from labkit.errors import ServerError
from labkit.instrument import stamp_emitted
from labkit.stamps import Stamps


class AsyncInstrument:
    """The hooks of one server. Until :meth:`record` is given an array, and after None, they only pass through."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.stamps: Stamps | None = None
        self.errors: list[str] = []
        # Of a connection's task, and of the tasks that it starts to wait for the next packet: its websocket.
        self._websocket: ContextVar[Any] = ContextVar("labkit-websocket", default=None)
        for owner, name in (
            (server, "_handle_event"),
            (server, "_handle_event_internal"),
            (server.manager, "emit"),
            (WebSocket, "wait"),
        ):
            if not callable(getattr(owner, name, None)):
                raise ServerError(f"{owner} has no {name}: install the versions that pyproject.toml names")
        self._handle = server._handle_event
        self._handle_internal = server._handle_event_internal
        self._emit_on = server.manager.emit
        server._handle_event = self._handle_event
        server._handle_event_internal = self._handle_event_internal
        server.manager.emit = self._emit
        server.eio._async = {**server.eio._async, "websocket": self._stamped_websocket()}

    def record(self, stamps: Stamps | None) -> None:
        """From now on stamp into `stamps`; with None, stamp nothing."""
        self.errors.clear()
        self.stamps = stamps

    def _stamped_websocket(self) -> type:
        instrument = self

        class StampedWebSocket(WebSocket):  # type: ignore[misc]
            dispatched_ns = 0
            held_by = -1  # the place of the event for which the receive loop is busy

            async def __call__(self, environ: Any) -> Any:
                instrument._websocket.set(self)
                return await super().__call__(environ)

            async def wait(self) -> Any:
                stamps = instrument.stamps
                if self.held_by >= 0:
                    if stamps is not None and self.held_by < stamps.events:
                        stamps.loop_free[self.held_by] = stamps.now()
                    self.held_by = -1
                packet = await super().wait()
                self.dispatched_ns = instrument._now()
                return packet

        return StampedWebSocket

    def _now(self) -> int:
        stamps = self.stamps
        return 0 if stamps is None else stamps.now()

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> Any:  # noqa: A002 (upstream's)
        stamps = self.stamps
        if stamps is not None and len(data) > 1 and (place := stamps.place(data[1])) >= 0:
            websocket = self._websocket.get()  # none where the event came by polling
            if websocket is not None:
                stamps.dispatched[place] = websocket.dispatched_ns
                websocket.held_by = place
        return await self._handle(eio_sid, namespace, id, data)

    async def _handle_event_internal(
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
            return await self._handle_internal(server, sid, eio_sid, data, namespace, id)
        except Exception:
            self.errors.append(traceback.format_exc())
            raise
        finally:
            if stamps is not None and place >= 0:
                stamps.handler_end[place] = stamps.now()

    async def _emit(self, event: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        if (stamps := self.stamps) is not None:
            stamp_emitted(stamps, data)
        return await self._emit_on(event, data, *args, **kwargs)
