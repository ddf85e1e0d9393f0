"""The only place in labkit that reads time (strategies excepted).

``now_ns`` is ``time.perf_counter_ns``, which counts from one origin for all processes of a machine:
``CLOCK_MONOTONIC`` on Linux, ``mach_absolute_time`` on macOS, ``QueryPerformanceCounter`` on Windows.
Stamps taken in the server, in a worker process and in the client can therefore be subtracted.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

now_ns = time.perf_counter_ns
thread_cpu_ns = time.thread_time_ns
process_cpu_ns = time.process_time_ns
sleep = time.sleep
engineio_s = time.time  # of Engine.IO's heartbeats: only what Engine.IO itself subtracts is stamped by it

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Now(Protocol):
    """Where a stamp comes from: a call without arguments that returns nanoseconds."""

    def __call__(self) -> int: ...


def resolution_s() -> float:
    """The step in which stamps are read."""
    return time.get_clock_info("perf_counter").resolution


def parting() -> Callable[[], float]:
    """A call that says by how many seconds the wall clock and the stamps' clock have parted since this one.

    They part where a machine sleeps, and where somebody sets the wall clock.
    """
    wall_s, ours_ns = time.time(), now_ns()
    return lambda: (time.time() - wall_s) - (now_ns() - ours_ns) / NS_PER_S


def utc_stamp() -> str:
    """The wall clock as ISO 8601 in UTC, to the second: to say when something was, never to subtract."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def folder_stamp() -> str:
    """The local wall clock as a folder's name that sorts, such as ``2026-11-24_09-30-00``."""
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def cpu_ns_of(native_id: int) -> int | None:
    """CPU time of another thread of this process, by the operating system's number; None where that isn't told.

    Exact for a thread that does not run, and current for one that does. Keeps the GIL. On Linux a clock's id is made of
    the thread's number (clock_getcpuclockid(3)), so asking for one that has ended is no more than an error; asking by
    ``time.pthread_getcpuclockid`` would read memory that is gone.
    """
    try:
        return time.clock_gettime_ns((~native_id << 3) | 6) if sys.platform == "linux" else None
    except (OSError, OverflowError):
        return None
