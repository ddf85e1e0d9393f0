"""What queueing theory predicts, before anything is measured.

Two kinds of answer. `fifo` and `sharing` follow every event of a given schedule through a queue: exact, for any
arrivals. The formulas give means: of a steady state under Poisson arrivals, or of a burst at one instant.

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

    From 1 on the queue grows without end: that is an answer here, and a UsageError in the steady-state formulas.
    """
    return _amount("rate_hz", rate_hz) * _amount("service_s", service_s) / _count("servers", servers)


def in_system(rate_hz: float, latency_s: float) -> float:
    """The mean number of events present, L = lambda W (Little 1961), whatever the arrivals or the discipline."""
    return _amount("rate_hz", rate_hz) * _amount("latency_s", latency_s)


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


def md1_wait_s(rate_hz: float, service_s: float) -> float:
    """The mean wait before service, in seconds, of Poisson arrivals at one FIFO server with constant service times.

    rho S / (2 (1 - rho)) (Pollaczek 1930, Khinchine 1932; Kleinrock vol. 1, section 5.6). UsageError if rho >= 1.
    """
    rho = _steady(rate_hz, service_s)
    return rho * service_s / (2 * (1 - rho))


def erlang_c(offered_erlangs: float, servers: int) -> float:
    """The probability that an arrival has to wait in M/M/c (Erlang 1917), `offered_erlangs` being lambda S.

    Computed from Erlang's loss formula by its recursion over servers, which has no factorials to overflow. UsageError
    if offered_erlangs >= servers.
    """
    offered = _amount("offered_erlangs", offered_erlangs)
    if offered >= _count("servers", servers):
        raise UsageError(f"use more than {offered:g} servers: with {servers} there is no steady state")
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = offered * blocked / (server + offered * blocked)
    return servers * blocked / (servers - offered * (1 - blocked))


def mmc_wait_s(rate_hz: float, service_s: float, servers: int) -> float:
    """The mean wait before service, in seconds, of M/M/c: Poisson arrivals, exponential service of mean `service_s`.

    C(c, lambda S) S / (c - lambda S) (Erlang 1917; Kleinrock vol. 1, section 3.5). UsageError if rho >= 1.
    """
    offered = _steady(rate_hz, service_s, servers) * servers
    return erlang_c(offered, servers) * service_s / (servers - offered)


def ps_latency_s(rate_hz: float, service_s: float) -> float:
    """The mean latency, in seconds, of Poisson arrivals that share one processor: S / (1 - rho).

    M/G/1-PS: only the mean of the service times matters, not their distribution (Sakata, Noguchi & Oizumi 1971;
    Kleinrock vol. 2, section 4.4). UsageError if rho >= 1.
    """
    return service_s / (1 - _steady(rate_hz, service_s))


def batch_fifo_mean_s(events: int, service_s: float, servers: int = 1) -> float:
    """The mean latency, in seconds, of a burst of `events` equal events at one instant, FIFO: S (N + 1) / 2 for c = 1.

    They leave in rounds of `servers`, the last round perhaps not full. UsageError if events or servers < 1.
    """
    rounds, rest = divmod(_count("events", events), _count("servers", servers))
    return _amount("service_s", service_s) * (rounds + 1) * (servers * rounds / 2 + rest) / events


def batch_sharing_mean_s(events: int, service_s: float, cores: int = 1) -> float:
    """The mean latency, in seconds, of a burst of `events` equal jobs at one instant that share `cores` cores.

    All end together, when the last one would under FIFO or a little before: S max(1, N / cores). UsageError if events
    or cores < 1.
    """
    return _amount("service_s", service_s) * max(1.0, _count("events", events) / _count("cores", cores))


def _steady(rate_hz: float, service_s: float, servers: int = 1) -> float:
    rho = utilisation(rate_hz, service_s, servers)
    if rho >= 1:
        raise UsageError(
            f"lower rate_hz or service_s, or use more servers: at a utilisation of {rho:.3g} there is no steady state"
        )
    return rho


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
