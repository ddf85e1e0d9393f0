"""The innermost frames of all threads, read while no garbage is collected.

CPython holds a lock of the interpreter while it makes their dictionary. A collection just then calls back into Python
(a finalizer, or labkit's own hook), which may let go of the GIL. Whoever then starts or ends a thread has the GIL and
waits for that lock, and who has the lock waits for the GIL: the process stands still for ever. CPython 3.11 has this
(https://github.com/python/cpython/issues/106883).
"""

import gc
import os
import sys
from types import FrameType

from labkit.base.real_threads import original

_lock = original("_thread", "allocate_lock")()  # two watches must not both find collecting switched off


def current_frames() -> dict[int, FrameType]:
    """The innermost frame of every thread, by its identifier."""
    with _lock:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()


def _after_fork() -> None:
    """The thread that had the lock may not be in the fork; and what it had switched off stays on."""
    global _lock  # noqa: PLW0603 (there is one a process)
    if _lock.locked():
        gc.enable()
    _lock = original("_thread", "allocate_lock")()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
