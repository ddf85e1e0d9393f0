"""simple-websocket's list of messages that came and were not taken yet, which remembers when each came.

What a message waits there, no hook further down the way can see.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from labkit.base.clock import Now
from labkit.runs.stages import MISSING

# Looked up once: these are called for every message.
_append, _pop = list.append, list.pop


class SeenInbox(list):  # type: ignore[type-arg]
    """simple-websocket's ``input_buffer``, which remembers when a message came and when it was taken.

    Attributes:
        most: the most messages that waited.
    """

    __slots__ = ("_fail", "_now", "arrivals", "dispatched_ns", "most", "read_ns")

    def __init__(self, now: Now, fail: Callable[[], None]) -> None:
        super().__init__()
        self._now = now
        self._fail = fail
        self.arrivals: deque[int] | None = deque()  # None: it stamps no more
        self.read_ns = self.dispatched_ns = MISSING
        self.most = 0

    def append(self, message: Any) -> None:
        arrivals = self.arrivals
        if arrivals is not None:
            try:
                # The stamp first: once the message is visible, the receive loop may take it at once.
                arrivals.append(self._now())
                if (waiting := len(arrivals)) > self.most:
                    self.most = waiting
            except Exception:  # noqa: BLE001 (whatever a hook raises is no business of the app)
                self._give_up()
        _append(self, message)

    def pop(self, index: Any = -1) -> Any:
        message = _pop(self, index)
        arrivals = self.arrivals
        if arrivals is not None:
            try:
                self.read_ns = arrivals.popleft()
                self.dispatched_ns = self._now()
            except Exception:  # noqa: BLE001
                self._give_up()
        return message

    def _give_up(self) -> None:
        self.stop()
        self._fail()

    def stop(self) -> None:
        """Stamp no more, and be a list."""
        self.arrivals, self.read_ns, self.dispatched_ns = None, MISSING, MISSING
