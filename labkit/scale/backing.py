"""What a strategy with a queue needs beside its server: a Redis, and the workers."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from labkit.scale import redis_server
from labkit.scale.queue_process import QueueProcess
from labkit.strategies import Strategy


class Backing:
    """A Redis and the workers of one strategy: ``at_queue = backing.start()``, and serve that.

    The queue has a name that nobody else uses: a Redis of somebody's own may serve others, too.

    Args:
        strategy: one that has a `work`.
        calculation: what its workers call with an event's data.
    """

    def __init__(self, strategy: Strategy, calculation: Callable[[Any], Any]) -> None:
        self._strategy, self._calculation = strategy, calculation
        self._open: contextlib.ExitStack | None = None
        self._at_queue = strategy

    def start(self) -> Strategy:
        """Start both, unless they run; the strategy, at its queue.

        Raises:
            MissingExtra: there is no Redis, and no program for one.
            RedisError: it does not answer, or does not start.
            NotPicklable: the work cannot be sent to a worker.
            ServerError: the workers did not start.
        """
        if self._open is not None:
            return self._at_queue
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(redis_server.redis_url())
            name = f"labkit-{secrets.token_hex(8)}"
            stack.enter_context(_cleared(url, name))
            at_queue = self._strategy.at(url, name)
            assert at_queue.work is not None
            workers = QueueProcess(at_queue.work, self._calculation, at_queue.parameters_of(at_queue.work))
            stack.enter_context(workers)
            workers.begin()
            self._open, self._at_queue = stack.pop_all(), at_queue
        return self._at_queue

    def stop(self) -> None:
        """End the workers, and the Redis that was started; one that stays loses the queue. Twice does no harm."""
        stack, self._open = self._open, None
        if stack is not None:
            stack.close()


@contextlib.contextmanager
def _cleared(url: str, name: str) -> Iterator[None]:
    """At the end, nothing of the queue stays in a Redis of somebody's own."""
    try:
        yield
    finally:
        import redis

        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=1) as client:
            client.delete(name, f"_kombu.binding.{name}")
