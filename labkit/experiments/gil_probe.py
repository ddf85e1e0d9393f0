"""Another thread that asks for the GIL while work runs: what share of the time it cannot have it, and how long at once.

A thread that does nothing but a short system call gives the GIL up and asks for it again each time. The time in which
it neither ran nor was ready to run is the time in which somebody else held the GIL. On Linux the kernel accounts for
"ready, but without a core" (``schedstat``; Linux kernel, Documentation/scheduler/sched-stats.rst), so that a busy
machine is not taken for a busy GIL. Elsewhere that part is unknown, and a share read here is an upper limit.
"""

from typing import Self

from labkit.base import clock
from labkit.base.cpu import CpuAccount
from labkit.base.real_threads import RealThread, original

#: During the measurement of shares: a thread that wants the GIL then waits until the holder gives it up by itself. Not
#: longer, since code that spins until another thread has done something would otherwise never end.
UNDISTURBED_S = 0.5

#: A wait for the GIL that is shorter than this is the price of asking.
SHORT_MS = 0.1


class Probe:
    """The other thread: ``with Probe() as probe: work()``.

    Args:
        at_most_s: it ends by itself then, should the block never do.
        whole: count from the start of the block on; else from :meth:`work_begins`.

    Attributes:
        held: the share of the block's time in which it could not have the GIL, 0 to 1; once the block has ended.
        seen_ns: how much of that time it could tell; not its own in the queue for a core.
        waits_ms: every wait for the GIL above :data:`SHORT_MS`, in ms.
    """

    def __init__(self, at_most_s: float = 60.0, whole: bool = True) -> None:
        self._end_ns = clock.now_ns() + round(at_most_s * clock.NS_PER_S)
        self.held = 0.0
        self.seen_ns = 0
        self._working = whole
        self.waits_ms: list[float] = []
        self._began = original("_thread", "allocate_lock")()
        self._stopped = False
        self._thread = RealThread(self._run)

    def __enter__(self) -> Self:
        self._began.acquire()
        self._thread.start()
        self._began.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped = True
        self._thread.join()

    def work_begins(self) -> None:
        """What was seen until now is left out: on a busy machine the work may have begun late."""
        self._working = True

    def _run(self) -> None:
        with CpuAccount() as account:
            ready_ns = account.ready_ns()
            idle_ns, cpu_ns = account.idle_ns(), clock.thread_cpu_ns()
            before_ns, took_ns = clock.now_ns(), 0
            self._began.release()
            while not self._stopped and before_ns < self._end_ns:
                if not self._working:
                    # Without asking for the queue anew, which gives the GIL up: the work might begin and end meanwhile.
                    cpu_ns = clock.thread_cpu_ns()
                    idle_ns = clock.now_ns() - cpu_ns - ready_ns
                # It is read before the GIL is asked for: the queue in which the last wait ended is known only now.
                now_ready_ns = account.ready_ns()
                after_ns = clock.now_ns()
                self._keep(took_ns - (now_ready_ns - ready_ns))
                ready_ns, took_ns, before_ns = now_ready_ns, after_ns - before_ns, after_ns
            self._keep(took_ns - (account.ready_ns() - ready_ns))
            idle_ns, cpu_ns = max(0, account.idle_ns() - idle_ns), clock.thread_cpu_ns() - cpu_ns
            # Of its time in the queue for a core it cannot tell who had the GIL, so that time is left out.
            self.seen_ns = idle_ns + cpu_ns
            self.held = idle_ns / max(1, self.seen_ns)

    def _keep(self, wait_ns: int) -> None:
        if wait_ns > SHORT_MS * clock.NS_PER_MS:
            self.waits_ms.append(wait_ns / clock.NS_PER_MS)
