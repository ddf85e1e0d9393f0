"""The lines of the advice in the modes that apps are deployed in: gunicorn's threads, gevent, an event loop."""

import math
from collections.abc import Callable

import numpy as np

from labkit.base.clock import NS_PER_MS
from labkit.base.text import ratio
from labkit.claims.claim import ONE, Claim
from labkit.claims.evidence import Untestable, burst, computes, pings_meanwhile, service_ms, waits, work_cpu_ms
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import Conditions
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import Summary

_BLOCKS = "Heavy work inside the event handler (A) blocks the main thread."
_FREE = "B keeps the main thread free for the UI and other events."
_BACKGROUND = "Use background threads or async tasks for expensive computation."

#: Of each mode the strategy that calculates in its handler, and the one whose work another process does.
INLINE = {"asgi": "asgi-inline"}
PROCESSES = {"asgi": "asgi-process-pool"}


def _summary(result: Comparison, mode: str, strategy: str) -> tuple[Comparison, Summary]:
    if mode not in result.modes:
        raise Untestable(f"needs runs in mode {mode}")
    within = result.within(mode)
    if strategy not in within.strategies:
        raise Untestable(f"needs runs of {strategy} in mode {mode}")
    return within, within[strategy]


def _first_share(result: Comparison, mode: str, strategy: str, earlier: float = 0.0) -> float:
    """When the first answer came, as a share of when the last did; the median of the runs. 1 is all at once.

    `earlier` is a share of the answers to look beyond, of which the latest counts.
    """
    within, _ = _summary(result, mode, strategy)
    shares = []
    for run in within.of(strategy):
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
    return float(closed.closed_senders > 0 and closed.closed_others == 0)


def gevent_drops_innocents(result: Comparison) -> float:
    if any(run.outcomes["answered"] for run in result.runs):  # the senders may all have been dropped too
        computes(result)
    _, inline = _summary(result, "gevent", "inline")
    return float(_closed(result, inline, burst(result) * service_ms(result)).closed_others > 0)


def _closed(result: Comparison, summary: Summary, busy_ms: float) -> Conditions:
    """Of a run that is busy for longer than its heartbeat allows: how many connections were closed, and whose."""
    run = result.of(summary.strategy)[0]
    beats = run.conditions.heartbeats
    if beats is None or busy_ms < (beats.interval_ns + beats.timeout_ns) / NS_PER_MS:
        raise Untestable("needs work that takes longer than ping interval and timeout together")
    return run.conditions


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


CLAIMS = (
    Claim(
        slug="neighbours-wait-everywhere",
        lines=(2, 3),
        quote=_BLOCKS,
        sentence="In every mode, while handlers compute, a bystander waits longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work, inline, two modes or more",
        margin="bystander's median at least half the work's CPU time; theory: a turn of the GIL, or the whole queue",
        judge=neighbours_wait_everywhere,
    ),
    Claim(
        slug="gevent-sends-at-the-end",
        lines=(3,),
        quote="A therefore causes UI lag and delayed responses.",
        sentence="If one client sends everything to gevent and its handlers compute, all answers leave together at the "
        "end.",
        reading="server thread",
        condition="burst of computing work from one client, inline, mode gevent",
        margin="the first answer not before half of the time of the last; theory: at the end, since what sends it gets "
        "its turn when no handler is left (of many clients, whoever is read first may be answered first)",
        judge=gevent_sends_at_the_end,
        who=ONE,
    ),
    Claim(
        slug="gevent-task-spares-nobody",
        lines=(5, 12),
        quote=_FREE,
        sentence="Under gevent everybody waits for a background task that computes, as for a handler.",
        reading="server thread",
        condition="burst of computing work, background-task, mode gevent",
        margin="median wait of the bystander's pings that were due during the work, at least a fifth of the burst's "
        "work; theory: half of it",
        judge=hub_waits,
    ),
    Claim(
        slug="gevent-waits-well",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="Under gevent, patched, handlers that wait answer everybody after little more than one wait.",
        reading="connection",
        condition="burst of waiting work, inline, mode gevent",
        margin="the last answer within two service times; theory: one",
        judge=gevent_waits_well,
    ),
    Claim(
        slug="unpatched-gevent-waits-in-line",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="If one client sends everything to unpatched gevent, its waiting handlers wait in line, and all "
        "answers leave together at the end.",
        reading="server thread",
        condition="burst of waiting work from one client, inline, mode gevent-unpatched",
        margin="own median at least half of the burst's work, all answers but the first quarter not before half of the "
        "time of the last; theory: all of it, and together",
        judge=unpatched_waits_in_line,
        who=ONE,
    ),
    Claim(
        slug="loop-waits-for-its-handler",
        lines=(2, 12),
        quote=_BLOCKS,
        sentence="On an event loop everybody waits for a handler that waits without await.",
        reading="server thread",
        condition="burst of waiting work, asgi-inline, mode asgi",
        margin="bystander's median at least a quarter of the burst's work; theory: half of it",
        judge=loop_waits,
    ),
    Claim(
        slug="to-thread-frees-the-loop",
        lines=(5, 12),
        quote=_BACKGROUND,
        sentence="Handed to a thread and awaited, waiting work leaves the loop free.",
        reading="server thread",
        condition="burst of waiting work, asgi-to-thread, mode asgi",
        margin="bystander's median under half a service time; theory: nothing",
        judge=to_thread_frees_the_loop,
    ),
    Claim(
        slug="to-thread-shares-the-gil",
        lines=(5, 12),
        quote=_BACKGROUND,
        sentence="Handed to a thread and awaited, computing work makes everybody wait for longer than half a "
        "calculation.",
        reading="server thread",
        condition="burst of computing work, asgi-to-thread, mode asgi",
        margin="bystander's median at least half the work's CPU time; "
        "theory: each of its steps waits a turn of the GIL",
        judge=to_thread_shares_the_gil,
    ),
    Claim(
        slug="processes-spare-everywhere",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="In every mode another process spares the neighbours.",
        reading="server thread",
        condition="burst of computing work, inline and process-pool, two modes or more",
        margin="bystander's median at least five times less than under inline; theory: no GIL is held",
        judge=processes_spare_everywhere,
    ),
    Claim(
        slug="serial-drops-its-own-client",
        lines=(2, 3, 13),
        quote=_BLOCKS,
        sentence="A serial handler that takes longer than the heartbeat allows loses its own client, and nobody else.",
        reading="connection",
        condition="one event of work that takes longer than ping interval and timeout together, inline-serial",
        margin="exact: its connection is closed, those of bystander and listener are not",
        judge=serial_drops_its_own,
        exact=True,
        who=ONE,
    ),
    Claim(
        slug="gevent-drops-innocents",
        lines=(2, 3, 13),
        quote=_BLOCKS,
        sentence="If one client's handlers compute under gevent for longer than the heartbeat allows, clients are lost "
        "that sent nothing.",
        reading="server thread",
        condition="burst of computing work from one client, longer than ping interval and timeout together, inline, "
        "mode gevent",
        margin="exact: a connection of bystander or listener is closed (of many clients, whoever is read first may be "
        "answered first, and heartbeats with it)",
        judge=gevent_drops_innocents,
        exact=True,
        who=ONE,
    ),
)
