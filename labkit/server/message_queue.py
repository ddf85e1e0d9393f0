"""The thread of a server that listens to its message queue ends with the server. python-socketio's own never ends.

It waits in a read from Redis, and after an error in a plain ``time.sleep`` of up to a minute (python-socketio's
``redis_manager.py``).
"""

import contextlib
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any


def end_at_stop(manager: Any, sleep: Callable[[float], None]) -> None:
    """Let the thread end with the server.

    Args:
        manager: the server's, with a message queue or without.
        sleep: raises SystemExit once the server stops.
    """
    listen, connect = getattr(manager, "_listen", None), getattr(manager, "_redis_connect", None)
    if listen is None or connect is None:
        return

    def listen_until_stopped() -> Iterator[Any]:
        for message in listen():
            sleep(0)
            yield message

    def connect_unless_stopped() -> None:
        sleep(0)
        connect()

    manager._listen, manager._redis_connect = listen_until_stopped, connect_unless_stopped
    retry = getattr(type(manager), "_redis_listen_with_retries", None)
    if isinstance(retry, FunctionType) and "time" in retry.__globals__:
        # The same code, of this manager alone, in which `time.sleep` is the server's: a stop ends that, too.
        seen = {**retry.__globals__, "time": SimpleNamespace(sleep=sleep)}
        own = FunctionType(retry.__code__, seen, retry.__name__, retry.__defaults__, retry.__closure__)
        manager._redis_listen_with_retries = MethodType(own, manager)


def wake(manager: Any) -> None:
    """Let the thread see that its server stops: a message that says nothing."""
    if getattr(manager, "pubsub", None) is not None:
        with contextlib.suppress(Exception):  # Redis may be gone before its servers are
            manager.redis.publish(manager.channel, "{}")


def hang_up(manager: Any) -> None:
    """Close its connections, once nobody listens any more: they would stay open as long as somebody has the server."""
    for each in (getattr(manager, "pubsub", None), getattr(manager, "redis", None)):
        if each is not None and hasattr(each, "close"):
            with contextlib.suppress(Exception):
                each.close()
