"""A server that releases every answer at a computed instant: where truth is known, a client can be tested.

It speaks the real protocol on a real websocket, but has no handler, no thread and no work: when an event arrives, the
instant of its answer is computed by Lindley's recursion from that arrival (D. V. Lindley, "The theory of queues with a
single server", 1952) and a timer sends it then. What its own dispatching costs is therefore no part of the truth.
"""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.event_loop import Loop
from labkit.client import packets

Int64 = NDArray[np.int64]

_OPEN = b'0{"sid":"truth","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


@dataclass
class Queue:
    """One server, first in first out, with a service time an event and an optional stall.

    Attributes:
        service_ns: of each event, by its number.
        stall_ns: (start, end) since the first arrival, in which nothing is released; both 0 for none.
    """

    service_ns: Int64
    stall_ns: tuple[int, int] = (0, 0)
    first_ns: int = field(default=0, init=False)
    free_ns: int = field(default=0, init=False)

    def release_ns(self, event: int, arrival_ns: int) -> int:
        """Lindley's recursion: it starts when it has arrived and the one before is done, and ends a service later."""
        self.first_ns = self.first_ns or arrival_ns
        begin = max(arrival_ns, self.free_ns)
        start, end = (self.first_ns + offset for offset in self.stall_ns)
        if start <= begin < end:
            begin = end
        self.free_ns = begin + int(self.service_ns[event])
        return self.free_ns


class LoopServer:
    """A websocket server on a thread with an event loop of its own, on loopback, on a port that is free.

    Attributes:
        url: where clients connect, within the ``with`` block.
    """

    def __init__(self) -> None:
        self.url = ""
        self._loop = Loop()
        self._thread = threading.Thread(target=self._run, name="labkit-loop-server", daemon=True)
        self._ready = threading.Event()
        self._failed: BaseException | None = None

    def listener(self) -> WSListener:
        """What answers one connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        try:
            server = self._loop.run_until_complete(ws_create_server(lambda request: self.listener(), "127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits for it)
            self._failed = error
            self._ready.set()
            self._loop.close()
            return
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class _Listener(WSListener):
    def __init__(self, server: "TruthServer") -> None:
        self.server = server

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, _OPEN)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        at_ns = now_ns()
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
            return
        text = frame.get_payload_as_bytes()
        if text.startswith(packets.CONNECT):
            transport.send(WSMsgType.TEXT, b'40{"sid":"truth"}')
        elif text.startswith(b"42"):
            start = text.index(b"[")
            if number := text[2:start]:  # asks for an acknowledgement; a ping of the bystander's for nothing else
                transport.send(WSMsgType.TEXT, b"43" + number + b"[]")
            _, *data = json.loads(text[start:])
            if data:
                self.server._arrived(transport, data[0]["id"], at_ns)


class TruthServer(LoopServer):
    """``with TruthServer(queue, events) as server``: fire at ``server.url``, then read the arrays.

    Attributes:
        arrival_ns, due_ns, released_ns: one an event, on the common clock; 0 where it did not arrive.
    """

    def __init__(self, queue: Queue, events: int) -> None:
        super().__init__()
        self.queue = queue
        self.arrival_ns = np.zeros(events, np.int64)
        self.due_ns = np.zeros(events, np.int64)
        self.released_ns = np.zeros(events, np.int64)

    def listener(self) -> WSListener:
        return _Listener(self)

    def _arrived(self, transport: WSTransport, event: int, at_ns: int) -> None:
        if not 0 <= event < len(self.arrival_ns):
            transport.send(WSMsgType.TEXT, _answer(event, at_ns))  # of a warm-up
            return
        self.arrival_ns[event] = at_ns
        due_ns = self.queue.release_ns(event, at_ns)
        self.due_ns[event] = due_ns
        # Encoded now: at a stall's end a hundred are due at once, and the last must not wait for the others' encoding.
        frame = _answer(event, due_ns)
        self._loop.call_at(due_ns / NS_PER_S, self._release, transport, event, frame)

    def _release(self, transport: WSTransport, event: int, frame: bytes) -> None:
        self.released_ns[event] = now_ns()
        transport.send(WSMsgType.TEXT, frame)


def _answer(event: int, at_ns: int) -> bytes:
    answer: dict[str, Any] = {"id": event, "result": event, "start_ns": at_ns, "end_ns": at_ns, "cpu_ns": 0}
    return b"42" + json.dumps(["response", answer]).encode()
