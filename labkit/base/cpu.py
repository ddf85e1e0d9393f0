"""What the kernel knows of CPU time: of a thread, of the rest of its process, and of the processes below it."""

import contextlib
import os
import threading
from typing import Self

import psutil

from labkit.base import clock


class CpuAccount:
    """What the kernel knows of the calling thread: time on a core, and time ready without one."""

    def __init__(self) -> None:
        try:
            self._file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
            self.is_complete = bool(os.pread(self._file, 96, 0))
        except (OSError, AttributeError):  # not Linux, or a kernel without it
            self._file = os.open(os.devnull, os.O_RDONLY)
            self.is_complete = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._file)

    def ready_ns(self) -> int:
        """Ready to run, but without a core, since the thread began; 0 where unknown. Gives up the GIL for a moment."""
        if not self.is_complete:
            os.fstat(self._file)
            return 0
        return int(os.pread(self._file, 96, 0).split()[1])

    def idle_ns(self) -> int:
        """A counter of which differences are the time that this thread spent waiting, not computing or in a queue."""
        ready_ns = self.ready_ns()
        return clock.now_ns() - clock.thread_cpu_ns() - ready_ns


def others_ns() -> int:
    """CPU time of this process's other threads, those that have ended among them."""
    return clock.process_cpu_ns() - clock.thread_cpu_ns()


def ended_ns() -> int:
    """CPU time of this process's children, and of theirs, that have ended; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round((usage.ru_utime + usage.ru_stime) * clock.NS_PER_S)


def living_ns() -> int:
    """CPU time of the processes below this one that still run, and of those that they have seen end."""
    total_s = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total_s += whole_s(process)
    return round(total_s * clock.NS_PER_S)


def whole_s(process: psutil.Process) -> float:
    """CPU seconds of a process, and of its children that have ended."""
    times = process.cpu_times()
    ended_s = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended_s)
