"""The child's end of a :class:`~labkit.scale.network.Network`: a relay whose two directions are delay lines."""

import asyncio
import contextlib
import os
import socket
import threading
from random import Random
from typing import Any, cast

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import ServerError
from labkit.base.event_loop import Loop
from labkit.base.processes import Pipes
from labkit.plan.link import Link
from labkit.scale.delay_line import DelayLine, connecting_ns

#: Clients that come at once.
_BACKLOG = 1024


def main() -> None:
    """The process: it listens, tells its port, and relays until its parent's end closes."""
    pipes = Pipes()
    with contextlib.suppress(EOFError):
        _, (link, host, port) = pipes.take()
        threading.Thread(target=_end_with_parent, args=(pipes,), daemon=True).start()
        _allow_sockets()
        loop = Loop()
        asyncio.set_event_loop(loop)
        relay = _Relay(loop, link, host, port)
        try:
            answer: Any = loop.run_until_complete(_listen(loop, relay, host))
        except OSError as error:
            answer = ServerError(f"the network cannot listen on {host} ({error.strerror}): look what has all its ports")
        pipes.answer(answer)
        loop.run_forever()


def _end_with_parent(pipes: Pipes) -> None:
    with contextlib.suppress(EOFError):
        pipes.take()
    os._exit(0)


def _allow_sockets() -> None:
    """Two for each connection: as many descriptors as this process may have without asking anybody."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else soft, hard))


async def _listen(loop: Loop, relay: "_Relay", host: str) -> int:
    """Listen at every address that the name stands for; the port, which is the same at all of them."""
    port = 0
    found = await loop.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    for at in dict.fromkeys(str(info[4][0]) for info in found):
        try:
            listening = await loop.create_server(relay.accepted, at, port, backlog=_BACKLOG)
        except OSError:
            if not port:  # one address will do: who connects tries all
                raise
            continue
        port = listening.sockets[0].getsockname()[1]
    return port


class _Relay:
    """Where the connections of one network are made.

    Args:
        loop: of the process.
        link: what the connections lead over.
        host, port: of the server.
    """

    def __init__(self, loop: Loop, link: Link, host: str, port: int) -> None:
        self.loop, self.link = loop, link
        self._host, self._port = host, port
        self._number = 0
        self._connecting: set[asyncio.Task[None]] = set()

    def accepted(self) -> "_End":
        """Both ends of a connection that a client has begun."""
        self._number += 1
        # Of each connection and direction by itself: what one does changes nothing for another.
        up, down = (Random(f"{self.link.seed}/{self._number}/{way}") for way in ("up", "down"))
        opens_ns = now_ns() + connecting_ns(self.link, up)
        client, server = _End(self.loop, self.link, up, opens_ns), _End(self.loop, self.link, down)
        client.other, server.other = server, client
        connecting = self.loop.create_task(self._connect(client, server))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)
        return client

    async def _connect(self, client: "_End", server: "_End") -> None:
        try:
            await self.loop.create_connection(lambda: server, self._host, self._port)
        except OSError:
            client.break_off()
            return
        client.deliver()


class _End(asyncio.Protocol):
    """One end of a connection: what comes in here goes out at the other end, when it has arrived there.

    Args:
        loop: of the process.
        link: to the other end.
        random: of what is sent from here.
        opens_ns: before which nothing is sent.
    """

    other: "_End"

    def __init__(self, loop: Loop, link: Link, random: Random, opens_ns: int = 0) -> None:
        self._loop = loop
        self._line = DelayLine(link, random)
        self._opens_ns = opens_ns
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns: int | None = None
        self._is_choked = False  # the program at this end doesn't read what arrives for it
        self._has_said_end = False  # nothing more comes in at this end
        self._has_heard_end = False  # nothing more goes out at this end
        self._is_gone = False

    def connection_made(self, transport: Any) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._is_gone:  # the other end broke off before
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._send(data)
        if self._line.is_full and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._has_said_end = True
        self._send(b"")
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_gone:  # not our doing: whoever writes to it is to see that, once they can know
            self._is_gone = True
            self._send(b"")

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self.other.deliver()

    def _send(self, data: bytes) -> None:
        self._line.put(max(now_ns(), self._opens_ns), data)
        self._wait()

    def _wait(self) -> None:
        due_ns = self._line.due_ns
        if due_ns == self._timer_ns:
            return
        if self._timer is not None:  # what was lost is repaired sooner than by a timeout
            self._timer.cancel()
        self._timer = None if due_ns is None else self._loop.call_at(due_ns / NS_PER_S, self.deliver)
        self._timer_ns = due_ns

    def deliver(self) -> None:
        """Hand on what has arrived at the other end, unless nobody there takes it."""
        self._timer_ns = None
        there = self.other
        if there._is_choked or (there._transport is None and not there._is_gone):
            return  # until that end calls
        data, has_ended = self._line.take(now_ns())
        there._receive(data, has_ended)
        if self._transport is not None and not self._is_gone and not self._line.is_full:
            self._transport.resume_reading()
        self._wait()

    def _receive(self, data: bytes, has_ended: bool) -> None:
        if self._is_gone or self._transport is None:
            return
        if data:
            self._transport.write(data)
        if not has_ended:
            return
        self._has_heard_end = True
        if self.other._is_gone:
            self.break_off()
        elif self._has_said_end and self.other._has_heard_end:
            self._close()
            self.other._close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        """End it when all is handed on."""
        self._is_gone = True
        if self._transport is not None:
            self._transport.close()

    def break_off(self) -> None:
        """End it at once."""
        self._is_gone = True
        if self._transport is not None:
            self._transport.abort()
