"""Load that lasts: own latency, the bystander's and goodput against utilisation, with theory and a capacity."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from labkit.base.text import about
from labkit.experiments.capacity import Capacity
from labkit.experiments.sustained import Sustained, goodput
from labkit.plan.queueing import utilisation
from labkit.plots.load import LINES
from labkit.plots.style import BLACK, SKY, WIDTH_IN, message, shortest, styled, wrapped
from labkit.plots.titles import SAME
from labkit.runs.summary import Summary

#: A panel of milliseconds reaches at least so far: below it, noise would fill it.
LEAST_MS = 20.0

#: Where theory is followed between the loads that were measured.
CURVE = 40

#: Each line's own mark, so that it can be told without colours.
MARKS = "osD^vPX"

#: A share from which on it is nearly everybody.
MOST = 0.9

#: How far apart labels are kept, as a part of a panel's height.
APART = 0.105


@dataclass(frozen=True)
class _Label:
    """The text at a line's end."""

    text: str
    colour: str
    x: float
    y: float  # inf where the line has left the panel: never


@styled
def sustained(found: Sustained, capacity: Capacity | None = None, *, title: str | None = None) -> Figure:
    """Own latency, bystander latency and goodput against utilisation; a line a strategy, labelled at its end.

    Args:
        found: of :func:`labkit.sustain`.
        capacity: of :func:`labkit.capacity` with the same work; its bracket is shaded, in utilisation.
        title: instead of the finding.
    """
    figure, panels = plt.subplots(3, 1, sharex=True, figsize=(WIDTH_IN, 6.8), height_ratios=(1.35, 1, 1))
    own, bystander, good = panels
    labels: list[list[_Label]] = [[], [], []]
    for number, name in enumerate(found.strategies):
        look = (*LINES[number % len(LINES)], MARKS[number % len(MARKS)])
        text = shortest(name, found.strategies) + ("*" if name in found.elsewhere else "")
        tails = [(load, summary.own.tail[1]) for load, summary in _of(found, name)]
        own.plot(*_finite(tails), color=look[0], linewidth=0.8, alpha=0.8)
        for axes, kept, value in zip(panels, labels, _VALUES, strict=True):
            kept.append(_line(axes, [(load, value(s)) for load, s in _of(found, name)], look, text))
    _theory(own, good, found, labels)
    _heights(own, bystander, good)
    for axes, kept in zip(panels, labels, strict=True):
        _place(axes, kept)
    own.set_title("Own answer, ms: the median, and thin the tail (p98 or the longest; it ends where that is never)")
    bystander.set_title("Bystander, who only pings, ms: the median")
    good.set_title(f"Goodput, % of the events: answered within {found.bounds_ms[1]:g} ms")
    good.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    good.set_xlabel("utilisation: what arrives, in % of what can be done")
    good.set_xlim(0, 100 * found.loads[-1] * 1.03)
    good.set_xticks([100 * load for load in found.loads], [f"{load:.0%}" for load in found.loads])
    shaded = "" if capacity is None else _shade(panels, found, capacity)
    message(figure, title or _finding(found))
    figure.supxlabel(wrapped(_caption(found) + shaded, 130), fontsize=8.5, color="#555555", x=0.01, ha="left")
    return figure


_VALUES: tuple[Callable[[Summary], float], ...] = (
    lambda summary: summary.own.p50_ms,
    lambda summary: summary.bystander.p50_ms,
    lambda summary: 100 * summary.goodput,
)


def _of(found: Sustained, name: str) -> list[tuple[float, Summary]]:
    """Of a strategy its summary at each load, in % of what can be done."""
    return [
        (100 * load, result[name])
        for load, result in zip(found.loads, found.results, strict=True)
        if name in result.strategies
    ]


def _finite(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Up to where a line leaves the panel."""
    there = [(x, y) for x, y in points if math.isfinite(y)]
    return [x for x, _ in there], [y for _, y in there]


def _line(axes: Axes, points: Sequence[tuple[float, float]], look: tuple[str, str, str], name: str) -> _Label:
    """A strategy's line; an arrow at the top where the value is infinite: never."""
    colour, style, mark = look
    axes.plot(*_finite(points), color=colour, linestyle=style, marker=mark, markersize=5, markerfacecolor="white")
    for x, y in points:
        if math.isinf(y):
            axes.plot(x, 0.96, "^", color=colour, markersize=7, transform=axes.get_xaxis_transform())
    x, y = points[-1]
    return _Label(f"{name}: never" if math.isinf(y) else name, colour, x, y)


def _theory(own: Axes, good: Axes, found: Sustained, labels: list[list[_Label]]) -> None:
    """What queueing theory says of the same arrivals, dashed; sharing only of work that holds a core."""
    loads = np.unique([*np.linspace(min(0.2, found.loads[0]), found.loads[-1], CURVE), *found.loads])
    said = [found.predicted(load) for load in loads]
    models = [("theory: first in, first out", [theory.fifo for theory in said], "--")]
    if found.computes:
        models.append(("theory: sharing", [theory.sharing for theory in said], "-."))
    for name, latencies, style in models:
        medians = [each.p50_ms for each in latencies]
        shares = [100 * goodput(each, found.bounds_ms[1]) for each in latencies]
        for axes, values, kept in ((own, medians, labels[0]), (good, shares, labels[2])):
            axes.plot(100 * loads, values, color=BLACK, linestyle=style, linewidth=1.1)
            kept.append(_Label(name, BLACK, 100 * float(loads[-1]), values[-1]))


def _heights(own: Axes, bystander: Axes, good: Axes) -> None:
    for axes in (own, bystander):
        drawn = [
            float(np.max(line.get_ydata()))
            for line in axes.lines
            if line.get_transform() == axes.transData and len(np.atleast_1d(line.get_ydata()))
        ]
        axes.set_ylim(0, 1.08 * max([LEAST_MS, *drawn]))
    good.set_ylim(0, 106)


def _place(axes: Axes, labels: Sequence[_Label]) -> None:
    """Each label right of the panel, as near to its line's end as the others let it, and tied to it."""
    top = axes.get_ylim()[1]
    wanted = sorted(labels, key=lambda label: label.y)
    heights = [min(0.96, label.y / top) for label in wanted]
    for label, height in zip(wanted, apart(heights, APART), strict=True):
        axes.annotate(
            label.text,
            (label.x, min(label.y, 0.96 * top)),
            (1.05, height),
            textcoords="axes fraction",
            color=label.colour,
            fontsize=8.5,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": label.colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Ascending heights between 0 and 1, so far apart and moved as little as that takes (least squares).

    Less the distances that must lie below them, heights must not fall: an isotonic regression, by pooling neighbours
    that do (Ayer et al. 1955).
    """
    least = min(least, 1 / max(1, len(heights)))
    pools: list[list[float]] = []
    for place, height in enumerate(heights):
        pools.append([height - place * least])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    free = max(0.0, 1 - least * (len(heights) - 1))
    level = [min(max(fmean(pool), 0.0), free) for pool in pools for _ in pool]
    return [height + place * least for place, height in enumerate(level)]


def _shade(panels: Sequence[Axes], found: Sustained, capacity: Capacity) -> str:
    """The bracket of a capacity, in utilisation; what the band is, as a sentence. Nothing where none was found."""
    if capacity.low_hz == 0 and math.isinf(capacity.high_hz):
        return f" The capacity of {capacity.strategy} was not found."
    right = panels[-1].get_xlim()[1]
    low, high = (
        100 * utilisation(hz, capacity.service_ms / 1000, found.servers) if math.isfinite(hz) else right
        for hz in (capacity.low_hz, capacity.high_hz)
    )
    for axes in panels:
        axes.axvspan(low, min(high, right), color=SKY, alpha=0.3, linewidth=0, zorder=0)
    return f" Shaded: the capacity of {capacity.strategy}, {capacity.bracket} within {capacity.bound_ms:g} ms."


def _caption(found: Sustained) -> str:
    first = found.results[0].runs[0]
    who = "one client" if first.plan.connections == 1 else f"{first.plan.connections} clients"
    told = f"{first.work}; Poisson arrivals for {found.seconds:g} s from {who}. 100% is {found.full}."
    if set(found.elsewhere) & set(found.strategies):
        told += " *: works in other processes, whose own utilisation is another."
    return told


def _finding(found: Sustained) -> str:
    """What the highest load does, and what the lightest: computed from what is drawn."""
    load, result = found.loads[-1], found.results[-1]
    shares = {shortest(name, found.strategies): result[name].goodput for name in result.strategies}
    best, worst = max(shares, key=lambda n: shares[n]), min(shares, key=lambda n: shares[n])
    if shares[best] > 0 and shares[best] >= SAME * shares[worst]:
        told = f"At {load:.0%}, {best} answers {shares[best]:.0%} in time, {worst} {shares[worst]:.0%}."
    else:
        told = _medians(found)
    if len(found.loads) == 1:
        return told
    least = min(found.results[0].summaries, key=lambda summary: summary.goodput)
    if least.goodput < MOST or len(shares) == 1:
        who, many = shortest(least.strategy, found.strategies), f"{least.goodput:.0%}"
    else:
        who = "every strategy"
        many = "everybody" if least.goodput == 1 else f"{math.floor(100 * least.goodput)}% or more"
    return f"{told}\nAt {found.loads[0]:.0%}, {who} answers {many} in time."


def _medians(found: Sustained) -> str:
    """Whose callers wait longest and whose least, at the highest load."""
    result = found.results[-1]
    waits = {shortest(name, found.strategies): result[name].own.p50_ms for name in result.strategies}
    longest, least = max(waits, key=lambda n: waits[n]), min(waits, key=lambda n: waits[n])
    at = f"At {found.loads[-1]:.0%}, the median caller waits {about(waits[longest])}"
    if len(waits) == 1:
        return f"{at} under {longest}."
    if waits[longest] >= SAME * waits[least]:
        return f"{at} under {longest}, {about(waits[least])} under {least}."
    return f"{at} at most, under {longest}."
