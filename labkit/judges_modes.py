"""What the claims about async modes compare: gevent, gunicorn, an event loop; a comparison of several modes in.

As in :mod:`labkit.judges`: the measured value over its bound out; 1 or more holds.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from labkit.clock import NS_PER_MS
from labkit.comparison import Comparison
from labkit.judges import Untestable, burst, computes, pings_meanwhile, ratio, service_ms, waits, work_cpu_ms
from labkit.metrics import Summary
from labkit.records import Run
from labkit.stamps import NEVER

#: Of each mode the exhibit that calculates in its handler, and the one whose work another process does.
INLINE = {"asgi": "asgi-inline"}
PROCESSES = {"asgi": "asgi-process-pool"}


def _summary(result: Comparison, mode: str, exhibit: str) -> tuple[Comparison, Summary]:
    if mode not in result.modes:
        raise Untestable(f"needs runs in mode {mode}")
    within = result.within(mode)
    if exhibit not in within.strategies:
        raise Untestable(f"needs runs of {exhibit} in mode {mode}")
    return within, within[exhibit]


def _first_share(result: Comparison, mode: str, exhibit: str, earlier: float = 0.0) -> float:
    """When the first answer came, as a share of when the last did; the median of the runs. 1 is all at once.

    `earlier` is a share of the answers to look beyond, of which the latest counts.
    """
    within, _ = _summary(result, mode, exhibit)
    shares = []
    for run in within.of(exhibit):
        own_ms = run.own_ms[np.isfinite(run.own_ms)]
        shares.append(ratio(float(np.quantile(own_ms, earlier)), float(own_ms.max())) if len(own_ms) else np.nan)
    return float(np.median(shares))


def gevent_sends_at_the_end(result: Comparison) -> float:
    burst(result)
    computes(result)
    return _first_share(result, "gevent", "inline") / 0.5


def hub_waits(result: Comparison) -> float:
    computes(result)
    bound = burst(result) / 5
    within, task = _summary(result, "gevent", "background-task")
    return float(np.median([_waited_calculations(run) for run in within.of(task.strategy)])) / bound


def _waited_calculations(run: Run) -> float:
    """How long the pings that were due while events were worked on waited, at the median, in its own calculations."""
    meanwhile = pings_meanwhile(run)
    if not meanwhile.any():
        return math.nan
    cpu = run.events["work_cpu"]
    calculation_ms = float(cpu[cpu != NEVER].mean()) / NS_PER_MS
    return ratio(float(np.median(run.bystander_ms[meanwhile])), calculation_ms)


def gevent_waits_well(result: Comparison) -> float:
    burst(result)
    waits(result)
    _, inline = _summary(result, "gevent", "inline")
    return ratio(2 * service_ms(result), inline.own.max_ms)


def unpatched_waits_in_line(result: Comparison) -> float:
    waits(result)
    bound_ms = burst(result) / 2 * service_ms(result)
    _, inline = _summary(result, "gevent-unpatched", "inline")
    # An event that happens to be read before the others are there is handled, and answered, before them.
    together = _first_share(result, "gevent-unpatched", "inline", earlier=0.25) / 0.5
    # numpy's, since it keeps NaN: what was not measured must not pass.
    return float(np.minimum(ratio(inline.own.p50_ms, bound_ms), together))


def loop_waits(result: Comparison) -> float:
    waits(result)
    bound_ms = burst(result) / 4 * service_ms(result)
    _, inline = _summary(result, "asgi", "asgi-inline")
    return ratio(inline.bystander.p50_ms, bound_ms)


def to_thread_frees_the_loop(result: Comparison) -> float:
    burst(result)
    waits(result)
    _, threads = _summary(result, "asgi", "asgi-to-thread")
    return ratio(service_ms(result) / 2, threads.bystander.p50_ms)


def to_thread_shares_the_gil(result: Comparison) -> float:
    burst(result)
    computes(result)
    within, threads = _summary(result, "asgi", "asgi-to-thread")
    return ratio(threads.bystander.p50_ms, work_cpu_ms(within, threads)) / 0.5


def neighbours_wait_everywhere(result: Comparison) -> float:
    burst(result)
    computes(result)
    return _least(result, INLINE, lambda within, s: ratio(s.bystander.p50_ms, work_cpu_ms(within, s)) / 0.5)


def processes_spare_everywhere(result: Comparison) -> float:
    burst(result)
    computes(result)

    def spared(within: Comparison, pool: Summary) -> float:
        mode = within.modes[0]
        _, inline = _summary(result, mode, INLINE.get(mode, "inline"))
        return ratio(inline.bystander.p50_ms, pool.bystander.p50_ms) / 5

    return _least(result, PROCESSES, spared, "process-pool")


def serial_drops_its_own(result: Comparison) -> float:
    _, serial = _summary(result, "threading", "inline-serial")
    closed = _closed(result, serial, service_ms(result))
    return float(closed["senders"] > 0 and closed["others"] == 0)


def gevent_drops_innocents(result: Comparison) -> float:
    if any(run.outcomes["answered"] for run in result.runs):  # the senders may all have been dropped too
        computes(result)
    _, inline = _summary(result, "gevent", "inline")
    return float(_closed(result, inline, burst(result) * service_ms(result))["others"] > 0)


def _closed(result: Comparison, summary: Summary, busy_ms: float) -> Mapping[str, int]:
    """Of a run that is busy for longer than its heartbeat allows: how many connections were closed, and whose."""
    run = result.of(summary.strategy)[0]
    beats = run.environment.get("heartbeats") or {}
    if busy_ms < 1000 * sum(beats.get(key, math.inf) for key in ("interval_s", "timeout_s")):
        raise Untestable("needs work that takes longer than ping interval and timeout together")
    closed: Mapping[str, int] = run.environment["closed"]
    return closed


def _least(
    result: Comparison,
    names: dict[str, str],
    headroom: Callable[[Comparison, Summary], float],
    usual: str = "inline",
) -> float:
    """The smallest of all modes that were measured; two at least, or it would be no claim on modes."""
    modes = [mode for mode in result.modes if mode != "gevent-unpatched"]
    if len(modes) < 2:
        raise Untestable("needs runs in two modes or more")
    return float(np.min([headroom(*_summary(result, mode, names.get(mode, usual))) for mode in modes]))
