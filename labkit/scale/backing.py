"""What a strategy with a queue needs beside its server: a Redis, and the workers."""

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from labkit.scale import redis_server
from labkit.scale.queue_process import QueueProcess
from labkit.scale.redis_server import RedisServer
from labkit.strategies import Strategy


class Backing:
    """A Redis and the workers of one strategy: ``with Backing(strategy, calculation) as at_queue``, and serve that.

    The queue has a name that nobody else uses, unless the strategy is given one: a Redis of somebody's own may serve
    others, too. With ``workers=0`` none are started: those of ``labkit worker``, here or elsewhere, take the tasks.

    Args:
        strategy: one that has a `work`.
        calculation: what its workers call with an event's data.
        redis: one of the lab's own, which is started and stopped with the workers, and may be killed meanwhile; None
            for that of LABKIT_REDIS_URL, or one that nobody kills.

    Attributes:
        workers: the group of them, where any were started. Killed, they take tasks again after their ``begin()``.
    """

    workers: QueueProcess

    def __init__(self, strategy: Strategy, calculation: Callable[[Any], Any], redis: RedisServer | None = None) -> None:
        self._strategy, self._calculation = strategy, calculation
        self._queue = strategy.parameters.get("queue") or f"labkit-{secrets.token_hex(8)}"
        self._named_url = "" if redis is not None else os.environ.get(redis_server.VARIABLE, "")
        self._redis = redis or RedisServer()  # at the same address again after another start
        self._open: contextlib.ExitStack | None = None

    def start(self) -> Strategy:
        """Start both, unless they run; the strategy, at its queue.

        Raises:
            MissingExtra: there is no Redis, and no program for one.
            RedisError: it does not answer, or does not start.
            NotPicklable: the work cannot be sent to a worker.
            ServerError: the workers did not start.
        """
        if self._open is not None:
            return self._strategy.at(self._url, self._queue)
        with contextlib.ExitStack() as stack:
            if self._named_url:
                redis_server.require_answer(self._named_url)
                stack.enter_context(_cleared(self._named_url, self._queue))
            else:
                stack.enter_context(self._redis)
            at_queue = self._strategy.at(self._url, self._queue)
            if at_queue.work is not None and at_queue.parameters.get("workers") != 0:
                self.workers = QueueProcess(at_queue.work, self._calculation, at_queue.parameters_of(at_queue.work))
                stack.enter_context(self.workers)
                self.workers.begin()
            self._open = stack.pop_all()
        return at_queue

    @property
    def _url(self) -> str:
        return self._named_url or self._redis.url

    def stop(self) -> None:
        """End the workers, and the Redis that was started; one that stays loses the queue. Twice does no harm."""
        stack, self._open = self._open, None
        if stack is not None:
            try:
                stack.close()
            finally:
                if not self._named_url:
                    _forget(urlsplit(self._url).password or "")

    def __enter__(self) -> Strategy:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _forget(password: str) -> None:
    """Kombu keeps its connections to every address as long as the process lasts (kombu/pools.py): not to this one.

    Of a Redis that stays they stay, too: an app of the reader's in this process may have the same ones.
    """
    pools = sys.modules.get("kombu.pools")
    for group in () if pools is None else (pools.producers, pools.connections):
        for address in [each for each in group if password in each]:
            dict.pop(group, address).force_close_all()  # the group's own deletion would look for the address's address


@contextlib.contextmanager
def _cleared(url: str, queue: str) -> Iterator[None]:
    """At the end, nothing of the queue stays in a Redis of somebody's own."""
    try:
        yield
    finally:
        import redis

        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=1) as client:
            kept = client.scan_iter(match=f"{queue}:*", count=1000)
            client.delete(queue, f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}", *kept)
