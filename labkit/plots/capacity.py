"""Latency against rate: what was measured at each rate, the bracket, and what theory says of the same arrivals."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.experiments.capacity import BREAKS, HOLDS, Capacity, Trial
from labkit.plots.style import BLACK, BLUE, RED, SKY, WIDTH_IN, log_ms, message, styled
from labkit.runs.summary import Distribution


@styled
def capacity_curve(*found: Capacity, title: str | None = None) -> Figure:
    """p98 of callers and bystander by rate, one panel a strategy; theory is first in first out at the same arrivals."""
    figure, panels = plt.subplots(
        1, len(found), sharey=True, squeeze=False, figsize=(WIDTH_IN if len(found) > 1 else 5.8, 3.9)
    )
    for axes, capacity in zip(panels[0], found, strict=True):
        _panel(axes, capacity)
    panels[0, 0].set_ylabel("p98, ms (log scale)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    message(figure, title or "\n".join(f"{c.strategy}: {c.bracket} within {c.bound_ms:g} ms" for c in found))
    return figure


def _panel(axes: Axes, found: Capacity) -> None:
    trials = sorted(found.trials, key=lambda trial: trial.rate_hz)
    _points(axes, trials, "own", BLUE, "o", "callers")
    _points(axes, trials, "bystander", RED, "s", "bystander")
    axes.axhline(found.bound_ms, color=BLACK, linestyle=":", linewidth=1.2, label=f"bound, {found.bound_ms:g} ms")
    if found.low_hz and np.isfinite(found.high_hz):
        axes.axvspan(found.low_hz, found.high_hz, color=SKY, alpha=0.25, linewidth=0, label="the bracket")
    rates = [t.rate_hz for t in trials]
    if np.isfinite(found.throughput_hz) and rates:
        at = np.linspace(min(0.3 * found.throughput_hz, *rates), max(1.2 * found.throughput_hz, *rates), 60)
        kind = "M/D/c" if found.arrivals == "poisson" else "D/D/c"
        predicted = [found.theory_ms(rate, found.seconds) for rate in at]
        axes.plot(at, predicted, color=BLACK, linewidth=1.4, label=f"theory: {kind}, first in first out")
        axes.set_title(f"{found.strategy}\ntheory with c = {found.servers}, {found.service_ms:.3g} ms each")
    else:
        axes.set_title(found.strategy)
    axes.set_xlim(left=0)
    axes.set_xlabel("events per second")
    log_ms(axes, "y", minimum_decades=2)


def _points(axes: Axes, trials: list[Trial], of: str, colour: str, mark: str, label: str) -> None:
    """Filled where the rate held, hollow where it did not; an arrow up where answers never came."""
    for trial in trials:
        values: Distribution = getattr(trial, of)
        tail_ms = values.tail[1]
        face = colour if trial.verdict == HOLDS else "white"
        if np.isfinite(tail_ms):
            axes.plot(trial.rate_hz, tail_ms, mark, color=colour, markerfacecolor=face, markersize=6.5)
        elif len(values):
            top = axes.get_xaxis_transform()
            axes.plot(trial.rate_hz, 0.97, "^", color=colour, markerfacecolor=face, markersize=7.5, transform=top)
    axes.plot([], [], mark, color=colour, label=f"{label} (hollow: {BREAKS})")
