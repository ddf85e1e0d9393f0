"""The advice in one picture: of each line, for how many cases it is so and for how many not."""

import textwrap
from collections import Counter

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.claims.claim import DEPENDS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from labkit.claims.line import LineVerdict
from labkit.claims.table import ClaimsTable
from labkit.plots.style import BLUE, ORANGE, WIDTH_IN, message, styled


@styled
def advice_lines(table: ClaimsTable, *, title: str | None = None) -> Figure:
    """A row a line: right the cases in which it is so, left those in which it is not, and in words its verdict.

    A case is a reader (server thread, connection, page) and a condition, as the line's own sentence lists them.
    """
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.5 + 0.38 * len(table.lines)))
    for row, each in enumerate(table.lines):
        _bar(axes, row, len(each.so), BLUE, "")
        _bar(axes, row, -len(each.not_so), ORANGE, "////")
    widest = max((len(cases) for each in table.lines for cases in (each.so, each.not_so)), default=0)
    reach = max(widest, 1) + 0.9
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(table.lines) - 0.4, -0.6)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(table.lines)), [_named(each) for each in table.lines], fontsize=8)
    verdicts = axes.secondary_yaxis("right")
    verdicts.set_yticks(range(len(table.lines)), [_said(each.status) for each in table.lines], fontsize=8.5)
    for side in (axes, verdicts):
        side.tick_params(axis="y", length=0)
    verdicts.spines["right"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda x, _: f"{abs(x):.0f}")
    axes.set_xlabel("cases in which the line is: not so (left), so (right)")
    axes.grid(axis="y", visible=False)
    message(figure, title or _summary(table))
    return figure


def _bar(axes: Axes, row: int, cases: int, colour: str, hatch: str) -> None:
    if cases:
        axes.barh(row, cases, height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        axes.annotate(
            str(abs(cases)), (cases, row), (3 if cases > 0 else -3, 0), textcoords="offset points",
            ha="left" if cases > 0 else "right", va="center", fontsize=8.5,
        )  # fmt: skip


def _named(each: LineVerdict) -> str:
    """Two lines at most; the whole is in the table."""
    return textwrap.fill(textwrap.shorten(f"{each.line.number}  {each.line.quote}", 94, placeholder=" …"), 50)


def _said(status: str) -> str:
    return status.lower().removesuffix(" here")


def _summary(table: ClaimsTable) -> str:
    """How many of the lines hold, depend, do not hold; what could not be tested where there is such."""
    counts = Counter(each.status for each in table.lines)
    words = {
        HOLDS: ("holds as it stands", "hold as they stand"),
        DEPENDS: ("depends on the reading or the condition", "depend on the reading or the condition"),
        DOES_NOT_HOLD: ("does not hold here", "do not hold here"),
        NOT_TESTABLE: ("could not be tested", "could not be tested"),
    }
    parts = [f"{counts[status]} {words[status][counts[status] != 1]}" for status in words if counts[status]]
    return f"Of {len(table.lines)} lines of the advice {', '.join(parts)}"
