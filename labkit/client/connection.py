"""One client on one websocket: it answers heartbeats, acknowledges what asks for it, stamps what comes and keeps it."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Sequence
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, cast

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from labkit.base.clock import now_ns
from labkit.base.errors import ConnectFailed
from labkit.client import packets, polling
from labkit.client.listening import Listening
from labkit.plan.exchange import ROOT, WEBSOCKET
from labkit.plan.visit import AT_ONCE, Visit

#: What the socket of a client that does not read may hold; by itself it would grow to some MB.
SLOW_BUFFER_BYTES, USUAL_BUFFER_BYTES = 8192, 131_072

#: The largest frame that a client takes, so that one answer cannot fill the memory. A page has no such limit.
MAX_FRAME_BYTES = 100 * 2**20

# What picows has to say is told by `closing`; on stderr it would stand in a notebook's cell.
_quiet = logging.Logger("labkit.client", logging.CRITICAL)

#: The code of a connection that is closed because all is done.
_GOODBYE = 1000

# Looked up once: a member of an enumeration costs as much as reading a frame.
_TEXT, _BINARY, _CLOSE, _PONG = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE, WSMsgType.PONG

#: How the payload of a ping frame of ours begins. It is neither how a text frame of Socket.IO does nor how a close
#: frame's code does, so that the frames of a burst need not be asked which they are.
_PING_MARK = b"ping:"


class Connection(Listening, WSListener):
    """One client on one websocket: answers heartbeats, acknowledges, keeps everything else; may stop reading."""

    def __init__(self, namespace: str = ROOT, auth: bytes = b"") -> None:
        super().__init__(namespace, auth)
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.opened_ns = now_ns()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        at_ns = now_ns()
        text = frame.get_payload_as_bytes()
        if self.greeted and text.startswith(self.usual):  # asked first, since it is asked of every frame of a burst
            self.frames.append((at_ns, text))
        elif frame.msg_type == _CLOSE:
            if not transport.is_close_frame_sent:  # else it only says yes to ours
                self.closing = _in_words(int.from_bytes(text[:2], "big"), text[2:].decode(errors="replace"))
            transport.disconnect()
        elif frame.msg_type == _BINARY:
            self.attach(at_ns, text)
        elif frame.msg_type == _PONG:
            if text.startswith(_PING_MARK):
                self.frames.append((at_ns, b"43%b%b[]" % (self.place, text.removeprefix(_PING_MARK))))
        else:
            self.heed(at_ns, text)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed_ns = self.closed_ns or now_ns()
        handshake = transport.close_handshake  # None where the connection broke without one
        ours = None if handshake is None else handshake.sent
        if ours is not None and ours.code.value != _GOODBYE and not self.closing:
            # Not the server's doing: a frame that picows does not take.
            self.closing = f"by labkit's client, {_in_words(ours.code.value, ours.reason)}"
            self._ended = asyncio.ensure_future(_until_ended(transport))
        self.closing = self.closing or "without a websocket code"
        self.fail("the server closed the connection during the handshake")

    def say(self, text: bytes) -> None:
        if self.transport is not None:
            self.transport.send(_TEXT, text)

    def leave(self) -> None:
        if self.transport is not None:
            self.transport.disconnect()

    def send(self, frame: bytes) -> bool:
        if self.closed_ns or self.transport is None:
            return False
        self.transport.send(_TEXT, frame)
        if type(frame) is not bytes:
            for attachment in cast(packets.WithBytes, frame).attachments:
                self.transport.send(_BINARY, attachment)
        return True

    def ping(self, frame: bytes) -> bool:
        if self.closed_ns or self.transport is None:
            return False
        self.transport.send_ping(frame)
        return True

    def hang_up(self) -> None:
        if self.transport is not None and not self.closed_ns:
            self.send(packets.GOODBYE + self.place)
            self.transport.send_close()
            self.transport.disconnect()

    def stop_reading(self) -> None:
        """Leave what comes in the socket, as a client that cannot keep up; its small buffer is soon full."""
        if self.transport is not None and not self.closed_ns:
            socket = self.transport.underlying_transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_RCVBUF, SLOW_BUFFER_BYTES)
            self.transport.underlying_transport.pause_reading()

    def read_on(self) -> None:
        """Read again, first what has piled up."""
        if self.transport is not None and not self.closed_ns:
            socket = self.transport.underlying_transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_RCVBUF, USUAL_BUFFER_BYTES)  # or what piled up would trickle
            self.transport.underlying_transport.resume_reading()


class Upgrading(Connection):
    """The same client, which has begun with polling: the websocket proves that it works, and takes over.

    (https://github.com/socketio/engine.io-protocol, "Upgrade".)

    Args:
        namespace, auth: as for every client.
        polled: what the first poll was answered, and when.
    """

    def __init__(self, namespace: str, auth: bytes, polled: tuple[int, bytes]) -> None:
        super().__init__(namespace, auth)
        self._polled_ns, handshake = polled
        self.told_ns = packets.heartbeat_told_ns(handshake)
        self.beats_ns.append(self._polled_ns)

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self.opened_ns = self._polled_ns
        self.say(packets.PROBE)

    def heed(self, at_ns: int, text: bytes) -> None:
        if text == packets.PROBE_ANSWER and not self.upgraded_ns:
            self.upgraded_ns = at_ns
            self.say(packets.UPGRADE)
            self.say(packets.CONNECT + self.place + self.auth)
        elif text != packets.NOTHING:  # what would have ended a poll
            super().heed(at_ns, text)


def ping_of(number: int) -> bytes:
    """What a ping frame carries, so that its answer counts as the acknowledgement of that number."""
    return b"%b%d" % (_PING_MARK, number)


async def connect_all(
    url: str, clients: int | Sequence[str], timeout_s: float, visit: Visit = AT_ONCE
) -> list[Connection]:
    """Clients, each on a websocket of its own, all greeted by the server.

    Args:
        url: of the server.
        clients: the namespace of each; a number of clients where all of them want the root.
        timeout_s: within which all have to be greeted; where they come one by one, counted from the last.
        visit: with what they introduce themselves, and whether all come at once.

    Raises:
        ConnectFailed: nothing answers there, it is no Socket.IO server, or it refuses.
    """
    namespaces = (ROOT,) * clients if isinstance(clients, int) else clients
    openings = [
        asyncio.ensure_future(
            _open(url, namespace, visit.number_of(place), place * visit.ramp_s / len(namespaces), timeout_s, visit)
        )
        for place, namespace in enumerate(namespaces)
    ]
    try:
        async with asyncio.timeout(timeout_s + visit.ramp_s):
            await asyncio.gather(*openings, return_exceptions=True)
            connections = [_opened(opening.result()) for opening in openings]
            await asyncio.gather(*(c.ready for c in connections))
    except BaseException as error:
        ended = [o for o in openings if o.done() and not o.cancelled() and o.exception() is None]
        hang_up([c for o in ended if isinstance(c := o.result(), Connection)])
        await asyncio.sleep(0)  # the loop stops with this order; the sockets are closed by then
        if isinstance(error, ConnectFailed) or not isinstance(error, Exception):
            raise
        if isinstance(error, TimeoutError):
            raise ConnectFailed(_timed_out(url, openings, timeout_s)) from None
        raise ConnectFailed(
            f"cannot connect to {url} ({type(error).__name__}: {error}): check that a Socket.IO server with the "
            "websocket transport listens there"
        ) from None
    return connections


async def _open(
    url: str, namespace: str, number: int, wait_s: float, timeout_s: float, visit: Visit
) -> WSListener | None:
    """One client, after a while."""
    if wait_s:
        await asyncio.sleep(wait_s)
    hello = visit.handshake
    address = hello.address(url, WEBSOCKET, number).replace("http", "ws", 1)
    began_ns = now_ns()
    make: Callable[[], Connection] = functools.partial(Connection, namespace, hello.auth_of(number))
    if visit.is_upgraded:
        polled_ns, body = await polling.first_poll(url, hello, number)
        address += f"&sid={packets.sid_of(body)}"
        make = functools.partial(Upgrading, namespace, hello.auth_of(number), (polled_ns, body))
    # A handshake ends by picows' own timer: it closes the socket, which a cancellation would not.
    _, listener = await ws_connect(
        make,
        address,
        ssl_context=hello.context() if address.startswith("wss") else None,
        websocket_handshake_timeout=0.9 * timeout_s,
        max_frame_size=MAX_FRAME_BYTES,
        extra_headers=hello.headers_of(number),
        max_redirects=0,  # it would lead elsewhere than what was asked for
        logger_name=_quiet,
    )
    if isinstance(listener, Connection):
        listener.began_ns = began_ns
    return listener


def _timed_out(url: str, openings: Sequence["asyncio.Future[Any]"], timeout_s: float) -> str:
    """A sentence that says how many were let in, where some were."""
    done = [o.result() for o in openings if o.done() and not o.cancelled() and o.exception() is None]
    greeted = sum(isinstance(c, Connection) and c.greeted for c in done)
    if not greeted:
        return f"no Socket.IO server answered at {url} within {timeout_s:g} s: check the address"
    return (
        f"{greeted} of {len(openings)} connections were let in at {url} within {timeout_s:g} s, and the rest still "
        "waits: ask for fewer connections, or give the server more threads or processes"
    )


async def _until_ended(transport: WSTransport) -> None:
    """Take the error that picows keeps for who waits, or asyncio would complain on stderr."""
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


def _in_words(code: int, reason: str) -> str:
    """``websocket code 1009 (message too big)``; 0 where there is no code."""
    return f"websocket code {code or 'not given'}" + (f" ({reason})" if reason else "")


def _opened(listener: WSListener | None) -> Connection:
    if not isinstance(listener, Connection):  # picows' None: closed in the middle, without an error
        raise ConnectionError("the server closed the connection during the handshake")
    return listener


def hang_up(connections: Sequence[Listening]) -> None:
    """Say goodbye on all that are open."""
    for connection in connections:
        connection.hang_up()
