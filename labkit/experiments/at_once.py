"""Several calls of the work at the same time: how many of them got on, on threads, greenlets and in processes.

One shot tells the width: of calls that begin together, those that work at once end after the time of one, the others
after that of two, three and so on. What a call spent in the queue for a core is taken off, where the system says it, so
that a busy machine is not taken for a lock.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.base import clock
from labkit.base.cpu import CpuAccount
from labkit.base.errors import WorkloadError

#: What a strategy is given: from ``{"id": ..., "payload": ...}`` to an answer with the work's own stamps.
Function = Callable[[dict[str, Any]], dict[str, Any]]

THREADS, GREENLETS, PROCESSES = "threads", "greenlets", "processes"

#: A call that ends within so many times what it takes alone, and so much more, did not wait for another.
ONE, ONE_MS = 1.6, 0.4

#: Up to so many times what one call at a time does is no gain.
NO_GAIN = 1.4

#: Most of the time that calls lose is spent in a queue for a core, or most is not.
WAITED = 0.5

#: Work that is quicker than this cannot be seen to wait: threads begin as far apart.
QUICKEST_MS = 2.0

#: A hub that stood for so much of a call was blocked by it. It is looked at so often.
STANDS, LOOK_S = 0.6, 0.001


@dataclass(frozen=True)
class AtOnce:
    """Calls that began together.

    Attributes:
        where: :data:`THREADS`, :data:`GREENLETS` or :data:`PROCESSES`.
        calls: how many.
        width: how many of them got on at the same time, queues for a core left aside; 1 where each waited for the last.
        gain: the time that they would have taken one after the other over the time that they took, as it was.
        failed: what went wrong, where a call raised; empty if none did.
        idle: how many cores of the machine had nothing to do meanwhile; told in ticks of 10 ms on Linux.
        waited: of the time in which calls did not compute, the share in which they were not queued for a core either; 0
            where the system does not say.
        blocked: of greenlets, their hub stood still for most of a call, so that nobody else's greenlet could run.
    """

    where: str
    calls: int
    width: int
    gain: float
    failed: str = ""
    idle: float = 0.0
    blocked: bool = False
    waited: float = 0.0

    @property
    def one_at_a_time(self) -> bool:
        """Whether each call waited for the last."""
        return self.width == 1 and self.gain < NO_GAIN and not self.failed

    @property
    def kept_waiting(self) -> bool:
        """Whether nothing was gained, and it was not for want of a core that calls waited."""
        return self.gain < NO_GAIN and self.waited > WAITED and not self.failed

    @property
    def all_at_once(self) -> bool:
        """Whether no call waited for another."""
        return self.width >= self.calls and not self.failed


@dataclass(frozen=True)
class Span:
    """One call of several: its answer with the work's stamps, how long it had no core, and how long its hub stood.

    And how long it neither computed nor was queued; 0 where the system does not say.
    """

    answer: dict[str, Any]
    queued_ns: int
    stood_ns: int = 0
    waited_ns: int = 0

    @property
    def start_ns(self) -> int:
        """When it began."""
        return int(self.answer["start_ns"])

    @property
    def end_ns(self) -> int:
        """When it ended."""
        return int(self.answer["end_ns"])


def judged(where: str, spans: Sequence[Span], alone_ms: Sequence[float], *, cpu_ms: float = math.inf) -> AtOnce:
    """What the calls of one shot show.

    Args:
        where: they were made.
        spans: of each call.
        alone_ms: what each takes alone.
        cpu_ms: the CPU time of one alone. What is above it is the work of a busy machine, and taken off, too.
    """
    began_ns = min(span.start_ns for span in spans)
    took_ms = [
        (span.end_ns - began_ns - span.queued_ns) / clock.NS_PER_MS
        - max(0.0, span.answer["cpu_ns"] / clock.NS_PER_MS - cpu_ms)
        for span in spans
    ]
    width = sum(took <= ONE * alone + ONE_MS for took, alone in zip(took_ms, alone_ms, strict=True))
    makespan_ms = (max(span.end_ns for span in spans) - began_ns) / clock.NS_PER_MS
    failed = next((span.answer["error"] for span in spans if "error" in span.answer), "")
    stood = max(span.stood_ns for span in spans) > STANDS * max(alone_ms) * clock.NS_PER_MS
    gain = sum(alone_ms) / max(makespan_ms, 1e-6)
    waited_ns, queued_ns = (sum(getattr(span, name) for span in spans) for name in ("waited_ns", "queued_ns"))
    waited = waited_ns / max(1, waited_ns + queued_ns)
    found = AtOnce(where, len(spans), max(1, width), gain, failed, waited=waited)
    return replace(found, blocked=stood and found.one_at_a_time)


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
        with CpuAccount() as account:
            ready_ns = account.ready_ns()
            together.wait(limit_s)  # and then for a core, which is no waiting for another call
            idle_ns = account.idle_ns()
            answer = function({"id": 0, "payload": payload})
            waited_ns = account.idle_ns() - idle_ns if account.is_complete else 0
            spans.append(Span(answer, account.ready_ns() - ready_ns, waited_ns=waited_ns))

    threads = [threading.Thread(target=one, args=(payload,), name="labkit-atonce", daemon=True) for payload in payloads]
    for thread in threads:
        thread.start()
    end_ns = clock.now_ns() + round(limit_s * clock.NS_PER_S)
    for thread in threads:
        thread.join(max(0.0, (end_ns - clock.now_ns()) / clock.NS_PER_S))
    return _all(spans, len(payloads), limit_s, name)


def on_greenlets(function: Function, payloads: Sequence[Any], limit_s: float, name: str) -> list[Span]:
    """Each call in a greenlet of its own, on this thread's hub.

    What a greenlet was queued for a core cannot be told from what others were, so nothing is taken off. Another
    greenlet looks how long the hub stands still, which is told from a thread without a core.

    Raises:
        WorkloadError: they have not returned by then; code that never gives way is not interrupted.
    """
    import gevent

    answers: list[dict[str, Any]] = []
    stood_ns = 0

    def one(payload: Any) -> None:
        answers.append(function({"id": 0, "payload": payload}))

    def look() -> None:
        nonlocal stood_ns
        with CpuAccount() as account:
            before_ns = clock.now_ns() - account.ready_ns()
            while True:
                gevent.sleep(LOOK_S)
                now_ns = clock.now_ns() - account.ready_ns()
                stood_ns, before_ns = max(stood_ns, now_ns - before_ns), now_ns

    with _own_hub():
        watch = gevent.spawn(look)
        gevent.sleep(LOOK_S)  # it looks before anybody works
        greenlets = [gevent.spawn(one, payload) for payload in payloads]
        gevent.joinall(greenlets, timeout=limit_s)
        gevent.sleep(2 * LOOK_S)
        gevent.killall([watch, *(each for each in greenlets if not each.ready())])
    spans = [Span(answer, 0, stood_ns) for answer in answers]
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


def _all(spans: list[Span], calls: int, limit_s: float, name: str) -> list[Span]:
    if len(spans) < calls:
        raise WorkloadError(
            f"{name} returns when nothing else runs, but {calls - len(spans)} of {calls} calls at the same time did "
            f"not within {limit_s:g} s: look for a lock that is not given back"
        )
    return spans
