"""Means that textbooks give in closed form: what the event-by-event models are held to."""

from labkit.base.errors import UsageError
from labkit.plan.queueing import _amount, _count, utilisation


def in_system(rate_hz: float, latency_s: float) -> float:
    """The mean number of events present, L = lambda W (Little 1961), whatever the arrivals or the discipline."""
    return _amount("rate_hz", rate_hz) * _amount("latency_s", latency_s)


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
