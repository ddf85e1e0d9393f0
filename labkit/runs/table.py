"""Summaries as a table: the cells once, for the terminal, a notebook and a README alike."""

import math
from collections.abc import Sequence

from tabulate import tabulate

from labkit.base.text import milliseconds
from labkit.runs.summary import Distribution, Summary

#: Below each other where the width is short, so a header is two words at most.
HEADERS = (
    "strategy",
    "verdict\nown/bystander",
    "handler\nblocking",
    "connection\nblocked",
    "own\np50",
    "own\nmax",
    "bystander\np50",
    "bystander\ntail",
    "goodput",
    "lost",
    "strays",
    "threads",
    "CPU s",
)


def row(summary: Summary) -> tuple[str, ...]:
    """The cells of one strategy, in the order of :data:`HEADERS`."""
    invalid = f" ({summary.invalid} of {summary.runs} INVALID)" if summary.invalid else ""
    return (
        summary.strategy + invalid,
        f"{summary.own_verdict}/{summary.bystander_verdict}",
        milliseconds(summary.handler_blocking.p50_ms),
        milliseconds(summary.connection_blocked.p50_ms),
        milliseconds(summary.own.p50_ms),
        milliseconds(summary.own.max_ms),
        milliseconds(summary.bystander.p50_ms),
        _tail(summary.bystander),
        f"{summary.goodput:.0%}",
        str(summary.lost),
        str(summary.strays),
        "-" if summary.threads is None else f"+{summary.threads}",
        "-" if math.isnan(summary.server_cpu_s) else f"{summary.server_cpu_s:.2f}",
    )


def _tail(distribution: Distribution) -> str:
    name, value_ms = distribution.tail
    return f"{milliseconds(value_ms)} {name}"


def legend(summaries: Sequence[Summary]) -> str:
    """What the columns mean, in two lines."""
    good_ms, poor_ms = summaries[0].bounds_ms if summaries else (200, 500)
    return (
        "Latencies in ms from the intended start; p98 where the sample supports it, else the maximum. goodput: "
        f"answered within {poor_ms:g} ms.\nverdict: tail up to {good_ms:g} ms good, above {poor_ms:g} ms poor "
        "(bounds borrowed from INP as human limits; this is not INP). strays: answers in a stranger's inbox."
    )


def render(summaries: Sequence[Summary], style: str = "simple") -> str:
    """The table as text; `style` is one of tabulate's: ``simple``, ``github``, ``html``."""
    headers = HEADERS if style == "simple" else tuple(h.replace("\n", " ") for h in HEADERS)
    align = ("left", "left", *["right"] * (len(HEADERS) - 2))
    rows = [row(s) for s in summaries]
    if style == "github":
        rows = [tuple(cell.replace("|", "\\|") for cell in cells) for cells in rows]
    return tabulate(rows, headers, tablefmt=style, colalign=align, disable_numparse=True)


def plain(summaries: Sequence[Summary], notes: Sequence[str] = ()) -> str:
    """The table with its legend and its notes."""
    return "\n".join([render(summaries), legend(summaries), *notes])


def html(summaries: Sequence[Summary], notes: Sequence[str] = ()) -> str:
    """The same for a notebook; every text in it is escaped."""
    from html import escape

    below = "<br>".join(escape(line) for line in [*legend(summaries).splitlines(), *notes])
    return f"{aligned(render(summaries, 'html'))}<p><small>{below}</small></p>"


def aligned(markup: str) -> str:
    """A table of tabulate's, with what is left to the default kept left: JupyterLab's default is the right."""
    return markup.replace("<th>", '<th style="text-align: left;">').replace("<td>", '<td style="text-align: left;">')
