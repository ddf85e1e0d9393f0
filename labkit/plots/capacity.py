"""Latency against rate: what was measured at each rate, the bracket, and what theory says of the same arrivals."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.experiments.capacity import HOLDS, Capacity, Trial
from labkit.plots.style import BLACK, BLUE, RED, SKY, WIDTH_IN, log_ms, message, styled
from labkit.runs.summary import Distribution


@styled
def capacity_curve(*found: Capacity, title: str | None = None) -> Figure:
    """p98 of callers and bystander by rate, one panel a strategy; theory is first in first out at the same arrivals.

    A point is hollow where these latencies do not hold; the rate does not then, even if the others do.
    """
    figure, panels = plt.subplots(1, len(found), sharey=True, squeeze=False, figsize=(WIDTH_IN, 3.9))
    for axes, capacity in zip(panels[0], found, strict=True):
        _panel(axes, capacity)
    panels[0, 0].set_ylabel("p98 latency (ms, log scale)")
    entries = {label: mark for axes in panels[0] for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    message(figure, title or "\n".join(f"{c.strategy}: {c.bracket} within {c.bound_ms:g} ms" for c in found))
    return figure


def _panel(axes: Axes, found: Capacity) -> None:
    trials = sorted(found.trials, key=lambda trial: trial.rate_hz)
    broke = [_points(axes, trials, of, found.bound_ms) for of in ("own", "bystander")]
    if any(broke):
        axes.plot(
            [], [], "D", color="#666666", markerfacecolor="white", label="hollow: above the bound, or still growing"
        )
    axes.axhline(found.bound_ms, color=BLACK, linestyle=":", linewidth=1.2, label=f"bound, {found.bound_ms:g} ms")
    if found.low_hz and np.isfinite(found.high_hz):
        axes.axvspan(found.low_hz, found.high_hz, color=SKY, alpha=0.25, linewidth=0, label="the bracket")
    rates = [t.rate_hz for t in trials]
    if np.isfinite(found.throughput_hz) and rates:
        at = np.linspace(min(0.3 * found.throughput_hz, *rates), max(1.2 * found.throughput_hz, *rates), 60)
        arrivals = "random" if found.arrivals == "poisson" else "even"
        predicted = [found.theory_ms(rate, found.seconds) for rate in at]
        axes.plot(at, predicted, color=BLACK, linewidth=1.4, label=f"theory: {arrivals} arrivals, first in first out")
        at_a_time = f"{found.servers} events at a time" if found.servers > 1 else "one event at a time"
        axes.set_title(f"{found.strategy}\ntheory: {at_a_time}, {found.service_ms:.3g} ms each")
    else:
        axes.set_title(found.strategy)
    axes.set_xlim(left=0)
    axes.set_xlabel("events per second")
    log_ms(axes, "y", minimum_decades=2)


#: Of whom: colour, mark, and what the legend says.
_OF = {"own": (BLUE, "o", "callers"), "bystander": (RED, "s", "bystander")}


def _points(axes: Axes, trials: list[Trial], of: str, bound_ms: float) -> bool:
    """Filled where these latencies hold, hollow where they do not; an arrow up where answers never came.

    Returns:
        Whether one of them is hollow.
    """
    colour, mark, label = _OF[of]
    broke = False
    for trial in trials:
        values: Distribution = getattr(trial, of)
        tail_ms = values.tail[1]
        # A rate also breaks where latencies are within the bound and still growing: those are the callers'.
        hollow = tail_ms > bound_ms or (of == "own" and trial.verdict != HOLDS and _within(trial.bystander, bound_ms))
        broke = broke or bool(hollow)
        face = "white" if hollow else colour
        if np.isfinite(tail_ms):
            axes.plot(trial.rate_hz, tail_ms, mark, color=colour, markerfacecolor=face, markersize=6.5)
        elif len(values):
            top = axes.get_xaxis_transform()
            axes.plot(trial.rate_hz, 0.97, "^", color=colour, markerfacecolor=face, markersize=7.5, transform=top)
    axes.plot([], [], mark, color=colour, label=label)
    return broke


def _within(values: Distribution, bound_ms: float) -> bool:
    return not values.tail[1] > bound_ms
