"""INP against staleness, way by way: either alone can mislead."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labkit.browser.frontier import Point, best, points
from labkit.browser.passes import SHORTEST_MS
from labkit.browser.rendering import Rendering
from labkit.plots.nothing import nothing
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, log_ms, message, short, styled
from labkit.runs.summary import BOUNDS_MS

_GREY = "#999999"
_MARKS = "osD^vPX*<>hd"
_COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, "#8C8C00")


@styled
def frontier(result: Rendering, *, title: str | None = None) -> Figure:
    """INP against staleness, a panel per number of rows: low and left is good, and either alone can mislead.

    Each way has a colour and a shape, each rate a size. Filled marks are on the frontier: nothing under the same load
    is as good in both and better in one. Where there are several runs, small rings show each. A few marks are named
    where they are; many have a legend.
    """
    found = points(result)
    if not result.measured:
        return nothing(result)
    ways = list(dict.fromkeys(point.way for point in found))
    rates = sorted({point.rate_hz for point in found})
    many = sorted({point.rows for point in found}) or [0]
    figure, panels = plt.subplots(1, len(many), sharex=True, sharey=True, squeeze=False, figsize=(WIDTH_IN, 4.6))
    first_best = best(found)
    size = {rate: 6 + 5.0 * place / max(1, len(rates) - 1) for place, rate in enumerate(rates)}
    for axes, rows in zip(panels[0], many, strict=True):
        axes.set_title(f"{rows} rows" if len(many) > 1 else "")
        for bound in BOUNDS_MS:
            axes.axvline(bound, color=_GREY, linewidth=1, linestyle=":")
            axes.axhline(bound, color=_GREY, linewidth=1, linestyle=":")
        for point in reversed(found):  # the first way on top: a circle over a square shows both
            if point.rows == rows:
                _mark(axes, point, ways.index(point.way), size[point.rate_hz], filled=point in first_best)
        axes.set_xlabel("staleness p95, ms")
    log_ms(panels[0][0], "x", minimum_decades=2)
    log_ms(panels[0][0], "y", minimum_decades=2)
    panels[0][0].set_ylabel(f"INP, ms (drawn at {SHORTEST_MS} where shorter)")
    if found and len(found) <= _FEW and len(rates) == 1:
        for axes, rows in zip(panels[0], many, strict=True):
            _name_marks(axes, [point for point in found if point.rows == rows])
        figure.supxlabel(
            "filled: no other way is as good in both and better in one (dotted: {:g} and {:g} ms)".format(*BOUNDS_MS),
            fontsize=8.5,
        )
    elif found:
        figure.legend(handles=_legend(ways, rates, size), loc="outside right center")
    message(figure, title or _frontier_finding(result, found, first_best))
    return figure


#: So many marks have room for their names.
_FEW = 6


def _name_marks(axes: Axes, found: Sequence[Point]) -> None:
    """Beside each mark its name, where it covers neither another mark nor another name."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # else nobody knows where the marks come to lie
    pixels = axes.figure.dpi / 72
    places = axes.transData.transform([(point.staleness_ms, point.inp_ms) for point in found] or np.zeros((0, 2)))
    taken = [_Box(x - 6 * pixels, y - 6 * pixels, x + 6 * pixels, y + 6 * pixels) for x, y in places]
    inside = _Box(*axes.bbox.extents)
    for point, (x, y) in sorted(zip(found, places, strict=True), key=lambda each: float(each[1][0])):
        wide, high = 6.2 * len(point.way) * pixels, 12 * pixels
        boxes = {
            (side, up): _Box.beside(x + side * 8 * pixels, y + up * pixels, side * wide, high)
            for up in (0, 10, -10, 20, -20, 30, -30)
            for side in (1, -1)
        }
        side, up = min(boxes, key=lambda place: (boxes[place].outside(inside), sum(map(boxes[place].meets, taken))))
        taken.append(boxes[side, up])
        axes.annotate(
            point.way,
            (point.staleness_ms, point.inp_ms),
            (side * 8, up),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=9,
        )


class _Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    low: float
    right: float
    high: float

    @classmethod
    def beside(cls, x: float, y: float, wide: float, high: float) -> Self:
        """From x to the right by `wide`, to the left where it is negative, and around y."""
        return cls(min(x, x + wide), y - high / 2, max(x, x + wide), y + high / 2)

    def meets(self, other: "_Box") -> bool:
        """Whether they have a point in common."""
        return self.left < other.right and other.left < self.right and self.low < other.high and other.low < self.high

    def outside(self, other: "_Box") -> bool:
        """Whether a part of it lies outside of the other."""
        return self.left < other.left or self.right > other.right or self.low < other.low or self.high > other.high


def _mark(axes: Axes, point: Point, place: int, size: float, *, filled: bool) -> None:
    colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
    if len(point.repeats) > 1:
        x, y = np.array(point.repeats).T
        axes.plot(x, y, mark, color=colour, markerfacecolor="none", markersize=3.5, alpha=0.6)
    face = colour if filled else "white"
    axes.plot(point.staleness_ms, point.inp_ms, mark, color=colour, markerfacecolor=face, markersize=size, zorder=3)


def _legend(ways: Sequence[str], rates: Sequence[float], size: dict[float, float]) -> list[Line2D]:
    def entry(mark: str, colour: str, label: str, points: float = 7, face: str | None = None) -> Line2D:
        return Line2D([], [], linestyle="", marker=mark, color=colour, markersize=points, label=label,
                      markerfacecolor=face or colour)  # fmt: skip

    shown = [entry(_MARKS[i % 12], _COLOURS[i % 8], short(way)) for i, way in enumerate(ways)]
    shown += [entry("o", _GREY, f"{rate:g} updates/s", size[rate]) for rate in rates] if len(rates) > 1 else []
    shown.append(entry("o", BLACK, "on the frontier\nof its load"))
    shown.append(entry("o", BLACK, "another way is\nbetter", face="white"))
    return shown


def _frontier_finding(result: Rendering, found: Sequence[Point], on_it: Sequence[Point]) -> str:
    good, old = BOUNDS_MS
    worst = max((p for p in found if p.inp_ms <= good), key=lambda p: p.staleness_ms, default=None)
    if worst is not None and worst.staleness_ms > old:
        return f"{worst.way} has a good INP, and what it shows is {worst.staleness_ms / 1000:.1f} s old"
    if found and all(p.inp_ms <= good for p in found):
        return "Every way has a good INP here; staleness tells them apart"
    return "INP and staleness, way by way"
