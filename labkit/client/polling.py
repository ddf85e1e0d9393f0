"""One client that polls: Engine.IO over plain HTTP, for pages whose network lets no websocket through.

What came waits at the server until a GET asks for it, and one GET takes all that waits. What goes waits here until the
POST before it is done, and one POST takes all that waits, up to the size that the server has named. So does
engine.io-client (https://github.com/socketio/engine.io-protocol, "Message encoding"), which is why a burst can be more
packets than a server takes in one body.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import engineio.packet

from labkit.base.clock import now_ns
from labkit.base.errors import ConnectFailed, MissingExtra
from labkit.client import packets
from labkit.client.listening import Listening
from labkit.plan.exchange import POLLING, ROOT
from labkit.plan.handshake import PLAIN, Handshake
from labkit.plan.visit import AT_ONCE, Visit

if TYPE_CHECKING:
    import aiohttp

#: Between two packets of a body.
SEPARATOR = b"\x1e"

#: How a body begins where it is bytes, and Engine.IO's packets that are no messages.
_BYTES, _CLOSE, _NOTHING = b"b", b"1", b"6"

#: The size of a body where the server names none, as engine.io's own.
BODY_BYTES = 1_000_000

#: A goodbye that takes longer is not waited for; nor is a server that leaves a last GET unanswered, as the async one.
GOODBYE_S, LAST_GET_S = 1.0, 0.25

#: A connection that is kept alive may have been closed by the server in just this moment: then, once more.
TRIES = 2


class Polling(Listening):
    """One client on two HTTP connections: one that waits for what comes, one that sends.

    Args:
        url: of the server.
        namespace: which.
        handshake: what it says when it connects.
        number: of this client.
    """

    def __init__(self, url: str, namespace: str, handshake: Handshake = PLAIN, number: int = 0) -> None:
        import aiohttp

        super().__init__(namespace, handshake.auth_of(number))
        self._errors = (aiohttp.ClientError, OSError, TimeoutError)
        self._address = handshake.address(url, POLLING, number)
        tls = handshake.context() if url.startswith("https") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers=handshake.headers_of(number),
        )
        self._waiting: list[bytes] = []
        self._wake = asyncio.Event()
        self._most_bytes = BODY_BYTES
        self._is_leaving = False
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Ask for a session, and go on with whatever comes."""
        self.began_ns = now_ns()
        try:
            body = await self._get()
        except self._errors as error:
            self._lost(f"cannot poll ({type(error).__name__}: {error})")
            return
        if not self._is_handshake(body):
            self._lost(f"no Socket.IO server answered: {body[:80]!r}")
            return
        self.opened_ns = now_ns()
        self._tasks = [asyncio.ensure_future(self._post_all()), asyncio.ensure_future(self._get_all())]
        self._take(body)

    async def first(self) -> bytes:
        """What the first poll is answered, and nothing more."""
        try:
            body = await self._get()
        except self._errors as error:
            raise ConnectFailed(f"cannot poll ({type(error).__name__}: {error})") from None
        if not self._is_handshake(body):
            raise ConnectFailed(f"no Socket.IO server answered: {body[:80]!r}")
        return body

    def _is_handshake(self, body: bytes) -> bool:
        """Whether it is one; the session and the size of a body are taken from it."""
        try:
            told = engineio.packet.Packet(encoded_packet=body.split(SEPARATOR)[0].decode()).data
            self._address += f"&sid={told['sid']}"
            self._most_bytes = int(told.get("maxPayload", BODY_BYTES))
        except (ValueError, TypeError, LookupError, RecursionError):
            return False
        return True

    async def _get(self) -> bytes:
        async with self._session.get(self._address, allow_redirects=False) as response:
            return await self._body(response)

    async def _body(self, response: "aiohttp.ClientResponse") -> bytes:
        body = await response.read()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status}: {body[:80].decode(errors='replace')}")
        return body

    async def _get_all(self) -> None:
        try:
            while not self.closed_ns and not self._is_leaving:
                self._take(await self._get())
        except self._errors as error:
            self._lost(f"while it polled, {error}")

    def _take(self, body: bytes) -> None:
        """Everything that waited came at the same time: with the last byte of the body."""
        at_ns = now_ns()
        for record in body.split(SEPARATOR):
            if record.startswith(_BYTES):
                self.attach(at_ns, base64.b64decode(record[1:]))
            elif record.startswith(_CLOSE):
                self._lost("Engine.IO's close")
            elif self.greeted and record.startswith(self.usual):
                self.frames.append((at_ns, record))
            elif not record.startswith(_NOTHING):
                self.heed(at_ns, record)

    async def _post_all(self) -> None:
        try:
            while not self.closed_ns:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._post(self._next_body())
                if self._is_leaving:
                    return
        except self._errors as error:
            self._lost(f"while it posted, {error}")

    def _next_body(self) -> bytes:
        """As many packets as fit into a body, and one at least."""
        size = len(self._waiting[0])
        count = 1
        for packet in self._waiting[1:]:
            size += 1 + len(packet)
            if size > self._most_bytes:
                break
            count += 1
        body, self._waiting = self._waiting[:count], self._waiting[count:]
        return SEPARATOR.join(body)

    async def _post(self, body: bytes) -> None:
        import aiohttp

        for left in reversed(range(TRIES)):
            try:
                headers = {"Content-Type": "text/plain;charset=UTF-8"}
                posting = self._session.post(self._address, data=body, headers=headers, allow_redirects=False)
                async with posting as response:
                    await self._body(response)
                return
            except aiohttp.ServerDisconnectedError:
                if not left:
                    raise

    def _lost(self, why: str) -> None:
        self.closing = self.closing or why
        self.closed_ns = self.closed_ns or now_ns()
        self._wake.set()
        self.fail(f"{self._address.partition('/?')[0]}: {why}")

    def say(self, text: bytes) -> None:
        self._waiting.append(text)
        self._wake.set()

    def send(self, frame: bytes) -> bool:
        if self.closed_ns:
            return False
        self._waiting.append(frame)
        if type(frame) is not bytes:
            attachments = cast(packets.WithBytes, frame).attachments
            self._waiting += [_BYTES + base64.b64encode(attachment) for attachment in attachments]
        self._wake.set()
        return True

    def leave(self) -> None:
        self._lost("Socket.IO's disconnect")

    def hang_up(self) -> None:
        self._is_leaving = True
        if not self.closed_ns:
            self.send(packets.GOODBYE + self.place)
            self.send(_CLOSE)
        self._wake.set()

    async def finish(self) -> None:
        """Say what is left to say, and close both connections."""
        if self._tasks:
            posting, getting = self._tasks
            await asyncio.wait([posting], timeout=GOODBYE_S)
            await asyncio.wait([getting], timeout=0 if self.closed_ns else LAST_GET_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.closed_ns = self.closed_ns or now_ns()
        await self._session.close()

    def stop_reading(self) -> None:
        """Not while it polls: what it does not ask for does not come. :mod:`labkit.experiments.settings` refuses it."""

    def read_on(self) -> None:
        """The same."""


def require() -> None:
    """Raise `MissingExtra` where the package is absent that speaks HTTP."""
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise MissingExtra("transport='polling' needs aiohttp: pip install 'labkit[modes]'") from None


async def connect_all(url: str, namespaces: Sequence[str], timeout_s: float, visit: Visit = AT_ONCE) -> list[Polling]:
    """Clients that poll, all greeted by the server.

    Args:
        url: of the server.
        namespaces: that of each.
        timeout_s: within which all have to be greeted; where they come one by one, counted from the last.
        visit: with what they introduce themselves, and whether all come at once.

    Raises:
        ConnectFailed: nothing answers there, it is no Socket.IO server, or it refuses.
        MissingExtra: aiohttp is absent.
    """
    require()
    clients = [Polling(url, namespace, visit.handshake, visit.number_of(n)) for n, namespace in enumerate(namespaces)]
    gap_s = visit.ramp_s / max(1, len(clients))
    openings = [asyncio.ensure_future(_open(client, number * gap_s)) for number, client in enumerate(clients)]
    try:
        async with asyncio.timeout(timeout_s + visit.ramp_s):
            await asyncio.gather(*openings)
            await asyncio.gather(*(client.ready for client in clients))
    except BaseException as error:
        for opening in openings:
            opening.cancel()
        await asyncio.gather(*openings, *(c.ready for c in clients if c.ready.done()), return_exceptions=True)
        await finish_all(clients)
        if isinstance(error, TimeoutError):
            raise ConnectFailed(
                f"no Socket.IO server let everybody in who polls {url} within {timeout_s:g} s"
            ) from None
        raise
    return clients


async def first_poll(url: str, handshake: Handshake, number: int) -> tuple[int, bytes]:
    """A session that begins with polling and goes on otherwise: when its first answer came, and that.

    Raises:
        ConnectFailed: nothing answers there, or something else than a Socket.IO server.
        MissingExtra: aiohttp is absent.
    """
    require()
    client = Polling(url, ROOT, handshake, number)
    try:
        body = await client.first()
        return now_ns(), body.split(SEPARATOR)[0]
    finally:
        await client.finish()


async def _open(client: Polling, wait_s: float) -> None:
    """Open one, after a while."""
    if wait_s:
        await asyncio.sleep(wait_s)
    await client.open()


async def finish_all(clients: Sequence[Listening]) -> None:
    """Say goodbye and close, all of them at the same time."""
    polling = [client for client in clients if isinstance(client, Polling)]
    for client in polling:
        client.hang_up()
    await asyncio.gather(*(client.finish() for client in polling))
