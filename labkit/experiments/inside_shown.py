"""What was seen inside an app, as a notebook's cell shows it: the verdict, a table of events, the matrix. No script."""

from html import escape

from labkit.base.text import milliseconds
from labkit.experiments import inside_summary, inside_told
from labkit.experiments.blame import Blame
from labkit.experiments.blame_matrix import matrix
from labkit.experiments.inside_summary import EventRow, Spread
from labkit.inside.record import Record
from labkit.runs.table import Table

_HEADERS = ("event", "count", "per s", "wait", "handler", "CPU", "held", "errors", "emits")

_LEGEND = (
    "Milliseconds, median / p98; of fewer than 150 events median / largest. wait: read to handler; CPU: of the "
    "handler's thread, median; held: the connection's next packet had to wait, p98."
)


def html(record: Record, blame: Blame | None = None) -> str:
    """The verdict and what follows from the record, the events, and who waited for whom where that was watched."""
    parts = [f"<p>{'<br>'.join(map(escape, said.splitlines()))}</p>" for said in paragraphs(record, blame)]
    rows = inside_summary.events(record)
    if rows:
        parts.append(events_table(rows).html())
    if blame is not None and blame.rows:
        parts.append(matrix(blame).table().html())
    return "".join(parts)


def paragraphs(record: Record, blame: Blame | None) -> tuple[str, ...]:
    """Who is to blame, where that was watched, and then what the record says by itself; a line a sentence."""
    own = "\n".join(inside_told.sentences(record))
    return (own,) if blame is None else (str(blame.told()), own)


def events_table(rows: tuple[EventRow, ...]) -> Table:
    """A row an event."""
    told = tuple(
        (
            row.shown,
            str(row.count),
            f"{row.per_s:.1f}",
            spread(row.queue),
            spread(row.service),
            milliseconds(row.cpu.p50_ms),
            milliseconds(row.held.tail_ms),
            str(sum(row.errors.values()) or "-"),
            str(row.emits or "-"),
        )
        for row in rows
    )
    return Table(_HEADERS, told, (0,), (_LEGEND,))


def spread(of: Spread) -> str:
    """Median and tail for a cell."""
    if not of.count:
        return "-"
    if of.count == 1:
        return milliseconds(of.p50_ms)
    return f"{milliseconds(of.p50_ms)} / {milliseconds(of.tail_ms)}"
