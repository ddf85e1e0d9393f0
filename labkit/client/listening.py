"""What a client does with what it hears, over whatever transport: greets, keeps, owes acknowledgements, joins bytes."""

import asyncio
from abc import ABC, abstractmethod

from labkit.base.errors import ConnectFailed, Refused
from labkit.client import packets
from labkit.plan.exchange import ROOT

#: What python-socketio and Node's socket.io say of a namespace that nobody has registered.
UNKNOWN_NAMESPACE = ("Unable to connect", "Invalid namespace")


#: What to say of a server that lets everybody in as Socket.IO 2 did: it would drop a client of today after a while.
OLD_VERSION = "the server speaks Socket.IO 2, and clients of today Socket.IO 3 to 5: fire at one of these"


class Listening(ABC):
    """One client of a namespace.

    Args:
        namespace: which.
        auth: what its CONNECT carries, as JSON; empty for nothing.

    Attributes:
        frames: what came, with its instant, as it came; :meth:`heard` takes it away.
        closed_ns: when the connection closed; 0 while it is open.
        closing: with what it was closed; empty where nobody said.
        beats_ns: when the handshake came, and every PING since.
        told_ns: the server's ping interval and timeout.
        greeted: the namespace has let it in.
        ready: done as soon as it is greeted; failed where it is refused.
        began_ns, opened_ns, upgraded_ns, greeted_ns, set_up_ns: when it began to connect, when its first transport was
            there (a websocket, or the first body polled), when a websocket had taken the place of polling, when the
            namespace let it in, and when it had done what it does before the load; 0 where that did not happen.
    """

    def __init__(self, namespace: str = ROOT, auth: bytes = b"") -> None:
        self.namespace = namespace
        self.auth = auth
        self.began_ns = self.opened_ns = self.upgraded_ns = self.greeted_ns = self.set_up_ns = 0
        self.place = packets.where(namespace)
        self.usual: tuple[bytes, ...] = packets.usual(self.place)
        self.frames: list[tuple[int, bytes]] = []
        self.closed_ns = 0
        self.closing = ""
        self.beats_ns: list[int] = []
        self.told_ns = (0, 0)
        self.greeted = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._headless = b""  # a text frame whose binary frames have not all come
        self._attachments: list[bytes] = []

    @property
    def arrival(self) -> tuple[int, int, int, int, int]:
        """Its instants of coming, in their order."""
        return self.began_ns, self.opened_ns, self.upgraded_ns, self.greeted_ns, self.set_up_ns

    @abstractmethod
    def say(self, text: bytes) -> None:
        """Send a text frame, as an answer to one that came."""

    @abstractmethod
    def send(self, frame: bytes) -> bool:
        """Send a frame, with the bytes that belong to it; whether the connection was open."""

    def ping(self, frame: bytes) -> bool:
        """Send a ping of the transport itself, which its server's stack answers; whether the connection was open.

        The answer is put into `frames` as the acknowledgement that `frame` asks for.
        """
        raise NotImplementedError

    @abstractmethod
    def leave(self) -> None:
        """Close the connection, since the server said goodbye."""

    @abstractmethod
    def hang_up(self) -> None:
        """Say goodbye and close, where it is open."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Leave what comes in the socket, as a client that cannot keep up."""

    @abstractmethod
    def read_on(self) -> None:
        """Read again, first what has piled up."""

    def heard(self) -> list[tuple[int, bytes]]:
        """What came since this was last asked for, as it would be on the root."""
        frames, self.frames = self.frames, []
        return frames if not self.place else [(at_ns, packets.plain(frame, self.place)) for at_ns, frame in frames]

    def heed(self, at_ns: int, text: bytes) -> None:
        """A text frame came."""
        if text == packets.HEARTBEAT:
            self.beats_ns.append(at_ns)
            self.say(packets.HEARTBEAT_ANSWER)
        elif self.greeted and text.startswith(packets.GOODBYE):
            self.closing = self.closing or "Socket.IO's disconnect"
            self.leave()  # as a Socket.IO client does when the server disconnects it
        elif self.greeted:
            self._keep(at_ns, text)
        elif self.ready.done():
            pass  # the server has refused: whatever else it says
        elif text.startswith(b"0"):
            self.told_ns = packets.heartbeat_told_ns(text)
            self.beats_ns.append(at_ns)
            self.say(packets.CONNECT + self.place + self.auth)
        elif text == packets.CONNECT:  # uninvited, and without a session's id
            self.ready.set_exception(ConnectFailed(OLD_VERSION))
        elif text.startswith(packets.CONNECT):
            self.greeted, self.greeted_ns = True, at_ns
            self.ready.set_result(None)
        else:
            self.ready.set_exception(Refused(self._refused(text)))

    def attach(self, at_ns: int, content: bytes) -> None:
        """A binary frame came: a part of the packet whose text came before."""
        if not self._headless:
            return  # of a packet that another one has cut, which is told there
        self._attachments.append(content)
        if len(self._attachments) == packets.attachments_of(self._headless):
            frame = packets.WithBytes.of(self._headless, self._attachments)
            self._await_no_bytes()
            self._put(at_ns, frame)

    def _keep(self, at_ns: int, text: bytes) -> None:
        if self._headless:  # a browser's parser fails here, and closes the connection
            self.frames.append((at_ns, self._headless))
            self._await_no_bytes()
        if packets.attachments_of(text):
            # No frame is usual until they are here: bytes can begin as they like.
            self._headless, self._attachments, self.usual = text, [], ()
        else:
            self._put(at_ns, text)

    def _await_no_bytes(self) -> None:
        self._headless, self._attachments, self.usual = b"", [], packets.usual(self.place)

    def _put(self, at_ns: int, frame: bytes) -> None:
        self.frames.append((at_ns, frame))
        if (owed := packets.acknowledgement(frame, self.place)) is not None:
            self.say(owed)

    def _refused(self, text: bytes) -> str:
        if not text.startswith(b"44"):
            return f"the server refused the connection: {text[:80]!r}"
        said = packets.refusal(text, self.place)
        if said not in UNKNOWN_NAMESPACE and self.namespace == ROOT:
            return f"the server refused the connection: it says {said!r}"
        if said not in UNKNOWN_NAMESPACE:
            return (
                f"the server let nobody into the namespace {self.namespace} (it says {said!r}): give the auth that it "
                "wants, or name another namespace"
            )
        return (
            f"the server let nobody into the namespace {self.namespace} (it says {said!r}): register the handler "
            "there, or name another namespace"
        )

    def fail(self, why: str) -> None:
        """The connection ended before it was greeted."""
        if not self.ready.done():
            self.ready.set_exception(ConnectFailed(why))
