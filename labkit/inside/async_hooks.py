"""The hooks of a ``socketio.AsyncServer``, as :mod:`labkit.inside.sync_hooks` has those of a ``socketio.Server``.

Handlers share one thread, so the CPU time of one is not known. *read* is not known either: a packet waits in a buffer
of the web server (uvicorn's protocol), which has no place for a hook. *dispatched* is when the connection's task was
given the packet.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from labkit.inside.connections import Live
from labkit.inside.hooking import Hooking
from labkit.inside.seeing import ACKS, Event, Seeing, Sending


class AsyncHooks(Hooking):
    """The hooks of one ``socketio.AsyncServer``."""

    def __init__(self, server: Any, seeing: Seeing) -> None:
        # Tasks inherit both. An emit's own tasks must; those that a handler starts are told apart by the task.
        self._handling: ContextVar[Event | None] = ContextVar("labkit-handling", default=None)
        self._sending: ContextVar[Sending | None] = ContextVar("labkit-sending", default=None)
        super().__init__(server, seeing)

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: Any) -> Any:  # noqa: A002 (upstream's)
        try:
            data = self._arrived(eio_sid, namespace, data, id is not None)
        except Exception:  # noqa: BLE001
            self.fail("_handle_event")
        return await self._before["_handle_event"](eio_sid, namespace, id, data)

    async def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: Any,
        namespace: str,
        id: int | None,  # noqa: A002
    ) -> Any:
        if type(data) is not Event:
            return await self._before["_handle_event_internal"](server, sid, eio_sid, data, namespace, id)
        self._begin(data, "_handle_event_internal")
        try:
            return await self._before["_handle_event_internal"](server, sid, eio_sid, data, namespace, id)
        except BaseException as error:
            self._raised(data, error)
            raise
        finally:
            self._end(data, "_handle_event_internal")

    def _begin(self, event: Event, hook: str) -> None:
        event.before = None
        try:
            event.who = asyncio.current_task()
            event.before = self._handling.set(event)
            self.seeing.begin(event, self.cpu)
        except Exception:  # noqa: BLE001
            self.fail(hook)

    def _end(self, event: Event, hook: str) -> None:
        try:
            self.seeing.end(event)
            self._close(event)
        except Exception:  # noqa: BLE001
            self.fail(hook)

    def _close(self, event: Event) -> None:
        event.who = None  # an event outlives its task, which must not
        if event.before is not None:
            self._handling.reset(event.before)

    def raised_here(self, error: BaseException) -> None:
        """Not asked: Flask-SocketIO has no such server."""

    def _raised(self, event: Event, error: BaseException) -> None:
        try:
            self.seeing.raised(event, error)
        except Exception:  # noqa: BLE001
            self.fail("_handle_event_internal")

    def _handler_here(self) -> Event | None:
        """The event whose handler this task is; None in a task that a handler has started."""
        event = self._handling.get()
        return event if event is not None and event.who is asyncio.current_task() else None

    async def _trigger_event(self, event: Any, namespace: str, *args: Any) -> Any:
        if event == "connect" or event == "disconnect":  # noqa: PLR1714 (this is asked of every event)
            return await self._trigger_reserved(event, namespace, *args)
        result = await self._before["_trigger_event"](event, namespace, *args)
        if result is self.server.not_handled:
            try:
                handling = self._handler_here()
                if handling is not None:
                    self.seeing.unhandled(handling)
            except Exception:  # noqa: BLE001
                self.fail("_trigger_event")
        return result

    async def _trigger_reserved(self, event: str, namespace: str, *args: Any) -> Any:
        row = None
        try:
            row = self._reserved(event, namespace, args)
        except Exception:  # noqa: BLE001
            self.fail("_trigger_event")
        if row is not None:
            self._begin(row, "_trigger_event")
        again = False
        try:
            result = await self._before["_trigger_event"](event, namespace, *args)
        except BaseException as error:
            if row is not None:
                try:
                    again = self._reserved_raised(row, namespace, args, error)
                except Exception:  # noqa: BLE001
                    self.fail("_trigger_event")
            raise
        finally:
            if row is not None and again:
                self._close(row)
            elif row is not None:
                self._end(row, "_trigger_event")
        try:
            self._reserved_done(event, namespace, args, result)
        except Exception:  # noqa: BLE001
            self.fail("_trigger_event")
        return result

    async def _send_packet(self, eio_sid: str, pkt: Any) -> Any:
        sending = handling = token = None
        try:
            if pkt.packet_type in ACKS:
                handling = self._handler_here()
                if handling is not None:
                    sending = self.seeing.answer_begins(handling)
                    token = self._sending.set(sending)
        except Exception:  # noqa: BLE001
            self.fail("_send_packet")
        try:
            return await self._before["_send_packet"](eio_sid, pkt)
        finally:
            if token is not None and sending is not None and handling is not None:
                self._sending.reset(token)
                try:
                    self.seeing.answer_ends(handling, sending)
                except Exception:  # noqa: BLE001
                    self.fail("_send_packet")

    async def _emit(self, event: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        sending = token = None
        try:
            namespace = args[0] if args else kwargs.get("namespace")
            sending = self.seeing.emit_begins(event, namespace, self._handler_here())
            token = self._sending.set(sending)
        except Exception:  # noqa: BLE001
            self.fail("emit")
        try:
            return await self._emit_before(event, data, *args, **kwargs)
        finally:
            if token is not None and sending is not None:
                self._sending.reset(token)
                try:
                    self.seeing.emit_ends(sending)
                except Exception:  # noqa: BLE001
                    self.fail("emit")

    # Connections

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self._met(eio_sid, environ)
        return await self._before["_handle_eio_connect"](eio_sid, environ)

    async def _eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self._met(eio_sid, environ)
        return await self._connect_before(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, *reason: Any) -> Any:
        try:
            return await self._before["_handle_eio_disconnect"](eio_sid, *reason)
        finally:
            self._parted(eio_sid, *reason)

    async def _eio_disconnect(self, eio_sid: str, *reason: Any) -> Any:
        try:
            return await self._disconnect_before(eio_sid, *reason)
        finally:
            self._parted(eio_sid, *reason)

    async def _handle_disconnect(self, eio_sid: str, namespace: str, reason: Any = None) -> Any:
        try:
            self._left(eio_sid, reason)
        except Exception:  # noqa: BLE001
            self.fail("_handle_disconnect")
        return await self._before["_handle_disconnect"](eio_sid, namespace, reason)

    def _socket_hook(self, name: str, socket: Any, connection: Live) -> Any:
        make: Any = {
            "receive": self._receive,
            "handle_post_request": self._post,
            "send": self._send,
            "poll": self._poll,
        }
        return make[name](socket, connection, getattr(socket, name))

    def _receive(
        self, socket: Any, connection: Live, before: Callable[[Any], Awaitable[Any]]
    ) -> Callable[[Any], Awaitable[Any]]:
        seeing, server, eio = self.seeing, self.server, self.server.eio

        async def receive(pkt: Any) -> Any:
            try:
                seeing.took(connection, pkt, eio.ping_timeout)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "receive")
            try:
                return await before(pkt)
            finally:
                try:
                    seeing.free(connection, server._binary_packet, socket.sid)
                except Exception:  # noqa: BLE001
                    self.fail_on(connection, "receive")

        return receive

    def _post(
        self, socket: Any, connection: Live, before: Callable[[Any], Awaitable[Any]]
    ) -> Callable[[Any], Awaitable[Any]]:
        async def handle_post_request(environ: Any) -> Any:
            try:
                connection.post_ns = self.seeing.now()
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "handle_post_request")
            return await before(environ)

        return handle_post_request

    def _send(
        self, socket: Any, connection: Live, before: Callable[[Any], Awaitable[Any]]
    ) -> Callable[[Any], Awaitable[Any]]:
        async def send(pkt: Any) -> Any:
            try:
                self.seeing.sends(connection, pkt, self._sending.get())
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "send")
            return await before(pkt)

        return send

    def _poll(
        self, socket: Any, connection: Live, before: Callable[[], Awaitable[Any]]
    ) -> Callable[[], Awaitable[Any]]:
        async def poll() -> Any:
            try:
                if socket.upgraded and not connection.websocket:
                    self._upgraded(connection)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "poll")
            packets = await before()
            try:
                self.seeing.polled(connection, socket.upgraded, packets)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "poll")
            return packets

        return poll

    def _websocket(self, handler: Any, server: Any) -> Any:
        try:
            connection = self._tried(handler)
            if connection is not None:
                handler = self._handler(handler, connection)
        except Exception:  # noqa: BLE001
            self.fail("_async")
        return self._websocket_before(handler, server)

    def _handler(self, handler: Callable[[Any], Awaitable[Any]], connection: Live) -> Callable[[Any], Awaitable[Any]]:
        """The websocket's handler, behind hooks in front of the websocket's ``send`` and ``wait``."""

        async def websocket_handler(websocket: Any) -> Any:
            try:
                if "websocket" not in self.seeing.failed:
                    self._see_websocket(websocket, connection)
            except Exception:  # noqa: BLE001
                self.seeing.fail("websocket")
            return await handler(websocket)

        return websocket_handler

    def _see_websocket(self, websocket: Any, connection: Live) -> None:
        write, wait = websocket.send, websocket.wait
        connection.unseen.append("read")

        def fail() -> None:
            self.seeing.fail("websocket")
            connection.placed.take_off("send")
            connection.placed.take_off("wait")

        async def send(message: Any) -> Any:
            try:
                self.seeing.writes(connection)
            except Exception:  # noqa: BLE001
                fail()
            result = await write(message)
            connection.written += 1
            return result

        async def take() -> Any:
            packet = await wait()
            try:
                connection.dispatched_ns = self.seeing.now()
                connection.waited = True
            except Exception:  # noqa: BLE001
                fail()
            return packet

        connection.placed.put(websocket, "send", send)
        connection.placed.put(websocket, "wait", take)
        connection.writes_seen = True
