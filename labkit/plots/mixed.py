"""Figures of mixed traffic: what each kind of event waits, and behind what."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from labkit.base.text import about
from labkit.plots.style import BLACK, BLUE, ORANGE, RED, WIDTH_IN, log_ms, message, short, styled
from labkit.plots.titles import by_kind_title
from labkit.runs.comparison import Comparison
from labkit.runs.kinds import by_cost, came_during
from labkit.runs.run import Run
from labkit.runs.summary import OfKind

#: Of an event by what was under way when it came: a word, colour, mark, size, opacity.
NOTHING, OTHERS, OWN = (
    ("nothing", BLUE, "o", 3.0, 0.35),
    ("others", ORANGE, "^", 4.5, 0.65),
    ("own", RED, "D", 5.0, 0.9),
)


@styled
def by_kind(result: Comparison, *, title: str | None = None) -> Figure:
    """Mixed traffic: own latency of every event, one row a strategy, one panel a kind, from cheap to dear.

    In the panels of cheaper kinds, an event that came while the dearest kind was worked on has another mark: one for an
    event of its own client, one for an event of another. The dashed line is the work when nothing else runs.

    Raises:
        UsageError: the runs are of no mix, or of different ones.
    """
    kinds, names = by_cost(result.runs), result.strategies
    figure, panels = plt.subplots(1, len(kinds), sharey=True, figsize=(WIDTH_IN, 2.2 + 0.5 * len(names)))
    for axes, kind in zip(panels, kinds, strict=True):
        for row, name in enumerate(names):
            _row(axes, row, result.of(name), kind, kinds[-1])
            _median(axes, row, result[name].of_kind(kind))
        _alone(axes, [result[name].of_kind(kind) for name in names])
        axes.set_xlabel("own answer, ms (log scale)")
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(names)), [short(name) for name in names])
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    message(figure, title or by_kind_title(result))
    figure.supxlabel(_caption(result, kinds), fontsize=8.5, color="#555555", x=0.01, ha="left")
    return figure


def _caption(result: Comparison, kinds: Sequence[str]) -> str:
    """What is drawn: only marks that are there, and what was measured."""
    dear, first = kinds[-1], result.runs[0]
    seen = {
        mark
        for run in result.runs
        for kind in kinds[:-1]
        for shown, mark in _marks(run, kind, dear)
        if (shown & run.is_kind(kind)).any()
    }
    during = f"one that came during {_an(dear)} of "
    words = {OTHERS: f"triangle: {during}another client", OWN: f"diamond: {during}its own"}
    marks = "; ".join(["Dot: an event", *(text for mark, text in words.items() if mark in seen)])
    return f"{marks}.\nBar: the median; dashed: the work alone. {first.plan.name}, async_mode={first.mode}."


def _row(axes: Axes, row: int, runs: Sequence[Run], kind: str, dear: str) -> None:
    random = np.random.default_rng(row)  # so that events of one latency do not hide each other
    never = 0
    for run in runs:
        mask, own_ms = run.is_kind(kind), run.own_ms
        never += int(np.count_nonzero(np.isinf(own_ms[mask])))
        height = row + random.uniform(-0.3, 0.3, len(run))
        for shown, (_, colour, mark, size, alpha) in _marks(run, kind, dear):
            seen = mask & shown & np.isfinite(own_ms)
            axes.plot(own_ms[seen], height[seen], mark, color=colour, markersize=size, alpha=alpha, markeredgewidth=0)
    if never:
        axes.text(
            0.99, row, f"{never} never", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8
        )


def _marks(run: Run, kind: str, dear: str) -> list[tuple[NDArray[np.bool_], tuple[str, str, str, float, float]]]:
    """Which events have which mark; the dearest kind has but one."""
    if kind == dear:
        return [(np.ones(len(run), bool), NOTHING)]
    own, others = (came_during(run, dear, own_client=own) >= 0 for own in (True, False))
    return [(~own & ~others, NOTHING), (others & ~own, OTHERS), (own, OWN)]


def _median(axes: Axes, row: int, found: OfKind) -> None:
    if math.isfinite(found.own.p50_ms):
        axes.plot([found.own.p50_ms] * 2, [row - 0.38, row + 0.38], color=BLACK, linewidth=2.4)


def _alone(axes: Axes, found: Sequence[OfKind]) -> None:
    """The work when nothing else runs, and an axis that begins and ends where there is something to see."""
    service_ms = found[0].service_ms
    axes.axvline(service_ms, color="#666666", linestyle="--", linewidth=1.1)
    axes.set_title(f"{found[0].kind}: {about(service_ms)} of work")
    log_ms(axes, "x", minimum_decades=1)
    seen = np.concatenate([[service_ms], *(one.own.values_ms[np.isfinite(one.own.values_ms)] for one in found)])
    low_ms, high_ms = seen.min() / 1.5, seen.max() * 1.5
    axes.set_xlim(low_ms, high_ms)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high_ms < 50 * low_ms else (1,), numticks=9))


def _an(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
