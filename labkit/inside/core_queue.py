"""How long a thread was ready to run and had no core, as Linux counts it (``/proc/self/task/*/schedstat``)."""

import os
from typing import Self

from labkit.base.real_threads import original


class CoreQueue:
    """The calling thread's queue for a core."""

    def __init__(self) -> None:
        self._file = -1
        if has_schedstat():
            self._file = os.open(f"/proc/self/task/{original('_thread', 'get_native_id')()}/schedstat", os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)

    def ready_ns(self) -> int:
        """Ready, but without a core, since the thread began; 0 where unknown. Gives the GIL up for a moment."""
        return int(os.pread(self._file, 96, 0).split()[1]) if self._file >= 0 else 0


def has_schedstat() -> bool:
    """Whether this system tells how long a thread queued."""
    return os.path.exists("/proc/self/schedstat")
