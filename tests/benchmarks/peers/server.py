"""The server of all peers: it acknowledges at once, or when Lindley's recursion says so; on a thread, on loopback.

`labkit.experiments.known_queue` answers events and acknowledges at once; peers wait for acknowledgements, so here both
are held.
"""

import json
import time

import numpy as np
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from labkit.base.clock import NS_PER_S, now_ns
from labkit.client import packets
from labkit.experiments.known_queue import LoopServer, Queue

_OPEN = b'0{"sid":"%d","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


class _Listener(WSListener):
    def __init__(self, server: "EchoServer") -> None:
        self.server = server

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, _OPEN % id(self))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        text = frame.get_payload_as_bytes()
        if text.startswith(b"42"):
            self.server.arrived(transport, text)
        elif text.startswith(packets.CONNECT):
            transport.send(WSMsgType.TEXT, b'40{"sid":"%d"}' % id(self))


class EchoServer(LoopServer):
    """``with EchoServer() as server``: acknowledges every event with its own data, as a Socket.IO server would.

    Attributes:
        queue: None answers at once; else all connections' events pass through it, each without service time.
        count: how many events have been answered.
        first_ns: when the first event came; 0 before.
        arrival_ns: when each event without an acknowledgement came, by its number; kept where `events` was given.
    """

    def __init__(self, queue: Queue | None = None, events: int = 0) -> None:
        super().__init__()
        self.queue = queue
        self.count = 0
        self.first_ns = 0
        self.arrival_ns = np.zeros(events, np.int64)

    def cpu_s(self) -> float:
        """CPU seconds of this process: the server's, where the rest of it sleeps."""
        return time.process_time()

    def listener(self) -> WSListener:
        return _Listener(self)

    def arrived(self, transport: WSTransport, text: bytes) -> None:
        """Answer now, or when the queue releases it."""
        at_ns = now_ns()
        self.first_ns = self.first_ns or at_ns
        answer = self._answer(text, at_ns)
        due_ns = at_ns if self.queue is None else self.queue.release_ns(0, at_ns)
        if due_ns <= at_ns:
            self._release(transport, answer)
        else:
            self._loop.call_at(due_ns / NS_PER_S, self._release, transport, answer)

    def _answer(self, text: bytes, at_ns: int) -> bytes:
        bracket = text.index(b"[")
        if bracket > 2:  # it asks for an acknowledgement: the same data without the event's name
            return b"43" + text[2:bracket] + b"[" + text[text.index(b",") + 1 :]
        number = json.loads(text[2:])[1]["id"]
        if 0 <= number < len(self.arrival_ns):
            self.arrival_ns[number] = at_ns
        return b'42["response",{"id":%d,"result":%d}]' % (number, number)

    def _release(self, transport: WSTransport, answer: bytes) -> None:
        self.count += 1
        transport.send(WSMsgType.TEXT, answer)
