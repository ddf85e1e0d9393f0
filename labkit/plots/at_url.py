"""The figures of what was fired at an app of the reader's: who waited how long, over time, and at which server."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.base.text import about
from labkit.plots.runs import dots
from labkit.plots.style import BLUE, RED, WIDTH_IN, apart, log_ms, message, short, styled
from labkit.runs.one_app import AcrossServers
from labkit.runs.run import Float64, Int64, Run
from labkit.runs.summary import Distribution


@styled
def over_time(run: Run, *, title: str | None = None) -> Figure:
    """Latency over the time at which events were due: own answers above, the bystander's below.

    Args:
        run: what was measured.
        title: instead of the finding.
    """
    figure, (own, bystander) = plt.subplots(2, 1, sharex=True, figsize=(WIDTH_IN, 4.8))
    _latencies(own, run.events["intended"], run.own_ms, BLUE, f"Own answers: {_told(run.own_ms)}")
    _latencies(bystander, run.pings["intended"], run.bystander_ms, RED, f"Bystander: {_told(run.bystander_ms)}")
    bystander.set_xlabel(f"due, seconds from the start ({run.plan.name}, each {run.work})")
    message(figure, title or _finding(run))
    return figure


@styled
def by_server(found: AcrossServers, *, title: str | None = None) -> Figure:
    """Own answers and the bystander's, a row for each server: of :func:`labkit.compare_servers`.

    Args:
        found: what was measured. A server that was left out has no row.
        title: instead of the finding.
    """
    result = found.result
    names = result.strategies
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(WIDTH_IN, 2.1 + 0.34 * len(names)))
    parts = (("own", "Own answer", BLUE), ("bystander", "Bystander", RED))
    for axes, (of, heading, colour) in zip(panels, parts, strict=True):
        for row, name in enumerate(names):
            dots(axes, row, [Distribution.of(getattr(run, f"{of}_ms")) for run in result.of(name)], colour)
        axes.set_title(heading)
        log_ms(axes, "x", minimum_decades=2, ticks=5)
        axes.set_xlabel("latency (ms, log scale)")
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(names)), [short(name) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    apart(figure)
    first = result.runs[0]
    message(figure, title or next(iter(found.soonest), _finding(first)))
    told = f"{first.strategy}: {first.plan.name}, each {first.work}.\n"
    told += "Ring: a run's median; bar: the median of these; line: to the largest."
    figure.supxlabel(told, fontsize=8.5, color="#555555", x=0.01, ha="left")
    return figure


def _finding(run: Run) -> str:
    """Half of the answers, and half of a bystander's, as far as they are known."""
    own, bystander = (Distribution.of(latency_ms) for latency_ms in (run.own_ms, run.bystander_ms))
    told = [f"{run.work} is answered after {about(own.p50_ms)}"] if len(own) else []
    told += [f"a bystander after {about(bystander.p50_ms)}"] if len(bystander) else []
    if not told:
        return f"Nobody knows how long {run.work} takes"
    return f"{', '.join(told)} (median{'s'[: len(told) > 1]})"


def _latencies(axes: Axes, due_ns: Int64, latency_ms: Float64, colour: str, title: str) -> None:
    due_s = due_ns / NS_PER_S
    came = np.isfinite(latency_ms)
    axes.plot(due_s[came], np.maximum(latency_ms[came], 1 / NS_PER_MS), "o", color=colour, markersize=3, alpha=0.6)
    never = np.isposinf(latency_ms)
    if never.any():
        top = axes.get_xaxis_transform()
        axes.plot(due_s[never], np.full(int(never.sum()), 0.96), "x", color=colour, transform=top, clip_on=False)
    axes.set_title(title)
    axes.set_ylabel("ms (log scale)")
    if came.any():
        log_ms(axes, "y", minimum_decades=1)


def _told(latency_ms: Float64) -> str:
    """The median, the tail, and how many never came."""
    known = Distribution.of(latency_ms)
    if not len(known):
        return "not known"
    never = int(np.isposinf(known.values_ms).sum())
    lost = f"; {never} of {len(known)} never (x)" if never else ""
    return f"median {about(known.p50_ms)}, {known.tail_text}{lost}"
