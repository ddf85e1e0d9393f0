"""Several calls of the work at the same time: how many of them got on, on threads, greenlets and in processes.

One shot tells the width: of calls that begin together, those that work at once end after the time of one, the others
after that of two, three and so on. What a call spent in the queue for a core is taken off, where the system says it, so
that a busy machine is not taken for a lock.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from statistics import mean
from typing import Any

from labkit.base import clock
from labkit.base.cpu import CpuAccount
from labkit.base.errors import WorkloadError

#: What a strategy is given: from ``{"id": ..., "payload": ...}`` to an answer with the work's own stamps.
Function = Callable[[dict[str, Any]], dict[str, Any]]

THREADS, GREENLETS, PROCESSES = "threads", "greenlets", "processes"

#: A call that ends within so many times what it takes alone, and so much more, did not wait for another.
ONE, ONE_MS = 1.5, 0.5

#: Work that is quicker than this cannot be seen to wait: threads begin as far apart.
QUICKEST_MS = 2.0

#: Processes begin so long after they were told, all at one instant.
LEAD_S = 0.05

#: They began at one instant, if not further apart than this share of a call.
TOGETHER = 0.3


@dataclass(frozen=True)
class AtOnce:
    """Calls that began together.

    Attributes:
        where: :data:`THREADS`, :data:`GREENLETS` or :data:`PROCESSES`.
        calls: how many.
        width: how many of them got on at the same time, queues for a core left aside; 1 where each waited for the last.
        gain: the time that they would have taken one after the other over the time that they took, as it was.
        failed: what went wrong, where a call raised; empty if none did.
    """

    where: str
    calls: int
    width: int
    gain: float
    failed: str = ""

    @property
    def all_at_once(self) -> bool:
        """Whether no call waited for another."""
        return self.width >= self.calls and not self.failed


@dataclass(frozen=True)
class Span:
    """One call of several: its answer with the work's stamps, and how long it had no core."""

    answer: dict[str, Any]
    queued_ns: int

    @property
    def start_ns(self) -> int:
        """When it began."""
        return int(self.answer["start_ns"])

    @property
    def end_ns(self) -> int:
        """When it ended."""
        return int(self.answer["end_ns"])


def judged(where: str, spans: Sequence[Span], alone_ms: Sequence[float], *, apart: bool = False) -> AtOnce:
    """What the calls of one shot show.

    Args:
        where: they were made.
        spans: of each call.
        alone_ms: what each takes alone.
        apart: each counts from its own start, and not from the first of all: in processes, which begin at one instant
            anyhow or not at all.
    """
    began_ns = min(span.start_ns for span in spans)
    took_ms = [
        (span.end_ns - (span.start_ns if apart else began_ns) - span.queued_ns) / clock.NS_PER_MS for span in spans
    ]
    width = sum(took <= ONE * alone + ONE_MS for took, alone in zip(took_ms, alone_ms, strict=True))
    makespan_ms = (max(span.end_ns for span in spans) - began_ns) / clock.NS_PER_MS
    failed = next((span.answer["error"] for span in spans if "error" in span.answer), "")
    return AtOnce(where, len(spans), max(1, width), sum(alone_ms) / max(makespan_ms, 1e-6), failed)


def call(function: Function, payload: Any) -> Span:
    """One call on this thread."""
    with CpuAccount() as account:
        ready_ns = account.ready_ns()
        answer = function({"id": 0, "payload": payload})
        return Span(answer, account.ready_ns() - ready_ns)


def on_threads(function: Function, payloads: Sequence[Any], limit_s: float, name: str) -> list[Span]:
    """Each call on a thread of its own, all at the same time.

    Raises:
        WorkloadError: they have not returned by then.
    """
    spans: list[Span] = []
    together = threading.Barrier(len(payloads))

    def one(payload: Any) -> None:
        together.wait(limit_s)
        spans.append(call(function, payload))

    threads = [threading.Thread(target=one, args=(payload,), name="labkit-atonce", daemon=True) for payload in payloads]
    for thread in threads:
        thread.start()
    end_ns = clock.now_ns() + round(limit_s * clock.NS_PER_S)
    for thread in threads:
        thread.join(max(0.0, (end_ns - clock.now_ns()) / clock.NS_PER_S))
    return _all(spans, len(payloads), limit_s, name)


def on_greenlets(function: Function, payloads: Sequence[Any], limit_s: float, name: str) -> list[Span]:
    """Each call in a greenlet of its own, on this thread's hub.

    What a greenlet was queued for a core cannot be told from what others were, so nothing is taken off.

    Raises:
        WorkloadError: they have not returned by then; code that never gives way is not interrupted.
    """
    import gevent

    spans: list[Span] = []

    def one(payload: Any) -> None:
        spans.append(Span(function({"id": 0, "payload": payload}), 0))

    with _own_hub():
        greenlets = [gevent.spawn(one, payload) for payload in payloads]
        gevent.joinall(greenlets, timeout=limit_s)
        gevent.killall([each for each in greenlets if not each.ready()], block=False)
    return _all(spans, len(payloads), limit_s, name)


def on_hub_threads(function: Function, payloads: Sequence[Any], limit_s: float, name: str) -> list[Span]:
    """Each call on a real thread of a pool of gevent's.

    Raises:
        WorkloadError: they have not returned by then.
    """
    import gevent
    from gevent.threadpool import ThreadPool

    with _own_hub():
        pool = ThreadPool(len(payloads))
        try:
            results = [pool.spawn(call, function, payload) for payload in payloads]
            gevent.wait(results, timeout=limit_s)
            spans = [result.get() for result in results if result.ready()]
        finally:
            pool.kill()
    return _all(spans, len(payloads), limit_s, name)


@contextlib.contextmanager
def _own_hub() -> Iterator[None]:
    """gevent makes a hub for a thread that asks for one; one that was made here goes with the block."""
    import gevent
    from gevent._hub_local import get_hub_if_exists

    had = get_hub_if_exists() is not None
    try:
        yield
    finally:
        if not had:
            gevent.get_hub().destroy(destroy_loop=True)


def in_processes(
    function: Function, payloads: Sequence[Sequence[Any]], limit_s: float, name: str
) -> tuple[list[Span], bool]:
    """Calls in processes of their own, never forked, all at the same instant; and whether it was one instant.

    Args:
        function: one that can be pickled.
        payloads: of each process those of its calls, one after the other; only the last of them counts, since the first
            may warm something up.
        limit_s: of all of it.
        name: of the work.

    Raises:
        WorkloadError: they have not returned by then, or ended.
    """
    from loky import BrokenProcessPool, ProcessPoolExecutor

    pools = [ProcessPoolExecutor(1) for _ in payloads]
    try:
        ready: list[Future[Any]] = [
            pool.submit(_warmed, function, list(each[:-1])) for pool, each in zip(pools, payloads, strict=True)
        ]
        for future in ready:
            future.result(limit_s)
        at_ns = clock.now_ns() + round(LEAD_S * clock.NS_PER_S)
        fired: list[Future[Span]] = [
            pool.submit(_called_at, function, each[-1], at_ns) for pool, each in zip(pools, payloads, strict=True)
        ]
        spans = [future.result(limit_s) for future in fired]
    except (BrokenProcessPool, TimeoutError) as error:
        raise WorkloadError(f"{name} gave no result in another process ({type(error).__name__})") from error
    finally:
        for pool in pools:
            pool.shutdown(kill_workers=True)
    starts_ns = [span.start_ns for span in spans]
    lengths_ns = [span.end_ns - span.start_ns for span in spans]
    return spans, max(starts_ns) - min(starts_ns) <= TOGETHER * mean(lengths_ns)


def _warmed(function: Function, payloads: list[Any]) -> None:
    for payload in payloads:
        function({"id": 0, "payload": payload})


def _called_at(function: Function, payload: Any, at_ns: int) -> Span:
    clock.sleep(max(0.0, (at_ns - clock.now_ns()) / clock.NS_PER_S))
    return call(function, payload)


def _all(spans: list[Span], calls: int, limit_s: float, name: str) -> list[Span]:
    if len(spans) < calls:
        raise WorkloadError(
            f"{name} returns when nothing else runs, but {calls - len(spans)} of {calls} calls at the same time did "
            f"not within {limit_s:g} s: look for a lock that is not given back"
        )
    return spans
