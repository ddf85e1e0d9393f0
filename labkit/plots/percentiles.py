"""Latency by percentile: how long the slowest waited, as far as the sample supports it."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from labkit.base.errors import UsageError
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, log_ms, message, styled
from labkit.plots.titles import longest_and_shortest
from labkit.runs.comparison import Comparison
from labkit.runs.summary import SAMPLES_BEYOND, Distribution


@styled
def distribution(result: Comparison, *, of: str = "own", linear: bool = False, title: str | None = None) -> Figure:
    """Latency by percentile, as far as the sample supports it.

    Args:
        result: what was measured.
        of: ``own``, ``bystander``, ``handler_blocking``, or ``lateness``: the client's own.
        linear: both axes; waits that are spread evenly are a ramp then. Otherwise the tail has most of the room.
        title: instead of the finding.
    """
    values_of = {name: _distribution_of(result, name, of) for name in result.strategies}
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 3.9))
    marks = "osD^vPX*"
    palette = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, "#8C8C00")
    for i, name in enumerate(result.strategies):
        values = values_of[name]
        supported = np.arange(1, len(values) - SAMPLES_BEYOND + 1)
        if len(supported) == 0:
            continue
        beyond = len(values) / (len(values) - supported)  # 2 at the median, 10 at p90
        percent = 100 - 100 / beyond
        (line,) = axes.plot(
            percent if linear else beyond,
            values.values_ms[supported - 1],
            label=name,
            color=palette[i % len(palette)],
            marker=marks[i % len(marks)],
        )
        line.set_markevery(max(1, len(beyond) // 6))
    _percentile_axes(axes, linear)
    if axes.lines:
        # From top to bottom as the lines end.
        ends = sorted(axes.lines, key=lambda line: float(np.asarray(line.get_ydata())[-1]), reverse=True)
        axes.legend(handles=ends, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.text(0.5, 0.5, f"too few samples: {SAMPLES_BEYOND} must lie beyond", ha="center", transform=axes.transAxes)
    message(figure, title or longest_and_shortest(_WHAT[of], {n: values.p50_ms for n, values in values_of.items()}))
    return figure


def _percentile_axes(axes: Axes, linear: bool) -> None:
    """Percentiles from left to right; where the axes are not linear, each ninety-nine has as much room as each nine."""
    axes.set_xlabel(f"percentile (a line ends where {SAMPLES_BEYOND} samples lie beyond it)")
    if linear:
        axes.set_xlim(0, 100)
        axes.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 90, 100]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"p{x:g}"))
        axes.set_ylim(bottom=0)
        axes.set_ylabel("latency (ms)")
        return
    best = max((float(np.asarray(line.get_xdata())[-1]) for line in axes.lines), default=2.0)
    axes.set_xscale("log")
    ticks = [t for t in (1, 2, 4, 10, 50, 100, 1000, 10_000) if t <= best * 1.05]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"p{100 - 100 / x:.4g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    log_ms(axes, "y", minimum_decades=1)
    axes.set_ylabel("latency (ms, log scale)")


def _distribution_of(result: Comparison, name: str, of: str) -> Distribution:
    if of not in _WHAT:
        raise UsageError(f"a distribution is of {', '.join(_WHAT)}, not of {of!r}")
    return Distribution.of(np.concatenate([getattr(run, f"{of}_ms") for run in result.of(name)]))


_WHAT = {
    "own": "Own answers",
    "bystander": "A bystander's pings",
    "handler_blocking": "Handlers",
    "lateness": "The client's own lateness",
}
