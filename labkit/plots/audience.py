"""The figure of answers that are meant for everybody: when the first, the middle and the last member had each."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.errors import UsageError
from labkit.base.text import about
from labkit.plots.style import BLUE, ORANGE, RED, WIDTH_IN, legend, log_ms, message, short, styled
from labkit.runs.comparison import Comparison
from labkit.runs.summary import Distribution, OfFanOut

#: Of each answer: which member, how it is called, its colour and its mark.
MARKS = (
    ("first", "the first member has it", BLUE, "o"),
    ("median", "half of them have it", ORANGE, "^"),
    ("last", "all of them have it", RED, "D"),
)


@styled
def fan_out(result: Comparison, *, title: str | None = None) -> Figure:
    """Answers that are meant for everybody: one row a strategy, and of every answer three marks.

    Raises:
        UsageError: answers are meant for their senders alone.
    """
    found = {s.strategy: s.fan_out for s in result.summaries if s.fan_out is not None}
    if not found:
        raise UsageError("these answers are meant for their senders alone: measure with fan_out=True")
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 2.2 + 0.6 * len(found)))
    for row, one in enumerate(found.values()):
        for place, (which, _, colour, mark) in enumerate(MARKS):
            _answers(axes, row + 0.25 * (place - 1), getattr(one, which), colour, mark)
        if one.missed:
            told = f"{one.missed} of {one.answers} missed"
            axes.text(0.99, row, told, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8)
    for _, told, colour, mark in MARKS:
        axes.plot([], [], mark, color=colour, label=told)
    axes.set_yticks(range(len(found)), [short(name) for name in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    log_ms(axes, "x", minimum_decades=1)
    axes.set_xlabel("from the intended start, ms (log scale)")
    legend(figure, axes, columns=3)
    message(figure, title or fan_out_title(found))
    return figure


def _answers(axes: Axes, height: float, latencies: Distribution, colour: str, mark: str) -> None:
    came = latencies.values_ms[np.isfinite(latencies.values_ms)]
    random = np.random.default_rng(0)  # so that answers of one latency do not hide each other
    heights = height + random.uniform(-0.08, 0.08, len(came))
    axes.plot(came, heights, mark, color=colour, markersize=3.5, alpha=0.45, markeredgewidth=0)


def fan_out_title(found: dict[str, OfFanOut]) -> str:
    """When the last member has an answer, beside the first, where it comes latest."""
    worst = max(found, key=lambda name: found[name].last.p50_ms)
    one = found[worst]
    if np.isinf(one.last.p50_ms):
        return (
            f"Of {one.members} members, some never have an answer under {worst} ({one.missed} of {one.answers} missed)."
        )
    first, last = about(one.first.p50_ms), about(one.last.p50_ms)
    return (
        f"Under {worst} the first of {one.members} members has an answer after {first}, the last after {last} (median)."
    )
