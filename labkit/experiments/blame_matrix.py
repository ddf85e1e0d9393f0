"""The matrix of blame, ready to be drawn: who waited downwards, who made them wait across."""

from collections.abc import Iterable
from dataclasses import dataclass

from labkit.experiments.blame import Blame, Line, Waited
from labkit.inside.watched import CAUSES, CORE
from labkit.runs.table import Table

#: Where there are more than so many, the smallest are summed up.
ROWS_SHOWN, COLUMNS_SHOWN = 12, 6

#: Who has less than this share of all waiting has no column.
LEAST_SHARE = 0.01

#: The column of those that have none of their own, and the row.
OTHERS = "others"


@dataclass(frozen=True)
class Met:
    """One cell: how one made another wait.

    Attributes:
        seconds: for which it made them wait.
        share: of all that the row waited, 0 to 1.
        causes: in words, the greatest first.
        where: the line that had most of it; "" where none is known.
    """

    seconds: float
    share: float
    causes: tuple[str, ...]
    where: str

    @property
    def told(self) -> str:
        """Cause and line, as people say it."""
        return f"{' and '.join(self.causes)}{f': {self.where}' if self.where else ''}"


@dataclass(frozen=True)
class Matrix:
    """The matrix.

    Attributes:
        rows: who waited, the longest first.
        columns: who made them wait, the worst first; the last is `OTHERS` where there are more than are shown.
        cells: for each row a cell, or None, for each column.
        left_out: rows that are not shown, the shortest ones.
    """

    rows: tuple[Waited, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Met | None, ...], ...]
    left_out: int = 0

    def table(self) -> Table:
        """The same as text, and for a notebook."""
        rows = tuple(
            (row.name, str(row.events or "-"), seconds(row.seconds), *(_cell(met) for met in cells))
            for row, cells in zip(self.rows, self.cells, strict=True)
        )
        notes = ("Who waited, and for how long in sum, for whom: seconds, share of the row, cause and line.",)
        return Table(
            ("who waited", "events", "waited", *self.columns), rows, (0, *range(3, 3 + len(self.columns))), notes
        )


def matrix(blame: Blame, rows: int = ROWS_SHOWN, columns: int = COLUMNS_SHOWN) -> Matrix:
    """Lay it out; at most so many rows and columns, beside that of the others."""
    sums: dict[tuple[str, str, str], float] = {}
    for line in blame.lines:
        sums[_key(line)] = sums.get(_key(line), 0.0) + line.seconds
    worth = LEAST_SHARE * sum(sums.values())
    shown = [key for key in sorted(sums, key=lambda key: -sums[key]) if sums[key] >= worth][:columns]
    cells = []
    for row in blame.rows[:rows]:
        mine = [line for line in blame.lines if line.waited == row.name]
        of_each = [_met(row, [line for line in mine if _key(line) == key]) for key in shown]
        if len(sums) > len(shown):
            of_each.append(_met(row, [line for line in mine if _key(line) not in shown]))
        cells.append(tuple(of_each))
    labels = tuple(_label(*key) for key in shown) + ((OTHERS,) if len(sums) > len(shown) else ())
    return Matrix(blame.rows[:rows], labels, tuple(cells), max(0, len(blame.rows) - rows))


def _key(line: Line) -> tuple[str, str, str]:
    # The machine is one column, whatever it was that had no core.
    return ("library", "the machine", line.cause) if line.cause == CAUSES[CORE] else (line.kind, line.by, "")


def _label(kind: str, by: str, _: str) -> str:
    return by if kind == "library" else f"{kind} {by}"


def _met(row: Waited, lines: Iterable[Line]) -> Met | None:
    causes: dict[str, float] = {}
    places: dict[str, float] = {}
    for line in lines:
        causes[line.cause] = causes.get(line.cause, 0.0) + line.seconds
        where = line.where + (f", waited for at {line.at}" if line.at and line.where else "")
        # A line that isn't known counts only where none is.
        places[where] = places.get(where, 0.0) + (line.seconds if line.where else 0.0)
    total = sum(causes.values())
    if total <= 0:
        return None
    return Met(
        seconds=total,
        share=min(1.0, total / row.seconds) if row.seconds > 0 else 0.0,
        causes=tuple(sorted(causes, key=lambda cause: -causes[cause])),
        where=max(places, key=lambda place: places[place]),
    )


def seconds(value_s: float) -> str:
    """A sum of time for a cell, with its unit."""
    return f"{value_s * 1000:.0f} ms" if value_s < 1 else f"{value_s:.1f} s" if value_s < 100 else f"{value_s:.0f} s"


def _cell(met: Met | None) -> str:
    return "-" if met is None else f"{seconds(met.seconds)} ({met.share:.0%}), {met.told}"
