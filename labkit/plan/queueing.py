"""What queueing theory predicts, before anything is measured.

`fifo` and `sharing` follow every event of a given schedule through a queue: exact, for any arrivals. (The tests hold
them to the closed formulas of the textbooks.)

First-in first-out is one receive loop or a pool of workers; processor sharing is a thread for every event, all of them
competing for the same cores or, in CPython, for one interpreter lock. Times are in seconds, rates in events per second.
"""

import math
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labkit.base.errors import UsageError


@dataclass(frozen=True, eq=False)
class Served:
    """When each event was served, in the order in which the arrivals were given; both arrays have shape (events,)."""

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]

    def latencies_s(self, arrivals_s: ArrayLike) -> NDArray[np.float64]:
        """Arrival to end of each event, in seconds; `arrivals_s` as given to `fifo` or `sharing`."""
        arrivals = _arrivals("arrivals_s", arrivals_s)
        if arrivals.shape != self.ends_s.shape:
            raise UsageError(f"give the {self.ends_s.size} arrivals that were served, not {arrivals.size}")
        return self.ends_s - arrivals


def utilisation(rate_hz: float, service_s: float, servers: int = 1) -> float:
    """The share of the servers' time that is asked for, rho = lambda S / c (Kleinrock 1975, vol. 1).

    From 1 on the queue grows without end: that is an answer here.
    """
    return _amount("rate_hz", rate_hz) * _amount("service_s", service_s) / _count("servers", servers)


def fifo(arrivals_s: ArrayLike, service_s: ArrayLike, servers: int = 1) -> Served:
    """First-in first-out service by `servers` equal servers: the queue G/G/c, event by event.

    `arrivals_s` has shape (events,), in any order; equal arrivals are served in the order given. `service_s` is one
    service time for all or one per event. Raises UsageError for no events, negative or non-finite times, servers < 1.

    With one server this is the recursion of Lindley (1952), with several that of Kiefer & Wolfowitz (1955).
    """
    arrivals, service = _events("arrivals_s", arrivals_s, service_s)
    # A server more than there are events never gets one: no need to keep it.
    free = [-math.inf] * min(_count("servers", servers), arrivals.size)
    starts = np.empty_like(arrivals)
    for event in np.argsort(arrivals, kind="stable"):
        starts[event] = start = max(float(arrivals[event]), free[0])
        heapreplace(free, start + float(service[event]))
    return Served(starts, starts + service)


def sharing(dispatched_s: ArrayLike, service_s: ArrayLike, cores: int = 1) -> Served:
    """Egalitarian processor sharing: n jobs present progress at rate min(1, cores / n) each; all start at once.

    `dispatched_s` has shape (events,), in any order; `service_s`, the work of a job running alone, is one for all or
    one per event. Raises UsageError for no events, negative or non-finite times, cores < 1.

    Kleinrock (1976), vol. 2, section 4.4, there for one processor. It is the limit of ever shorter time slices without
    a cost of switching: a real scheduler adds that cost.
    """
    dispatched, service = _events("dispatched_s", dispatched_s, service_s)
    _count("cores", cores)
    ends = np.empty_like(dispatched)
    # All jobs progress alike, so one counter serves them all: a job ends when it has grown by the job's own work.
    progress, now = 0.0, -math.inf
    present: list[tuple[float, int]] = []

    def run_until(limit_s: float) -> None:
        nonlocal progress, now
        while present:
            rate = min(1.0, cores / len(present))
            end = now + (present[0][0] - progress) / rate
            if end > limit_s:
                progress += (limit_s - now) * rate
                break
            (progress, event), now = heappop(present), end
            ends[event] = end
        now = limit_s

    for event in np.argsort(dispatched, kind="stable"):
        run_until(float(dispatched[event]))
        heappush(present, (progress + float(service[event]), int(event)))
    run_until(math.inf)
    return Served(dispatched.copy(), ends)


def _amount(name: str, value: float) -> float:
    if not 0 <= value < math.inf:  # written so that NaN fails too
        raise UsageError(f"give {name} as a finite number of at least 0, not {value}")
    return float(value)


def _count(name: str, value: int) -> int:
    if not 1 <= value < math.inf or value != int(value):
        raise UsageError(f"give {name} as a whole number of at least 1, not {value}")
    return int(value)


def _arrivals(name: str, times_s: ArrayLike) -> NDArray[np.float64]:
    times = np.asarray(times_s, dtype=np.float64)
    if times.ndim != 1 or not times.size or not np.isfinite(times).all():
        raise UsageError(f"give {name} as a sequence of at least one finite time in seconds")
    return times


def _events(name: str, times_s: ArrayLike, service_s: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times = _arrivals(name, times_s)
    service = np.asarray(service_s, dtype=np.float64)
    if service.shape not in ((), times.shape) or not (np.isfinite(service) & (service >= 0)).all():
        raise UsageError(f"give service_s as one finite time of at least 0, or as {times.size} of them, one per event")
    return times, np.broadcast_to(service, times.shape)
