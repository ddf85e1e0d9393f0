"""The hooks of one server, as far as it does not matter whether it is an asyncio one: what is replaced, and put back.

They hook into private names of python-socketio and python-engineio, on instances only, which are checked before
anything is replaced:

==========================================  ===========================================================================
``server._handle_event``                    in the receive loop: an event
``server._handle_event_internal``           around the handler, in whatever thread it runs
``server._trigger_event``                   connect and disconnect handlers, and events that nobody handles
``server._send_packet``                     an acknowledgement
``server.manager.emit``                     every emit, from a handler or from elsewhere
``server._handle_eio_connect``              a connection begins: its own methods are hooked into
``server._handle_eio_disconnect``           it ends
``server._handle_disconnect``               it leaves a namespace: why
``server.eio._async["websocket"]``          a websocket is made
``socket.receive``                          the receive loop has a packet, and could take the next one
``socket.handle_post_request``              packets came by polling
``socket.send``                             a packet is queued
``socket.poll``                             the writer takes packets
``websocket.send``                          the socket takes one
==========================================  ===========================================================================

Every hook calls what it replaced, whatever becomes of the hook.
"""

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from labkit.base.errors import ServerError
from labkit.inside.connections import Live
from labkit.inside.placed import Placed
from labkit.inside.seeing import Event, Seeing, hashed

#: Of the server, besides ``manager.emit``, each with how many arguments it takes; the hooks take as many.
SERVER_HOOKS = {
    "_handle_event": 4,
    "_handle_event_internal": 6,
    "_trigger_event": 2,  # and more
    "_send_packet": 2,
    "_handle_eio_connect": 2,
    "_handle_eio_disconnect": 2,
    "_handle_disconnect": 3,
}

#: Of each connection's ``engineio.Socket``, likewise.
SOCKET_HOOKS = {"receive": 1, "handle_post_request": 1, "send": 1, "poll": 0}

#: What a connection cannot show that was there before the hooks.
UNSEEN_OF_EARLIER = ("answer_written", "first_written", "last_written", "read", "written")


class Hooking(ABC):
    """The hooks of one server, in place from the beginning.

    Args:
        server: ``socketio.Server`` or ``socketio.AsyncServer``.
        seeing: where what they see goes.

    Raises:
        ServerError: another version of a library has other names; nothing was changed.
    """

    def __init__(self, server: Any, seeing: Seeing) -> None:
        self.server = server
        self.seeing = seeing
        self.placed = Placed()
        self.greenlets = greenlets(server)
        eio = server.eio
        require(server, *SERVER_HOOKS)
        require_arguments(server, SERVER_HOOKS)
        require(server.manager, "emit", "eio_sid_from_sid")
        require(eio, "_upgrades")
        if not isinstance(getattr(eio, "_async", None), dict) or not isinstance(getattr(eio, "sockets", None), dict):
            raise ServerError(f"{eio} has no _async or no sockets: install the versions that labkit doctor names")
        for socket in eio.sockets.values():
            require(socket, *SOCKET_HOOKS)
            require_arguments(socket, SOCKET_HOOKS)
        self.cpu = not self.greenlets and not server.is_asyncio_based()
        self._before = {name: getattr(server, name) for name in SERVER_HOOKS}
        # Three of them once more: these are called for every event, and a look-up less is time that the app has.
        self._before_event, self._before_handler = server._handle_event, server._handle_event_internal
        self._before_trigger = server._trigger_event
        self._emit_before = server.manager.emit
        self._connect_before = eio.handlers.get("connect")
        self._disconnect_before = eio.handlers.get("disconnect")
        self._put_in_place()

    def _put_in_place(self) -> None:
        put, server, eio = self.placed.put, self.server, self.server.eio
        for name in SERVER_HOOKS:
            put(server, name, getattr(self, name))
        put(server.manager, "emit", self._emit)
        # Engine.IO has these two by value; and somebody who registers others calls the server's.
        put(eio.handlers, "connect", self._eio_connect)
        put(eio.handlers, "disconnect", self._eio_disconnect)
        # The table of the async driver is shared by all servers of the process: ours gets a copy.
        if eio._async.get("websocket") is not None:
            self._websocket_before = eio._async["websocket"]
            put(eio, "_async", {**eio._async, "websocket": self._websocket})
        for eio_sid, socket in list(eio.sockets.items()):
            if not socket.closed:  # engine.io keeps one that has ended for a while
                self._meet(eio_sid, earlier=True)

    def take_off(self) -> bool:
        """Put everything back; False where somebody has since put a hook of their own in front of one of these."""
        for connection in list(self.seeing.connections.live.values()):
            if connection.buffer is not None:
                # The list itself stays until the connection ends: the reader's thread may hold it at this instant.
                connection.buffer.stop()
        connections = self.seeing.connections.take_off()
        return self.placed.take_off() and connections

    def fail(self, hook: str) -> None:
        """One of the server's hooks has raised: called where the exception is handled."""
        self.seeing.fail(hook)
        self.placed.take_off(hook)

    def fail_on(self, connection: Live, hook: str) -> None:
        """One of a connection's hooks has raised."""
        self.seeing.fail(hook)
        connection.placed.take_off(hook)

    def handling(self) -> list[tuple[Any, Event]]:
        """The events whose handlers run now, as far as that is known, each with its thread or green thread."""
        return []

    # Connections

    def _meet(self, eio_sid: str, environ: Any = None, earlier: bool = False) -> None:
        """A connection is there: put hooks into it, once."""
        seeing = self.seeing
        socket = self.server.eio.sockets.get(eio_sid)
        if eio_sid in seeing.connections.live or socket is None:
            return  # Flask-SocketIO's test client has no socket
        connection = seeing.connections.open(eio_sid, hashed(eio_sid), seeing.now())
        connection.websocket = socket.upgraded
        if earlier:
            connection.first_transport = "" if socket.upgraded else "polling"
            connection.unseen.extend(UNSEEN_OF_EARLIER if socket.upgraded else ())
            for namespace in list(self.server.manager.get_namespaces()):
                if self.server.manager.sid_from_eio_sid(eio_sid, namespace):
                    connection.let_into(namespace)
        else:
            connection.opened_ns = seeing.now()
            by_websocket = "transport=websocket" in (environ or {}).get("QUERY_STRING", "")
            connection.first_transport = "websocket" if by_websocket else "polling"
        if not socket.upgraded:
            connection.upgrade_offered = bool(self.server.eio._upgrades(eio_sid, "polling"))
        for name in SOCKET_HOOKS:
            if name not in seeing.failed:
                connection.placed.put(socket, name, self._socket_hook(name, socket, connection))

    @abstractmethod
    def _socket_hook(self, name: str, socket: Any, connection: Live) -> Any:
        """What is put in front of that method of a connection's socket."""

    def _upgraded(self, connection: Live) -> None:
        """Its packets come by a websocket from now on."""
        connection.websocket = True
        if not connection.upgraded_ns:
            connection.upgraded_ns = self.seeing.now()

    def _part(self, eio_sid: str, reason: str) -> None:
        """A connection has ended."""
        self.seeing.connections.close(eio_sid, str(reason), self.seeing.now())

    def _met(self, eio_sid: str, environ: Any) -> None:
        try:
            if (begin := self.seeing.on_connection) is not None:
                self.seeing.on_connection = None
                begin()
            self._meet(eio_sid, environ)
        except Exception:  # noqa: BLE001
            self.fail("_handle_eio_connect")
            self.fail("connect")

    def _parted(self, eio_sid: str, *reason: Any) -> None:
        try:
            self._part(eio_sid, *reason)
        except Exception:  # noqa: BLE001
            self.fail("_handle_eio_disconnect")
            self.fail("disconnect")

    def _left(self, eio_sid: str, reason: Any) -> None:
        """It is about to be put out of a namespace; the reason given first is the one that tells most."""
        connection = self.seeing.connections.live.get(eio_sid)
        if connection is not None and reason and not connection.reason:
            connection.reason = str(reason)

    def _tried(self, handler: Any) -> Live | None:
        """A websocket is made for the socket of which this is a method: its connection."""
        socket = getattr(handler, "__self__", None)
        connection = self.seeing.connections.live.get(getattr(socket, "sid", ""))
        if connection is not None and not connection.upgrade_tried_ns:
            connection.upgrade_tried_ns = self.seeing.now()
        return connection

    # Events

    def _arrived(self, eio_sid: str, namespace: str, data: Any, asks: bool) -> Any:
        """The data to hand on: with its row, where it is an event's."""
        if type(data) is not list or not data:
            return data
        connection = self.seeing.connections.live.get(eio_sid)
        if connection is not None:
            connection.events += 1
        if (recorder := self.seeing.recorder) is not None:
            recorder.take(None if connection is None else connection.number, namespace, data, asks)
        return self.seeing.arrived(connection, namespace, data)

    def _reserved(self, event: str, namespace: str, args: tuple[Any, ...]) -> Event | None:
        """A connect or disconnect handler is about to be called; None where there is none."""
        server = self.server
        by_name, _ = server._get_event_handler(event, namespace, args)
        by_class, _ = server._get_namespace_handler(namespace, args)
        if by_name is None and by_class is None:
            return None
        connection = self._of(namespace, args)
        if event == "connect" and connection is not None and connection.retrying is not None:
            retried, connection.retrying = connection.retrying, None
            return retried  # type: ignore[no-any-return]
        return self.seeing.arrived(connection, namespace, [event], packet=event == "connect")

    def _reserved_raised(self, event: Event, namespace: str, args: tuple[Any, ...], error: BaseException) -> bool:
        """Such a handler has raised; whether it is called again at once, without `auth`, since it takes none."""
        again = event[0] == "connect" and isinstance(error, TypeError) and len(args) == 3 and args[2] is None
        if again and (connection := self._of(namespace, args)) is not None:
            connection.retrying = event
            return True
        self.seeing.raised(event, error)
        return False

    def _reserved_done(self, event: str, namespace: str, args: tuple[Any, ...], result: Any) -> None:
        """Such a handler, or none, has let a client in or out."""
        connection = self._of(namespace, args)
        if connection is not None and event == "connect" and result is not False:
            connection.let_into(namespace)
        elif connection is not None and event == "disconnect" and not connection.reason and len(args) > 1:
            connection.reason = str(args[1])

    def _of(self, namespace: str, args: tuple[Any, ...]) -> Live | None:
        eio_sid = self.server.manager.eio_sid_from_sid(args[0], namespace) if args else None
        return self.seeing.connections.live.get(eio_sid) if eio_sid else None

    # What the two kinds of server have each in its own way

    @abstractmethod
    def raised_here(self, error: BaseException) -> None:
        """The handler that runs here has raised what the app's own handler of errors takes."""

    @abstractmethod
    def _handle_event(self, *args: Any, **kwargs: Any) -> Any:
        """In the receive loop: an event."""

    @abstractmethod
    def _handle_event_internal(self, *args: Any, **kwargs: Any) -> Any:
        """Around the handler."""

    @abstractmethod
    def _trigger_event(self, *args: Any, **kwargs: Any) -> Any:
        """Around every handler, those of connect and disconnect among them."""

    @abstractmethod
    def _send_packet(self, *args: Any, **kwargs: Any) -> Any:
        """An acknowledgement, among others."""

    @abstractmethod
    def _emit(self, *args: Any, **kwargs: Any) -> Any:
        """Every emit."""

    @abstractmethod
    def _handle_eio_connect(self, *args: Any, **kwargs: Any) -> Any:
        """A connection begins."""

    @abstractmethod
    def _handle_eio_disconnect(self, *args: Any, **kwargs: Any) -> Any:
        """A connection ends."""

    @abstractmethod
    def _eio_connect(self, *args: Any, **kwargs: Any) -> Any:
        """The same, where Engine.IO calls it."""

    @abstractmethod
    def _eio_disconnect(self, *args: Any, **kwargs: Any) -> Any:
        """The same, where Engine.IO calls it."""

    @abstractmethod
    def _handle_disconnect(self, *args: Any, **kwargs: Any) -> Any:
        """A connection leaves a namespace."""

    @abstractmethod
    def _websocket(self, handler: Any, server: Any) -> Any:
        """Makes a websocket, in place of the async driver's own."""


def greenlets(server: Any) -> bool:
    """Whether handlers share a thread as green threads do: then the CPU time of one is not known."""
    if str(server.eio.async_mode).startswith(("gevent", "eventlet")):
        return True
    monkey = sys.modules.get("gevent.monkey")
    return bool(monkey is not None and monkey.is_module_patched("threading"))


def require_arguments(owner: Any, methods: Mapping[str, int]) -> None:
    """Raise `ServerError` where a method takes other arguments than a hook in its place: it could not be called.

    One that takes any number of them, such as somebody else's hook, hands on what it gets.
    """
    for name, wanted in methods.items():
        try:
            parameters = inspect.signature(getattr(owner, name)).parameters.values()
        except (TypeError, ValueError):  # not Python's
            continue
        kinds = [each.kind for each in parameters]
        if inspect.Parameter.VAR_POSITIONAL not in kinds and len(kinds) != wanted:
            raise ServerError(
                f"{type(owner).__name__}.{name} takes {len(kinds)} arguments and not {wanted}: install the versions "
                "that labkit doctor names"
            )


def require(owner: Any, *names: str) -> None:
    """Raise `ServerError` where an object has no method of a name: another version of the library has another."""
    for name in names:
        if not callable(getattr(owner, name, None)):
            raise ServerError(f"{owner} has no {name}: install the versions that labkit doctor names")
