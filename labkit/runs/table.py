"""Tables: the cells once, for the terminal, a notebook and a README alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tabulate import tabulate

from labkit.base.text import milliseconds
from labkit.runs.summary import Summary


@dataclass(frozen=True)
class Table:
    """A table with notes below it, as text, as HTML and as Markdown.

    Attributes:
        headers: one per column; a header's words may stand below each other.
        rows: the cells, in the order of the headers.
        left: the columns whose cells are text; all others are figures, and stand at the right.
        notes: lines below the table: what the columns mean, and every reason for doubt.
        widths: where a terminal's lines break, in characters, one per column; None never breaks one.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...] = (0,)
    notes: tuple[str, ...] = ()
    widths: tuple[int | None, ...] = ()

    def text(self) -> str:
        """For a terminal and a notebook's plain output."""
        return "\n".join([self._tabulated("simple", self.headers, self.rows, self.widths), *self.notes])

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()

    def github(self) -> str:
        """For a README; without the notes."""
        rows = tuple(tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows)
        return self._tabulated("github", self._flat_headers, rows)

    def html(self) -> str:
        """For a notebook; every text in it is escaped."""
        markup = aligned(self._tabulated("html", self._flat_headers, self.rows))
        below = "<br>".join(escape(line) for note in self.notes for line in note.splitlines())
        return f"{markup}<p><small>{below}</small></p>" if below else markup

    @property
    def _flat_headers(self) -> tuple[str, ...]:
        return tuple(header.replace("\n", " ") for header in self.headers)

    def _tabulated(
        self, style: str, headers: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int | None] = ()
    ) -> str:
        return tabulate(
            rows,
            headers,
            tablefmt=style,
            colalign=["left" if column in self.left else "right" for column in range(len(headers))] if rows else None,
            maxcolwidths=list(widths) or None,
            disable_numparse=True,
        )


def aligned(markup: str) -> str:
    """A table of tabulate's, with what is left to the default kept left: JupyterLab's default is the right."""
    return markup.replace("<th>", '<th style="text-align: left;">').replace("<td>", '<td style="text-align: left;">')


#: Of :func:`of_summaries`. They stand below each other where the width is short, so a header is two words at most.
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
    "out of\norder",
    "threads",
    "CPU s",
)


def of_summaries(summaries: Sequence[Summary], notes: Sequence[str] = ()) -> Table:
    """One row per strategy, with what the columns mean and the reasons for doubt below it."""
    return Table(HEADERS, tuple(row(s) for s in summaries), (0, 1), (legend(summaries), *notes))


def row(summary: Summary) -> tuple[str, ...]:
    """The cells of one strategy, in the order of :data:`HEADERS`."""
    invalid = f" ({summary.invalid} of {summary.runs} INVALID)" if summary.invalid else ""
    tail, tail_ms = summary.bystander.tail
    return (
        summary.strategy + invalid,
        f"{summary.own_verdict}/{summary.bystander_verdict}",
        milliseconds(summary.handler_blocking.p50_ms),
        milliseconds(summary.connection_blocked.p50_ms),
        milliseconds(summary.own.p50_ms),
        milliseconds(summary.own.max_ms),
        milliseconds(summary.bystander.p50_ms),
        f"{milliseconds(tail_ms)} {tail}",
        "-" if math.isnan(summary.goodput) else f"{summary.goodput:.0%}",
        str(summary.lost),
        str(summary.strays),
        str(summary.order),
        "-" if summary.threads is None else f"+{summary.threads}",
        "-" if math.isnan(summary.server_cpu_s) else _seconds(summary.server_cpu_s),
    )


def _seconds(value_s: float) -> str:
    return f"{value_s:.2f}" if value_s < 100 else f"{value_s:.0f}"


def legend(summaries: Sequence[Summary]) -> str:
    """What the columns mean, in three lines."""
    good_ms, poor_ms = summaries[0].bounds_ms if summaries else (200, 500)
    return (
        "Latencies in ms from the intended start; p98 where the sample supports it, else the maximum. goodput: "
        f"answered within {poor_ms:g} ms.\nverdict: tail up to {good_ms:g} ms good, above {poor_ms:g} ms poor "
        "(bounds borrowed from INP as human limits; this is not INP). strays: answers in a stranger's inbox.\n"
        "out of order: answered after a later event of the same client, of those that could have been."
    )


#: Of :func:`of_kinds`.
KIND_HEADERS = ("strategy", "kind", "events", "alone", "own\np50", "own\ntail", "goodput")


def of_kinds(summaries: Sequence[Summary]) -> Table:
    """Of runs of a mix, one row per strategy and kind."""
    rows = []
    for summary in summaries:
        for one in summary.kinds:
            tail, tail_ms = one.own.tail
            latencies = (milliseconds(one.own.p50_ms), f"{milliseconds(tail_ms)} {tail}")
            alone = milliseconds(one.service_ms)
            rows.append((summary.strategy, one.kind, str(one.events), alone, *latencies, f"{one.goodput:.0%}"))
    poor_ms = summaries[0].bounds_ms[1] if summaries else 500
    legend = (
        "Latencies in ms from the intended start; p98 where the sample supports it, else the maximum. alone: the work "
        f"when nothing else runs.\ngoodput: answered within {poor_ms:g} ms."
    )
    return Table(KIND_HEADERS, tuple(rows), (0, 1), (legend,))


#: Of :func:`of_fan_out`.
FAN_OUT_HEADERS = ("strategy", "members", "first\np50", "median\np50", "last\np50", "last\ntail", "missed")


def of_fan_out(summaries: Sequence[Summary]) -> Table:
    """Of runs whose answers are meant for everybody, one row per strategy."""
    rows = []
    for summary in summaries:
        if (one := summary.fan_out) is not None:
            tail, tail_ms = one.last.tail
            medians = (milliseconds(each.p50_ms) for each in (one.first, one.median, one.last))
            missed = f"{one.missed} of {one.answers}"
            rows.append((summary.strategy, str(one.members), *medians, f"{milliseconds(tail_ms)} {tail}", missed))
    legend = (
        "From an event's intended start, in ms, until the first member of the room had its answer, until half of them "
        "had it, until all had it.\nmissed: answers that a member did not have in time."
    )
    return Table(FAN_OUT_HEADERS, tuple(rows), (0,), (legend,))
