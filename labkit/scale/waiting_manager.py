"""A message queue's end that keeps what it could not send while its Redis was away, until the others listen again.

python-socketio tries twice and drops the message. To try for longer is not enough: the one that sends is back as soon
as those that listen, and a Redis keeps no message for who is not there yet. So this one waits until as many listen as
did before. Meanwhile the handler that emits waits, too.
"""

from typing import Any

import redis
import socketio
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from labkit.base import clock

#: How often to look whether the others are back, in seconds.
_LOOK_S = 0.05


class WaitingManager(socketio.RedisManager):  # type: ignore[misc]  # untyped upstream
    """As ``socketio.RedisManager``: ``SocketIO(app, client_manager=WaitingManager(url, channel="flask-socketio"))``.

    Args:
        url: of the Redis.
        wait_s: for how long a message is kept.
        options: as for ``socketio.RedisManager``.
    """

    def __init__(self, url: str, *, wait_s: float = 30.0, **options: Any) -> None:
        super().__init__(url, **options)
        self._wait_s = wait_s
        self._most = 0

    def _redis_connect(self) -> None:
        super()._redis_connect()
        # The listener comes back at once: as it comes it tries after 1, 2, 4, ... 60 s.
        options = {**self.redis_options, "retry": Retry(ConstantBackoff(0.1), 100_000)}
        listening: Any = redis.Redis.from_url(self.redis_url, **options)
        self.pubsub = listening.pubsub(ignore_subscribe_messages=True)

    def _publish(self, data: Any) -> int | None:
        reached: int | None = super()._publish(data)
        deadline_ns = clock.now_ns() + round(self._wait_s * clock.NS_PER_S)
        while reached is None and clock.now_ns() < deadline_ns:
            clock.sleep(_LOOK_S)
            if self._listening() >= max(1, self._most):
                reached = super()._publish(data)
        self._most = max(self._most, reached or 0)
        return reached

    def _listening(self) -> int:
        """How many servers listen; -1 where the Redis is away."""
        try:
            if not self.connected:
                self._connect_to_send()
            found: int = self.redis.pubsub_numsub(self.channel)[0][1]
        except (redis.RedisError, OSError):
            return -1
        return found

    def _connect_to_send(self) -> None:
        self.redis = redis.Redis.from_url(self.redis_url, **self.redis_options)
        self.connected = True
