"""A call that may never return: made on a thread of its own, and given up after a while."""

import threading
from collections.abc import Callable
from typing import TypeVar

from labkit.base.errors import WorkloadError

T = TypeVar("T")

#: Longer than any handler for which people wait, and short enough to wait for a mistake.
LIMIT_S = 30.0


def call_within(limit_s: float, name: str, function: Callable[[], T]) -> T:
    """What `function` returns, or raises, if it does so within `limit_s` seconds.

    A thread cannot be ended from outside. One that is given up goes on, but keeps no process from ending.

    Raises:
        WorkloadError: it has not returned by then; the message calls it `name`.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            returned.append(function())
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that asked)
            raised.append(error)

    thread = threading.Thread(target=call, name="labkit-timelimit", daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not returned:
        raise WorkloadError(f"{name} did not return within {limit_s:g} s: mend it, or give what it waits for a timeout")
    return returned[0]
