"""The child's end of an :class:`~labkit.client.audience.Audience`: python-socketio's clients on one event loop."""

import asyncio
import contextlib
import os
import queue
import threading
from typing import Any

import aiohttp
import socketio

from labkit.base.clock import NS_PER_MS, NS_PER_S, now_ns
from labkit.base.errors import ClientError, ConnectFailed, LabError
from labkit.base.processes import Pipes
from labkit.base.text import one_line, told
from labkit.client.audience import Manners, Sending
from labkit.runs.deliveries import NEVER, STILL

#: As the proxy names a client's server; :data:`labkit.scale.proxy.HEADER`.
HEADER = "X-Served-By"

#: How long one client may take to connect, in seconds.
_CONNECT_S = 10

#: From so long before a message is due, in ns, it is waited for by looking: a timer of the loop may come late.
_LOOK_NS = 1_500_000

_Orders = queue.SimpleQueue[tuple[str, tuple[Any, ...]]]


def main() -> None:
    """The process."""
    pipes, loop, orders = Pipes(), asyncio.new_event_loop(), _Orders()
    threading.Thread(target=_obey, args=(pipes, loop, orders), daemon=True).start()
    threading.Thread(target=_take_orders, args=(pipes, orders), daemon=True).start()
    loop.run_forever()


def _take_orders(pipes: Pipes, orders: _Orders) -> None:
    """Also while one is carried out: the parent's end is seen at once."""
    with contextlib.suppress(EOFError):
        while True:
            orders.put(pipes.take())
    os._exit(0)


def _obey(pipes: Pipes, loop: asyncio.AbstractEventLoop, orders: _Orders) -> None:
    room = _Room()
    while True:
        name, args = orders.get()
        try:
            answer = asyncio.run_coroutine_threadsafe(getattr(room, name)(*args), loop).result()
        except LabError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 (told to the parent)
            answer = ClientError(f"a client failed ({one_line(told(error))}): see the server's log")
        pipes.answer(answer)


class _Client:
    """One client and its stays: a list of [since, until, server's name]."""

    def __init__(self, number: int, manners: Manners, receipts: list[tuple[int, int, int]] | None) -> None:
        self.number, self._manners = number, manners
        self.server = ""
        self.stays: list[list[Any]] = []
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._see)
        # A browser keeps the proxy's cookie; of an address in digits aiohttp does so only when it is told to.
        jar = aiohttp.CookieJar(unsafe=True)
        self.session = aiohttp.ClientSession(cookie_jar=jar, trace_configs=[trace])
        self.sio = socketio.AsyncClient(
            reconnection_delay=manners.reconnect_s,
            http_session=self.session,
            websocket_extra_options={"max_msg_size": 0},
            handle_sigint=False,
        )
        self.sio.on("connect", self._came)
        self.sio.on("disconnect", self._went)
        if receipts is not None:
            match = manners.match

            def hear(data: Any = None, *_: Any) -> None:
                at = now_ns()
                if isinstance(data, dict) and isinstance(data.get(match), int):
                    receipts.append((data[match], number, at))

            self.sio.on(manners.answer, hear)

    @property
    def is_here(self) -> bool:
        """Whether it is connected, as it knows."""
        return bool(self.stays) and self.stays[-1][1] == STILL

    async def connect(self, url: str) -> None:
        await self.sio.connect(url, transports=[self._manners.transport], wait_timeout=_CONNECT_S)

    async def leave(self) -> None:
        """For good."""
        await self.sio.shutdown()
        await self.session.close()

    async def _see(self, _session: Any, _context: Any, params: aiohttp.TraceRequestEndParams) -> None:
        self.server = params.response.headers.get(HEADER, self.server)

    async def _came(self) -> None:
        if self._manners.join is not None:
            await self.sio.emit(*self._manners.join)
        self.stays.append([now_ns(), STILL, self.server])

    async def _went(self, *_: Any) -> None:
        if self.is_here:
            self.stays[-1][1] = now_ns()


class _Room:
    def __init__(self) -> None:
        self.manners = Manners()
        self.receivers: list[_Client] = []
        self.senders: list[_Client] = []
        self.receipts: list[tuple[int, int, int]] = []
        self.next_id = 0

    async def connect(self, url: str, receivers: int, senders: int, manners: Manners) -> list[str]:
        await self._leave()
        self.manners = manners
        self.receivers = [_Client(number, manners, self.receipts) for number in range(receivers)]
        self.senders = [_Client(number, manners, None) for number in range(senders)]
        everybody = [*self.receivers, *self.senders]
        for each in everybody:
            try:
                await each.connect(url)
            except socketio.exceptions.ConnectionError as error:
                reason = one_line(str(error)) or "no reason given"
                raise ConnectFailed(f"a client cannot connect to {url} ({reason}): see the server's log") from None
            while not each.stays:  # its handler runs as a task of its own
                await asyncio.sleep(0.001)
        return [each.server for each in everybody]

    async def _leave(self) -> None:
        """Whoever was there before goes."""
        for each in [*self.receivers, *self.senders]:
            await each.leave()

    async def fire(
        self, sendings: tuple[Sending, ...], rest_s: float, timeout_s: float, back_s: float
    ) -> dict[str, Any]:
        self.receipts.clear()
        for each in self.receivers:
            del each.stays[:-1]  # where it is now, and no longer where it has been
        first, start, expected = self.next_id, now_ns() + 20 * NS_PER_MS, 0
        columns: dict[str, list[Any]] = {"due": [], "sent": [], "sender": [], "at": []}
        for sending in sendings:
            due = start + round(sending.due_ms * NS_PER_MS)
            await self._until(due)
            sender = self.senders[sending.sender]
            ids = range(self.next_id, self.next_id + sending.count)
            self.next_id += sending.count
            sent, at = await self._emit(sender, sending, list(ids))
            expected += 0 if sent == NEVER else sending.count * sum(each.is_here for each in self.receivers)
            for name, value in {"due": due, "sent": sent, "sender": sending.sender, "at": at}.items():
                columns[name] += [value] * sending.count
        await self._listen(expected, rest_s, timeout_s, back_s)
        return self._columns(first, columns)

    async def _until(self, due: int) -> None:
        if (ahead := due - now_ns() - _LOOK_NS) > 0:
            await asyncio.sleep(ahead / NS_PER_S)
        while now_ns() < due:
            await asyncio.sleep(0)

    async def _emit(self, sender: _Client, sending: Sending, ids: list[int]) -> tuple[int, str]:
        key = self.manners.match if sending.count == 1 else f"{self.manners.match}s"
        data = {key: ids[0] if sending.count == 1 else ids, **dict(sending.extra)}
        sent = now_ns()
        try:
            await sender.sio.emit(sending.event or self.manners.event, data)
        except socketio.exceptions.SocketIOError:
            return NEVER, ""
        return sent, sender.server

    async def _listen(self, expected: int, rest_s: float, timeout_s: float, back_s: float) -> None:
        """Until everybody is back and has everything, but not for ever."""
        end = now_ns()
        while now_ns() < end + back_s * NS_PER_S and not all(each.is_here for each in self.receivers):
            await asyncio.sleep(0.02)
        end = now_ns()
        while now_ns() < end + timeout_s * NS_PER_S:
            await asyncio.sleep(0.02)
            if len(self.receipts) >= expected and now_ns() > end + rest_s * NS_PER_S:
                return

    def _columns(self, first: int, columns: dict[str, list[Any]]) -> dict[str, Any]:
        seen = {stay[2] for each in self.receivers for stay in each.stays} | {*columns["at"]}
        names = sorted(seen - {""})
        number = {name: index for index, name in enumerate(names)}
        heard = [(message - first, who, at) for message, who, at in self.receipts if message >= first]
        stays = [(each.number, since, until, where) for each in self.receivers for since, until, where in each.stays]
        return {
            "names": names,
            "receivers": len(self.receivers),
            "due": columns["due"],
            "sent": columns["sent"],
            "sender": columns["sender"],
            "sender_at": [number.get(name, NEVER) for name in columns["at"]],
            "message": [each[0] for each in heard],
            "receiver": [each[1] for each in heard],
            "at": [each[2] for each in heard],
            "who": [each[0] for each in stays],
            "since": [each[1] for each in stays],
            "until": [each[2] for each in stays],
            "where": [number.get(each[3], NEVER) for each in stays],
        }
