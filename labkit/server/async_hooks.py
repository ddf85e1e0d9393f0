"""The hooks that stamp python-socketio's ``AsyncServer`` under ASGI, as :mod:`labkit.server.hooks` those of Flask.

``engineio ... asgi.WebSocket.wait``       the receive loop asks (*loop_free*) and gets a packet (*dispatched*)
``socketio.AsyncServer._handle_event``     in the receive loop: which event it was
``socketio.AsyncServer._handle_event_internal`` around the handler, in whatever task it runs
``socketio.AsyncManager.emit``             every answer (*emitted*)
``socketio.AsyncServer._send_packet``      the acknowledgement that carries an answer (*emitted*, too)

*read* is not among them: the packet waits in a buffer of uvicorn's protocol, which has no place for a hook.
"""

from contextvars import ContextVar
from typing import Any

from engineio.async_drivers.asgi import WebSocket

from labkit.server.stamping import StampingHooks


class AsyncHooks(StampingHooks):
    """The hooks of one ``AsyncServer``.

    Raises:
        ServerError: another version of a library has other names; nothing was changed.
    """

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        # Of a connection's task, and of the tasks that it starts to wait for the next packet: its websocket.
        self._websocket: ContextVar[Any] = ContextVar("labkit-websocket", default=None)
        self._put_in_place((WebSocket, "wait"))

    def _stamped_websocket(self) -> type:
        hooks = self

        class StampedWebSocket(WebSocket):  # type: ignore[misc]
            dispatched_ns = 0
            held_by = -1  # the place of the event for which the receive loop is busy

            async def __call__(self, environ: Any) -> Any:
                hooks._websocket.set(self)
                return await super().__call__(environ)

            async def wait(self) -> Any:
                if self.held_by >= 0:
                    hooks.loop_free(self.held_by)
                    self.held_by = -1
                packet = await super().wait()
                self.dispatched_ns = hooks.now()
                return packet

        return StampedWebSocket

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> Any:  # noqa: A002 (upstream's)
        place = self.place(data)
        if place >= 0 and (stamps := self.stamps) is not None:
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
        stamps, place = self.begin(data)
        try:
            return await self._handle_internal(server, sid, eio_sid, data, namespace, id)
        except Exception:
            self.failed()
            raise
        finally:
            self.end(stamps, place)

    async def _emit(self, event: str, data: Any, *args: Any, **kwargs: Any) -> Any:
        self.emitted(data)
        return await self._emit_on(event, data, *args, **kwargs)

    async def _send_packet(self, eio_sid: str, packet: Any) -> Any:
        self.acknowledging(packet)
        return await self._send_on(eio_sid, packet)
