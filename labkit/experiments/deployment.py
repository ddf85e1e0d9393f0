"""A Redis, workers and a server of the lab's own, any of which can be killed as ``kill -9`` does, and comes back."""

import contextlib
from typing import Any, Self

import psutil

from labkit.base import clock, processes
from labkit.base.errors import ServerError
from labkit.base.ports import free_port
from labkit.plan.work import Calculation, Work
from labkit.scale.backing import Backing
from labkit.scale.redis_server import RedisServer
from labkit.server.child import ChildServer
from labkit.strategies import Strategy

#: The settings of a Redis that has written every command to disk before it answers.
AOF_ALWAYS = {"appendonly": "yes", "appendfsync": "always"}

#: How long a child of the pool may take to be at work, and to be replaced by Celery, in seconds.
_BUSY_S, _REPLACED_S = 0.5, 20.0


class Deployment:
    """A strategy with a queue as it is deployed: ``with Deployment(strategy, work) as deployment: deployment.url``.

    Args:
        strategy: one that has a `work`.
        work: what an event costs.
        mode: of the server; one that runs in a process of its own.
        keeps: whether Redis keeps on disk what it was told.

    Attributes:
        restarts: how often the workers had ended by themselves, and were started again.

    Raises:
        LabError: one of the three did not start.
    """

    def __init__(self, strategy: Strategy, work: Work, *, mode: str, keeps: bool) -> None:
        self._redis = RedisServer(AOF_ALWAYS if keeps else None)
        calculation = Calculation(work.function)
        self._backing = Backing(strategy, calculation, self._redis)
        self._mode, self._calculation, self._port = mode, calculation, free_port()
        self._server: ChildServer | None = None
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        try:
            at_queue = self._backing.start()
            self._queue = str(at_queue.parameters["queue"])
            self._server = ChildServer(self._mode, at_queue, self._calculation, instrumented=False, port=self._port)
            self._server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self._server is not None:
                self._server.stop()
        finally:
            self._backing.stop()

    def strike(self, fault: str, outage_s: float) -> tuple[int, int]:
        """Kill something; whatever nobody else starts again is started again after a while, as a supervisor would.

        Args:
            fault: one of :data:`labkit.runs.delivery.FAULTS` but ``none``.
            outage_s: from the kill until it is started again, in seconds.

        Returns:
            When it was killed, and when everything ran again, on the clock of all processes.
        """
        if fault == "pool-child":
            return self._replaced_child()
        assert self._server is not None
        kill, start = {
            "workers": (self._backing.workers.kill, self._backing.workers.begin),
            "server": (self._server.kill, self._server.start),
        }.get(fault, (self._redis.kill, self._redis.start))
        killed_ns = clock.now_ns()
        kill()
        clock.sleep(max(0.0, outage_s - (clock.now_ns() - killed_ns) / clock.NS_PER_S))
        start()
        return killed_ns, clock.now_ns()

    def supervise(self) -> None:
        """Start the workers again where they have ended by themselves: Celery may fail when it has lost its broker."""
        if self._backing.workers.pid is None:
            self._backing.workers.begin()
            self.restarts += 1

    def _replaced_child(self) -> tuple[int, int]:
        """Kill a child of the pool, one that is at work if there is any: Celery starts another in its place."""
        leader = self._backing.workers.pid
        if leader is None:
            raise ServerError("the workers have ended before one of them was killed: see what their work does")
        before = _children(leader)
        busy_until_ns = clock.now_ns() + round(_BUSY_S * clock.NS_PER_S)
        while not (busy := [each for each in before if _is_busy(each)]) and clock.now_ns() < busy_until_ns:
            clock.sleep(0.001)
        victim = (busy or before)[0]
        killed_ns = clock.now_ns()
        processes.kill_all([victim])
        until_ns = killed_ns + round(_REPLACED_S * clock.NS_PER_S)
        while clock.now_ns() < until_ns:
            now = _children(leader)
            if victim not in now and len(now) >= len(before):
                return killed_ns, clock.now_ns()
            clock.sleep(0.005)
        raise ServerError(f"Celery has not replaced a killed child within {_REPLACED_S:g} s: see what its work does")

    def left(self) -> tuple[int | None, int | None]:
        """Tasks that lie in Redis: such that nobody took, and such that somebody took and did not acknowledge."""
        import redis

        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self._redis.url, socket_timeout=2) as client:
            queued: Any = client.llen(self._queue)
            unacknowledged: Any = client.hlen("unacked")
            return int(queued), int(unacknowledged)
        return None, None


def _children(leader: int) -> list[psutil.Process]:
    """The pool's processes that have not ended."""
    found = []
    for each in processes.descendants(leader):
        with contextlib.suppress(psutil.Error):
            if each.ppid() == leader and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def _is_busy(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() == psutil.STATUS_RUNNING
    return False
