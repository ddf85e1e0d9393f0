"""The hooks of a ``socketio.Server``: threads, green threads, and simple-websocket's inbox.

Beside what :mod:`labkit.inside.hooking` tells: where a websocket is simple-websocket's, its ``input_buffer`` is
replaced by a list that stamps, between the handshake and the start of the reader's thread. So a message's wait in the
inbox is seen, which no hook further down the way can see.
"""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from labkit.inside.connections import Live
from labkit.inside.hooking import Hooking, greenlets
from labkit.inside.seeing import ACKS, MESSAGE, Event, Seeing, Sending, size
from labkit.inside.seen_inbox import SeenInbox


def _green_thread() -> Callable[[], Any]:
    current: Callable[[], Any] = import_module("greenlet").getcurrent  # there: what makes green threads needs it
    return current


def _thread() -> int:
    """Looked up at each call: what patches threads later puts a green thread's own in its place."""
    return threading.get_ident()


class SyncHooks(Hooking):
    """The hooks of one ``socketio.Server``, a Flask-SocketIO one or not."""

    def __init__(self, server: Any, seeing: Seeing) -> None:
        # Whose call this is: of a green thread where handlers are such, else of a thread. Wherever greenlet is loaded a
        # thread has a main greenlet, too. But as one ends that was asked for, all objects are looked through for it.
        self._who: Callable[[], Any] = _green_thread() if greenlets(server) else _thread
        self._handling: dict[Any, Event] = {}
        self._sending: dict[Any, Sending] = {}
        super().__init__(server, seeing)

    def handling(self) -> list[tuple[Any, Event]]:
        return list(self._handling.items())

    def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: Any) -> Any:  # noqa: A002 (upstream's)
        try:
            data = self._arrived(eio_sid, namespace, data, id is not None)
        except Exception:  # noqa: BLE001
            self.fail("_handle_event")
        return self._before_event(eio_sid, namespace, id, data)

    def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: Any,
        namespace: str,
        id: int | None,  # noqa: A002
    ) -> Any:
        if type(data) is not Event:
            return self._before_handler(server, sid, eio_sid, data, namespace, id)
        # As _begin and _end do it, in place: this is done for every event.
        handling, who, before = self._handling, None, None
        try:
            who = self._who()
            before = handling.get(who)
            handling[who] = data
            self.seeing.begin(data, self.cpu)
        except Exception:  # noqa: BLE001
            self.fail("_handle_event_internal")
        try:
            return self._before_handler(server, sid, eio_sid, data, namespace, id)
        except BaseException as error:
            self._raised(data, error)
            raise
        finally:
            try:
                self.seeing.end(data)
            except Exception:  # noqa: BLE001
                self.fail("_handle_event_internal")
            if before is None:
                handling.pop(who, None)
            else:
                handling[who] = before

    def _begin(self, event: Event, hook: str) -> None:
        event.who = event.before = None
        try:
            who = self._who()
            event.before = self._handling.get(who)
            self._handling[who] = event
            event.who = who
            self.seeing.begin(event, self.cpu)
        except Exception:  # noqa: BLE001
            self.fail(hook)

    def _end(self, event: Event, hook: str) -> None:
        try:
            self.seeing.end(event)
        except Exception:  # noqa: BLE001
            self.fail(hook)
        if event.before is not None:
            self._handling[event.who] = event.before
        elif event.who is not None:
            self._handling.pop(event.who, None)

    def raised_here(self, error: BaseException) -> None:
        try:
            handling = self._handling.get(self._who())
            if handling is not None:
                self.seeing.raised(handling, error)
        except Exception:  # noqa: BLE001
            self.fail("exception_handlers")

    def _raised(self, event: Event, error: BaseException) -> None:
        try:
            self.seeing.raised(event, error)
        except Exception:  # noqa: BLE001
            self.fail("_handle_event_internal")

    def _trigger_event(self, event: Any, namespace: str, *args: Any) -> Any:
        if event == "connect" or event == "disconnect":  # noqa: PLR1714 (this is asked of every event)
            return self._trigger_reserved(event, namespace, *args)
        result = self._before_trigger(event, namespace, *args)
        if result is self.server.not_handled:
            try:
                handling = self._handling.get(self._who())
                if handling is not None:
                    self.seeing.unhandled(handling)
            except Exception:  # noqa: BLE001
                self.fail("_trigger_event")
        return result

    def _trigger_reserved(self, event: str, namespace: str, *args: Any) -> Any:
        row = None
        try:
            row = self._reserved(event, namespace, args)
        except Exception:  # noqa: BLE001
            self.fail("_trigger_event")
        if row is not None:
            self._begin(row, "_trigger_event")
        again = False
        try:
            result = self._before_trigger(event, namespace, *args)
        except BaseException as error:
            if row is not None:
                try:
                    again = self._reserved_raised(row, namespace, args, error)
                except Exception:  # noqa: BLE001
                    self.fail("_trigger_event")
            raise
        finally:
            if row is not None:
                self._end_reserved(row, again)
        try:
            self._reserved_done(event, namespace, args, result)
        except Exception:  # noqa: BLE001
            self.fail("_trigger_event")
        return result

    def _send_packet(self, eio_sid: str, pkt: Any) -> Any:
        sending = handling = who = None
        try:
            if pkt.packet_type in ACKS:
                who = self._who()
                handling = self._handling.get(who)
                if handling is not None:
                    sending = self._sending[who] = self.seeing.answer_begins(handling)
        except Exception:  # noqa: BLE001
            self.fail("_send_packet")
        try:
            return self._before["_send_packet"](eio_sid, pkt)
        finally:
            if sending is not None and handling is not None:
                self._sending.pop(who, None)
                try:
                    self.seeing.answer_ends(handling, sending)
                except Exception:  # noqa: BLE001
                    self.fail("_send_packet")

    def _emit(self, event: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        sending = who = before = None
        try:
            who = self._who()
            namespace = args[0] if args else kwargs.get("namespace")
            before = self._sending.get(who)
            sending = self.seeing.emit_begins(event, namespace, self._handling.get(who))
            self._sending[who] = sending
        except Exception:  # noqa: BLE001
            self.fail("emit")
        try:
            return self._emit_before(event, data, *args, **kwargs)
        finally:
            if sending is not None:
                if before is None:
                    self._sending.pop(who, None)
                else:
                    self._sending[who] = before
                try:
                    self.seeing.emit_ends(sending)
                except Exception:  # noqa: BLE001
                    self.fail("emit")

    # Connections

    def _handle_eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self._met(eio_sid, environ)
        return self._before["_handle_eio_connect"](eio_sid, environ)

    def _eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self._met(eio_sid, environ)
        return self._connect_before(eio_sid, environ)

    def _handle_eio_disconnect(self, eio_sid: str, *reason: Any) -> Any:
        try:
            return self._before["_handle_eio_disconnect"](eio_sid, *reason)
        finally:
            self._parted(eio_sid, *reason)

    def _eio_disconnect(self, eio_sid: str, *reason: Any) -> Any:
        try:
            return self._disconnect_before(eio_sid, *reason)
        finally:
            self._parted(eio_sid, *reason)

    def _handle_disconnect(self, eio_sid: str, namespace: str, reason: Any = None) -> Any:
        try:
            self._left(eio_sid, reason)
        except Exception:  # noqa: BLE001
            self.fail("_handle_disconnect")
        return self._before["_handle_disconnect"](eio_sid, namespace, reason)

    def _socket_hook(self, name: str, socket: Any, connection: Live) -> Any:
        make: Any = {
            "receive": self._receive,
            "handle_post_request": self._post,
            "send": self._send,
            "poll": self._poll,
        }
        return make[name](socket, connection, getattr(socket, name))

    def _receive(self, socket: Any, connection: Live, before: Callable[[Any], Any]) -> Callable[[Any], Any]:
        seeing, server, eio = self.seeing, self.server, self.server.eio

        def receive(pkt: Any) -> Any:
            try:
                # As `took` does it, in place where it can be: this is done for every event.
                if pkt.packet_type == MESSAGE and connection.buffer is not None and (data := pkt.data).__class__ is str:
                    connection.bytes_in += len(data) + 1 if data.isascii() else size(data)
                    connection.packets_in += 1
                else:
                    seeing.took(connection, pkt, eio.ping_timeout)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "receive")
            try:
                return before(pkt)
            finally:
                try:
                    seeing.free(connection, server._binary_packet, socket.sid)
                except Exception:  # noqa: BLE001
                    self.fail_on(connection, "receive")

        return receive

    def _post(self, socket: Any, connection: Live, before: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def handle_post_request(environ: Any) -> Any:
            try:
                connection.post_ns = self.seeing.now()
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "handle_post_request")
            return before(environ)

        return handle_post_request

    def _send(self, socket: Any, connection: Live, before: Callable[[Any], Any]) -> Callable[[Any], Any]:
        seeing, sending, who = self.seeing, self._sending, self._who

        def send(pkt: Any) -> Any:
            try:
                seeing.sends(connection, pkt, sending.get(who()) if sending else None)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "send")
            return before(pkt)

        return send

    def _poll(self, socket: Any, connection: Live, before: Callable[[], Any]) -> Callable[[], Any]:
        def poll() -> Any:
            try:
                if socket.upgraded and not connection.websocket:
                    self._upgraded(connection)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "poll")
            packets = before()
            try:
                self.seeing.polled(connection, socket.upgraded, packets)
            except Exception:  # noqa: BLE001
                self.fail_on(connection, "poll")
            return packets

        return poll

    def _websocket(self, handler: Any, server: Any) -> Any:
        connection = None
        try:
            connection = self._tried(handler)
            if connection is not None:
                handler = self._handler(handler, connection)
        except Exception:  # noqa: BLE001
            self.fail("_async")
        websocket = self._websocket_before(handler, server)
        try:
            if connection is not None:
                self._stamp_inbox(websocket, connection)
        except Exception:  # noqa: BLE001
            self.fail("_async")
        return websocket

    def _handler(self, handler: Callable[[Any], Any], connection: Live) -> Callable[[Any], Any]:
        """The websocket's handler, behind a hook in front of the websocket's ``send``."""

        def websocket_handler(websocket: Any) -> Any:
            try:
                self._see_writes(websocket, connection)
            except Exception:  # noqa: BLE001
                self.seeing.fail("websocket.send")
            return handler(websocket)

        return websocket_handler

    def _see_writes(self, websocket: Any, connection: Live) -> None:
        if "websocket.send" in self.seeing.failed:
            return
        before = websocket.send

        def send(message: Any) -> Any:
            try:
                self.seeing.writes(connection)
            except Exception:  # noqa: BLE001
                self.seeing.fail("websocket.send")
                connection.placed.take_off("send")
            result = before(message)
            connection.written += 1
            return result

        connection.placed.put(websocket, "send", send)
        connection.writes_seen = True

    def _stamp_inbox(self, websocket: Any, connection: Live) -> None:
        """Have the inbox replaced where simple-websocket makes its reader's thread, before that is started."""
        arguments = getattr(websocket, "server_args", None)
        if not isinstance(arguments, dict):
            connection.unseen.append("read")
            return
        make = arguments.get("thread_class") or threading.Thread

        def thread_class(target: Any) -> Any:
            try:
                self._replace_inbox(target.__self__, connection)
            except Exception:  # noqa: BLE001
                self.seeing.fail("input_buffer")
            return make(target=target)

        arguments["thread_class"] = thread_class

    def _replace_inbox(self, simple: Any, connection: Live) -> None:
        if "input_buffer" in self.seeing.failed:
            return
        if type(simple.input_buffer) is not list:  # somebody else's hook
            connection.unseen.append("read")
            return
        inbox = SeenInbox(self.seeing.now, lambda: self.seeing.fail("input_buffer"))
        for message in simple.input_buffer:
            inbox.append(message)
        simple.input_buffer = connection.buffer = inbox

    def _end_reserved(self, event: Event, again: bool) -> None:
        if not again:
            self._end(event, "_trigger_event")
        elif event.before is not None:
            self._handling[event.who] = event.before
        else:
            self._handling.pop(event.who, None)
