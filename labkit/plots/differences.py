"""Two sets of runs side by side: by which factor each figure differs."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from labkit.plots.style import BLUE, GREEN, RED, WIDTH_IN, message, short, styled
from labkit.runs.diff import Diff, Direction

#: Colour and mark of each verdict.
_LOOK = {
    Direction.SLOWER: (RED, "D"),
    Direction.FASTER: (GREEN, "s"),
    Direction.SAME: (BLUE, "o"),
    Direction.UNKNOWN: ("#888888", "x"),
}

#: Factors that an axis may name, and their opposites, so that both sides of 1 can be read alike.
_TICKS = (1.1, 1.2, 1.5, 2, 3, 5, 10, 30, 100, 1000)

#: Two of them lie apart by this share of an axis' half, or their labels would meet.
_APART = 0.18

#: A factor is drawn up to here; what lies beyond is written at the edge.
_MOST = 1000.0


@styled
def diff(found: Diff, *, title: str | None = None) -> Figure:
    """By which factor each figure of the second side is larger: a point and its interval a row, on a log axis.

    Left of the line at 1 it is faster, right of it slower. A grey cross is a figure of which nobody can tell.
    """
    changes = found.changes
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.9 + 0.3 * max(1, len(changes))))
    axes.axvline(1, color="#555555", linewidth=1.2)
    for row, change in enumerate(changes):
        colour, mark = _LOOK[change.direction]
        factor, low, high = change.found.factor, change.found.low, change.found.high
        if math.isnan(factor):
            axes.text(
                0.99, row, "never answered", transform=axes.get_yaxis_transform(), ha="right", va="center", size=8
            )
            continue
        if not math.isnan(low):
            axes.plot(np.clip([low, high], 1 / _MOST, _MOST), [row, row], color=colour, linewidth=2.2, alpha=0.6)
        axes.plot([min(max(factor, 1 / _MOST), _MOST)], [row], mark, color=colour, markersize=6, label=change.direction)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    widest = max(1 / low, high, 1.5)  # 1 stays in the middle
    axes.set_xlim(1 / widest, widest)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(widest)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}x"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{found.names[1]} over {found.names[0]}; left faster, right slower; 95% interval (log scale)")
    axes.set_yticks(range(len(changes)), [f"{short(change.strategy)}  {change.quantity.name}" for change in changes])
    axes.set_ylim(max(1, len(changes)) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4)
    message(figure, title or (found.sentences[0] if found.sentences else "Nothing could be compared"))
    return figure


def _ticks(widest: float) -> list[float]:
    """The factors that are named on an axis from 1 / widest to widest: as many as there is room for."""
    found = [1.0]
    for tick in _TICKS:
        if tick <= widest and math.log(tick / found[-1]) >= _APART * math.log(widest):
            found.append(tick)
    return [*(1 / tick for tick in reversed(found[1:])), *found]
