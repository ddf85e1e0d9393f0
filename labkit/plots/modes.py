"""Who waits how long under which strategy, in which mode, for which kind of work."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.errors import UsageError
from labkit.base.text import about, milliseconds
from labkit.plan.modes import MODES
from labkit.plots.style import BLUE, ORANGE, WIDTH_IN, apart, log_ms, message, styled
from labkit.runs.comparison import Comparison
from labkit.strategies import NAMES, plain_name

#: Shorter medians than this are alike: below it nobody notices anything.
LOWEST_MS = 1.0

#: What is never acknowledged is drawn so many times beyond the longest wait.
BEYOND = 3.0

#: A strategy and a mode.
Pair = tuple[str, str]


@styled
def by_mode(*results: Comparison, of: str = "bystander", title: str | None = None) -> Figure:
    """Median latency, a row for each strategy and mode that was measured, a panel for each kind of work.

    Of the rows of a panel those that wait clearly longer than the others are drawn hollow: they lie beyond the largest
    gap. The title names them, or the others, whichever are fewer.

    Args:
        results: one for each kind of work, of several modes each.
        of: ``bystander`` or ``own``.
        title: instead of the finding.

    Raises:
        UsageError: no comparison is given, or two are of the same work.
    """
    works = [result.runs[0].work for result in results if result.runs]
    if not works or len(set(works)) < len(results):
        raise UsageError("this figure takes comparisons, each of another kind of work: give at least one")
    medians = [_medians(result, of) for result in results]
    rows = max(len(found) for found in medians)
    figure, panels = plt.subplots(
        1, len(results), sharex=True, squeeze=False, figsize=(WIDTH_IN, max(2.4, 1.5 + 0.27 * rows))
    )
    for axes, work, found in zip(panels[0], works, medians, strict=True):
        _panel(axes, found)
        axes.set_title(work)
        axes.set_xlabel(f"{_WHO[of]}, median (ms, log scale)")
    log_ms(panels[0, 0], "x", minimum_decades=2)
    low_ms, high_ms = panels[0, 0].get_xlim()
    panels[0, 0].set_xlim(low_ms, 1.7 * high_ms)  # room for the number at a mark on the last decade
    apart(figure)
    message(figure, title or "\n".join(map(_finding, works, medians)))
    return figure


_WHO = {"bystander": "bystander", "own": "own answer"}


def _family(name: str) -> str:
    """What is the same handling in several modes goes by one name: that of the event loop as the others."""
    return name.removeprefix("asgi-")


def _medians(result: Comparison, of: str) -> dict[Pair, float]:
    """What was measured, strategies together and in the lab's order; inf where no answer came."""
    if of not in _WHO:
        raise UsageError(f"this figure is of {', '.join(_WHO)}, not of {of!r}")
    found = {}
    for mode in result.modes:
        within = result.within(mode)
        for name in within.strategies:
            if not math.isnan(median_ms := getattr(within[name], of).p50_ms):
                found[name, mode] = median_ms
    # Parameters and clients stand behind it: "inline (10 clients)".
    known = {name: plain_name(name.partition(" (")[0]) for name, _ in found}
    names = {name: NAMES.index(base) if base in NAMES else len(NAMES) for name, base in known.items()}
    families = {_family(name): min(at for n, at in names.items() if _family(n) == _family(name)) for name in names}
    modes = list(MODES)

    def place(pair: Pair) -> tuple[int, str, int]:
        family = _family(pair[0])
        return families[family], family, modes.index(pair[1]) if pair[1] in modes else len(modes)

    return {(_family(name), mode): found[name, mode] for name, mode in sorted(found, key=place)}


def _panel(axes: Axes, found: Mapping[Pair, float]) -> None:
    slow = _slow(found)
    rows = np.arange(len(found))
    for row, (pair, ms) in zip(rows, found.items(), strict=True):
        at_ms = min(ms, _beyond_ms(found))
        colour = ORANGE if pair in slow else BLUE
        mark = ">" if math.isinf(ms) else "o"
        axes.plot(at_ms, row, mark, color=colour, markersize=7, markerfacecolor="white" if pair in slow else colour)
        axes.annotate(milliseconds(ms), (at_ms, row), (7, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_yticks(rows, [f"{name}, {mode}" for name, mode in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    names = [name for name, _ in found]
    for row in rows[1:]:
        if names[row] != names[row - 1]:
            axes.axhline(row - 0.5, color="#BBBBBB", linewidth=0.8)
    axes.grid(axis="y", visible=False)


def _slow(found: Mapping[Pair, float]) -> set[Pair]:
    """Those beyond the largest gap between neighbouring medians, where that is twofold or more; else none."""
    beyond_ms = _beyond_ms(found)
    ranked = sorted(found, key=lambda pair: found[pair])
    waits_ms = [min(beyond_ms, max(LOWEST_MS, found[pair])) for pair in ranked]
    gaps = [longer / shorter for shorter, longer in pairwise(waits_ms)]
    widest = max(range(len(gaps)), key=lambda place: gaps[place], default=None)
    return set() if widest is None or gaps[widest] < 2 else set(ranked[widest + 1 :])


def _beyond_ms(found: Mapping[Pair, float]) -> float:
    """Where what never came is drawn."""
    return BEYOND * max([LOWEST_MS, *(ms for ms in found.values() if math.isfinite(ms))])


def _finding(work: str, found: Mapping[Pair, float]) -> str:
    """How long the slow ones wait and how long the others, with the names of whichever are fewer."""
    slow = _slow(found)
    if not found or min(found.values()) == math.inf:
        return f"{work}: nobody was answered"
    if not slow:
        return f"{work}: {_span(found.values())} everywhere"
    quick = set(found) - slow
    few, others = (quick, slow) if len(quick) <= len(slow) else (slow, quick)
    some, rest = (_span(found[pair] for pair in pairs) for pairs in (few, others))
    return f"{work}: {some} under {_named(few, found)}, {rest} elsewhere"


def _span(waits_ms: Iterable[float]) -> str:
    """From the shortest to the longest: ``0.6 to 0.9 ms``, ``200 ms to never``."""
    ranked = sorted(waits_ms)
    low, high = (milliseconds(ms) for ms in (ranked[0], ranked[-1]))
    if low == high:
        return "never" if math.isinf(ranked[0]) else about(ranked[0])
    return f"{low} ms to never" if math.isinf(ranked[-1]) else f"{low} to {high} ms"


def _named(few: set[Pair], found: Mapping[Pair, float]) -> str:
    """Strategies by name, with their modes where it is not so in all of them."""
    told = []
    for name in dict.fromkeys(name for name, _ in found):
        modes = [mode for each, mode in found if each == name]
        where = [mode for mode in modes if (name, mode) in few]
        if where:
            told.append(name if len(where) == len(modes) else f"{name} ({', '.join(where)})")
    return " and ".join(told)
