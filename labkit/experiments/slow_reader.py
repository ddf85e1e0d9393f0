"""A client that does not read: what piles up for it in the server, and what it gets when it reads again.

Emitting never blocks, and nothing bounds what it leaves behind. ``queue.qsize()`` shows only a part of it: engine.io's
writer empties the queue into a list of its own and then hangs in the socket's send (``poll`` in engineio/socket.py).
What is put meanwhile waits in the queue; what is in that list does not. So messages are counted where they are put and
where the socket has taken them.
"""

import contextlib
import ctypes
import functools
import gc
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from engineio.packet import CLOSE
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, now_ns
from labkit.base.errors import UsageError
from labkit.base.renamed import refusing_old_names
from labkit.experiments.measure import AnyStrategy, measure
from labkit.experiments.settings import Settings
from labkit.plan.calibration import Expected
from labkit.plan.schedules import constant
from labkit.plan.work import Work, call
from labkit.runs.run import Run
from labkit.strategies import Register
from labkit.strategies import strategy as strategy_of

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

#: From the last message until the client reads again: time in which nothing but the pile is there.
REST_S = 0.5


@dataclass(frozen=True, eq=False)
class Backlog:
    """What one client that did not read left in the server.

    Attributes:
        run: what was measured; ``own_ms`` shows how stale the answers were when they were read.
        at_ms: instants at which the pile changed, from the start of the run.
        waiting: messages that were put for the client and that its socket had not taken.
        queued: what ``queue.qsize()`` said at those instants.
        reads_from_ms: when the client began to read.
        waiting_bytes: of the messages that waited: counted, and so no matter of what an allocator keeps.
        size_bytes: of a message, as it was asked for.
    """

    run: Run
    at_ms: Float64
    waiting: Int64
    queued: Int64
    reads_from_ms: float
    waiting_bytes: Int64
    size_bytes: int

    @property
    def piled_mb(self) -> float:
        """The most that waited at one time, in MB."""
        return float(self.waiting_bytes.max(initial=0)) / 1e6

    @property
    def waiting_peak(self) -> int:
        """The most messages that waited at one time."""
        return int(self.waiting.max(initial=0))

    @property
    def memory_mb(self) -> float:
        """What the server's process had grown by before the client read, in MB; NaN where nobody looked.

        A lower limit: a pile that fits into what the process had freed and kept does not show in its resident set.
        """
        return _memory_mb(self.run, self.reads_from_ms)

    def __repr__(self) -> str:
        read = self.run.outcomes["answered"]
        return (
            f"{self.run.strategy}: of {len(self.run):,} messages to a client that did not read, {self.waiting_peak:,} "
            f"waited at one time, {self.piled_mb:.0f} MB; it read {read:,} of them in the end"
        )


@refusing_old_names
def slow_reader(
    strategy: AnyStrategy,
    work: Work | None = None,
    *,
    messages: int = 2000,
    size_bytes: int = 10_000,
    rate_hz: float = 1000.0,
    **settings: Unpack[Settings],
) -> Backlog:
    """Let a client ask for `messages` answers without reading one, and then read again.

    Args:
        strategy: as for :func:`labkit.measure`.
        work: what gives the answers; by default nothing but `size_bytes` of text, at once.
        messages: how many.
        size_bytes: of an answer, where no work is given.
        rate_hz: how fast the client asks.
        settings: further arguments of :func:`labkit.measure`.

    Raises:
        UsageError, LabError: as :func:`labkit.measure`.
    """
    if settings.get("mode", "threading") != "threading":
        raise UsageError("what waits can only be counted in this process: leave mode='threading'")
    if size_bytes < 1:
        raise UsageError(f"size_bytes must be 1 or more, not {size_bytes}")
    plan = constant(rate_hz, events=messages, connections=1)
    reads_from_s = settings.setdefault("reads_from_s", plan.span_s + REST_S)
    settings.setdefault("timeout_s", reads_from_s + 2)
    if work is None:
        work = call(_Text(size_bytes), payloads=[0])
        # Not asked of the work: as many long answers would lie in both processes before the first is sent.
        at_once = (0.01,) * messages
        settings.setdefault("expected", Expected((0,) * messages, (None,) * messages, False, at_once, at_once))
    chosen = strategy_of(strategy)
    counter = _Counter()
    _give_back_memory()
    run = measure(replace(chosen, register=counter.around(chosen.register)), work, plan, **settings)
    at_ns, waiting, waiting_bytes, queued = counter.columns()
    at_ms = (at_ns - run.conditions.start_ns) / NS_PER_MS
    return Backlog(run, at_ms, waiting, queued, reads_from_s * 1000, waiting_bytes, size_bytes)


def _give_back_memory() -> None:
    """What was freed before goes back to the system: the pile would grow into it, and the process would not show it.

    glibc's ``malloc_trim``, where there is one.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _memory_mb(run: Run, until_ms: float) -> float:
    resident = run.samples["resident_bytes"][run.samples["at"] <= until_ms * NS_PER_MS]
    return float(resident.max() - resident[0]) / 1e6 if len(resident) else math.nan


class _Counter:
    """Counts, for every connection of one server, what is put into its queue and what its socket has taken."""

    def __init__(self) -> None:
        #: Of each connection: instant, messages and bytes more or less, qsize.
        self.changes: list[list[tuple[int, int, int, int]]] = []

    def around(self, register: Register) -> Register:
        """The same `register`, which begins by counting."""

        @functools.wraps(register)  # so that its parameters are still told
        def counting(socketio: Any, complex_calculation: Any, **parameters: Any) -> Any:
            eio = socketio.server.eio
            websocket = eio._async["websocket"]
            # The driver's table may be shared by all servers of the process: this one gets a copy.
            eio._async = {**eio._async, "websocket": lambda handler, server: websocket(self.count(handler), server)}
            return register(socketio, complex_calculation, **parameters)

        return counting

    def count(self, handler: Any) -> Callable[[Any], Any]:
        """`handler` is engine.io's for one websocket, a method of the socket that has the queue."""
        queue = handler.__self__.queue
        changes: list[tuple[int, int, int, int]] = []
        sizes: deque[int] = deque()
        self.changes.append(changes)

        def handle(websocket: Any) -> Any:
            put, send = queue.put, websocket.send
            sizes.extend([0] * queue.qsize())  # the handshake's
            changes.append((now_ns(), len(sizes), 0, len(sizes)))

            def counting_put(packet: Any, *args: Any, **kwargs: Any) -> None:
                # None only ends the writer; a farewell comes last, and there may be nobody to take it any more.
                if packet is not None and packet.packet_type != CLOSE:
                    sizes.append(len(packet.data or ""))
                    changes.append((now_ns(), 1, sizes[-1], queue.qsize()))
                put(packet, *args, **kwargs)

            def counting_send(message: Any) -> None:
                send(message)
                if sizes:  # else it is the farewell
                    changes.append((now_ns(), -1, -sizes.popleft(), queue.qsize()))

            queue.put, websocket.send = counting_put, counting_send
            return handler(websocket)

        handle.__self__ = handler.__self__  # type: ignore[attr-defined]  # whose it is, for who wraps it further
        return handle

    def columns(self) -> tuple[Int64, Int64, Int64, Int64]:
        """Instants, messages and bytes that waited, and what the queue said, of the connection that had most to do."""
        longest = max(self.changes, key=len) if self.changes else []
        at_ns, messages, size, queued = np.array(sorted(longest), np.int64).reshape(-1, 4).T
        return at_ns, np.cumsum(messages), np.cumsum(size), queued


@dataclass(frozen=True)
class _Text:
    size_bytes: int

    def __call__(self, payload: Any) -> str:
        return "x" * self.size_bytes
