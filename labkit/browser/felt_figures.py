"""What a person feels, drawn: INP beside what it does not see, the age of what is shown and the wait for a result."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labkit.browser.frontier import SHORTEST_MS, Point, best, points
from labkit.browser.nothing import nothing
from labkit.browser.rendering import Rendering
from labkit.browser.table import inp_verdict
from labkit.metrics import BOUNDS_MS
from labkit.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, log_ms, message, short, styled

GREY = "#999999"
_MARKS = "osD^vPX*<>hd"
_COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, "#8C8C00")


@styled
def frontier(result: Rendering, *, title: str | None = None) -> Figure:
    """INP against staleness, a panel a number of rows: low and left is good, and either alone can mislead.

    A colour and a shape a way, a size a rate. Filled marks are on the frontier: nothing under the same load is as good
    in both and better in one. Where there are several runs, small rings show each.
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
            axes.axvline(bound, color=GREY, linewidth=1, linestyle=":")
            axes.axhline(bound, color=GREY, linewidth=1, linestyle=":")
        for point in reversed(found):  # the first way on top: a circle over a square shows both
            if point.rows == rows:
                _mark(axes, point, ways.index(point.way), size[point.rate_hz], filled=point in first_best)
        axes.set_xlabel("staleness p95, ms")
    log_ms(panels[0][0], "x", minimum_decades=2)
    log_ms(panels[0][0], "y", minimum_decades=2)
    panels[0][0].set_ylabel(f"INP, ms ({SHORTEST_MS} or less at {SHORTEST_MS})")
    if found:
        figure.legend(handles=_legend(ways, rates, size), loc="outside right center")
    message(figure, title or _frontier_finding(result, found, first_best))
    return figure


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
    shown += [entry("o", GREY, f"{rate:g} updates/s", size[rate]) for rate in rates] if len(rates) > 1 else []
    shown.append(entry("o", BLACK, "on the frontier\nof its load"))
    shown.append(entry("o", BLACK, "another way is\nbetter", face="white"))
    return shown


def _frontier_finding(result: Rendering, found: Sequence[Point], on_it: Sequence[Point]) -> str:
    good, old = BOUNDS_MS
    worst = max((p for p in found if p.inp_ms <= good), key=lambda p: p.staleness_ms, default=None)
    if worst is not None and worst.staleness_ms > old:
        return f"INP calls {worst.way} good; what it shows is {worst.staleness_ms / 1000:.1f} s old"
    if found and all(p.inp_ms <= good for p in found):
        return "Every way has a good INP here; staleness tells them apart"
    return "INP and staleness, way by way"


@styled
def seen(result: Rendering, *, guess_ms: float | None = None, title: str | None = None) -> Figure:
    """From the click to its result, a ring a click; and INP, a bar a run. Dotted: 200 and 500 ms.

    Args:
        result: ways that were clicked, as from `tour` or `interact`.
        guess_ms: the reader's guess of INP.
        title: instead of the finding.
    """
    if not result.measured:
        return nothing(result)
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.9 + 0.5 * len(result.measured)))
    for row, each in enumerate(result.measured):
        results_ms = np.concatenate([run.click_to_result_ms for run in each.sound] or [np.zeros(0)])
        inp_ms = [max(SHORTEST_MS, run.inp_ms or 0) for run in each.sound if len(run.clicks["intended"])]
        known = results_ms[~np.isnan(results_ms)]
        axes.plot(known, [row + 0.14] * len(known), "o", color=ORANGE, markerfacecolor="white", markersize=6)
        axes.plot(inp_ms, [row - 0.14] * len(inp_ms), "D", color=BLUE, markersize=8)
    axes.plot([], [], "D", color=BLUE, label=f"INP ({SHORTEST_MS} ms or less at {SHORTEST_MS})")
    axes.plot([], [], "o", color=ORANGE, markerfacecolor="white", label="click to result, each click")
    log_ms(axes, "x", minimum_decades=2)
    for bound in BOUNDS_MS:
        axes.axvline(bound, color=GREY, linewidth=1, linestyle=":")
    if guess_ms is not None:
        axes.axvline(guess_ms, color=RED, linestyle="--", linewidth=1.4, label="your guess")
    axes.set_yticks(range(len(result.measured)), [short(each.name) for each in result.measured])
    axes.set_ylim(len(result.measured) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms (log scale; dotted: 200 and 500)")
    figure.legend(loc="outside lower right", ncols=3)
    message(figure, title or _seen_finding(result))
    return figure


def _seen_finding(result: Rendering) -> str:
    by_verdict: dict[str, list[str]] = {}
    for each in result.measured:
        by_verdict.setdefault(inp_verdict(each), []).append(each.name)
    told = ", ".join(f"{verdict} under {' and '.join(names)}" for verdict, names in by_verdict.items())
    last_s = [each.pooled("click_to_result_ms").max_ms / 1000 for each in result.measured]
    if not all(map(math.isfinite, last_s)):
        return f"INP is {told}"
    between = " to ".join(dict.fromkeys(f"{s:.1f}" for s in (min(last_s), max(last_s))))
    return f"INP is {told}; the last result comes after {between} s"
