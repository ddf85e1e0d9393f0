"""The advice in one picture: of each line, which of its claims say that it is true and which that it is not."""

import textwrap
from collections import Counter
from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from labkit.base.errors import UsageError
from labkit.claims.claim import DEPENDS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from labkit.claims.line import AGAINST, FOR, LineVerdict
from labkit.claims.table import ClaimsTable
from labkit.plots.style import BLUE, ORANGE, WIDTH_IN, legend, message, styled

#: What a claim says of its line: colour, mark, how the mark is filled, and in words.
_SAYS = {
    True: (BLUE, "o", BLUE, "a claim that says: true"),
    False: (ORANGE, "X", ORANGE, "a claim that says: not true"),
    None: ("#888888", "o", "white", "a claim that could not be tested here"),
}


@styled
def advice_lines(
    table: ClaimsTable, *, guess: Mapping[int, str | None] | None = None, title: str | None = None
) -> Figure:
    """A row a line: a mark for each claim that decides it, and in words its verdict.

    How many claims there are says nothing about the line: they are as many as somebody has written.

    Args:
        table: the lines, judged.
        guess: what the reader expected, by a line's number: ``holds``, ``depends`` or ``does not hold``; it is
            written beneath the verdict. None is no guess.
        title: instead of the finding.

    Raises:
        UsageError: a guess is none of these words.
    """
    lines = table.lines
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.5 + 0.38 * len(lines)))
    said = [_said_by_claims(each) for each in lines]
    for supports, (colour, mark, face, label) in _SAYS.items():
        places = [(at, row) for row, claims in enumerate(said) for at, claim in enumerate(claims) if claim is supports]
        if places:
            at, row = zip(*places, strict=True)
            axes.plot(at, row, mark, color=colour, markerfacecolor=face, markersize=8, linestyle="", label=label)
    axes.set_xlim(-0.7, max(map(len, said), default=1) - 0.3)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks(range(len(lines)), [_named(each) for each in lines], fontsize=8)
    verdicts = axes.secondary_yaxis("right")
    verdicts.set_yticks(range(len(lines)), [_beside(each, guess or {}) for each in lines], fontsize=8.5)
    for side in (axes, verdicts):
        side.tick_params(axis="y", length=0)
    verdicts.spines["right"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.grid(visible=False)
    legend(figure, axes, columns=3)
    message(figure, title or _summary(table))
    return figure


def _said_by_claims(each: LineVerdict) -> list[bool | None]:
    """What each claim that decides the line says of it: first those that say so, last those that were not testable."""
    deciding = [bearing for bearing in each.line.bearings if bearing.side in (FOR, AGAINST)]
    said = [bearing.supports(each.verdicts[bearing.slug]) for bearing in deciding]
    return sorted(said, key=(True, False, None).index)


def _named(each: LineVerdict) -> str:
    """Two lines at most; the whole is in the table."""
    return textwrap.fill(textwrap.shorten(f"{each.line.number}  {each.line.quote}", 94, placeholder=" …"), 50)


def _said(status: str) -> str:
    return status.lower().removesuffix(" here")


def _beside(each: LineVerdict, guess: Mapping[int, str | None]) -> str:
    """The verdict, and beneath it the reader's guess where there is one."""
    mine, verdict = guess.get(each.line.number), _said(each.status)
    words = [_said(status) for status in (HOLDS, DEPENDS, DOES_NOT_HOLD)]
    if mine is not None and mine not in words:
        raise UsageError(f"a line {', '.join(words[:-1])} or {words[-1]}: {mine!r} is none of these")
    return verdict if mine is None else f"{verdict}\n(your guess: {mine})"


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
