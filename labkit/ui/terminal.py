"""A comparison in the terminal, while it is measured and afterwards."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import MissingExtra
from labkit.base.text import milliseconds
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.recommend import recommend
from labkit.plan import modes
from labkit.plan.mix import Mix
from labkit.plan.work import Work
from labkit.runs import environment
from labkit.runs import table as tables
from labkit.runs.comparison import Comparison
from labkit.runs.diff import Diff, Direction
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import Distribution, Summary
from labkit.runs.table import Table
from labkit.runs.verdicts import State, Verdicts
from labkit.ui.grid import grid

_COLOURS = {"good": "green", "needs work": "yellow", "poor": "red"}

#: Of an expectation's verdict, and of a figure's direction.
_STATES = {State.HOLDS: "green", State.BROKEN: "bold red", State.UNKNOWN: "yellow"}
_DIRECTIONS = {
    Direction.SLOWER: "bold red",
    Direction.FASTER: "green",
    Direction.SAME: "",
    Direction.UNKNOWN: "yellow",
}


#: Who serves a function of the reader's.
_ITS_OWN = ("in this process", "in a process of its own")


def scope(mode: str, plan: str, work: Work, service_ms: float) -> str:
    """The first line: on what was measured, and on what not. The time of an event of a mix is that of all kinds."""
    each = "on average" if isinstance(work, Mix) else "each"
    measured = modes.MODES[mode]
    served_by = measured.served_by if work.place is None else measured.served_by.replace(*_ITS_OWN)
    return (
        f"{served_by}; nothing here is said of another mode. {environment.one_line(measured.server)}.\n"
        f"{plan}; {work.name}, {service_ms:.0f} ms {each} when nothing else runs."
    )


#: Columns of :data:`labkit.runs.table.HEADERS`. Where the terminal is narrower than all of them together, they come in
#: two parts, each with the strategy before it; in more where even these are too wide.
_VERDICT, _LATENCIES, _COUNTS = 1, (2, 3, 4, 5, 6, 7), (1, 8, 9, 10, 11, 12, 13)


def table(result: Comparison, width: int) -> RenderableType:
    """One row per strategy; what a cell means is in the legend below it."""
    return fitted(tables.of_summaries(result.summaries), result.summaries, width)


def fitted(cells: Table, summaries: Sequence[Summary], width: int) -> RenderableType:
    """A table of summaries, in as many parts as the width asks for."""
    whole = _part(cells, summaries, range(1, len(cells.headers)))
    if _width(whole) <= width:
        return whole
    first, *others = [*_halves(cells, summaries, _LATENCIES, width), *_halves(cells, summaries, _COUNTS, width)]
    return Group(first, *(shown for part in others for shown in ("", part)))


def _halves(cells: Table, summaries: Sequence[Summary], columns: Sequence[int], width: int) -> list[Grid]:
    """One table of these columns, or two where one is too wide."""
    whole = _part(cells, summaries, columns)
    if _width(whole) > width:
        whole.padding = (0, 1, 0, 0)  # one blank between two columns instead of two
    if _width(whole) <= width:
        return [whole]
    return [_part(cells, summaries, half) for half in (columns[:4], columns[4:])]


def _width(shown: Grid) -> int:
    return Console(width=10_000).measure(shown).maximum


def _part(cells: Table, summaries: Sequence[Summary], columns: Sequence[int]) -> Grid:
    chosen = (0, *columns)
    right = [place for place, column in enumerate(chosen) if column not in cells.left]
    shown = grid([cells.headers[column] for column in chosen], right=right, wrap=False)
    for summary, row in zip(summaries, cells.rows, strict=True):
        bad = summary.lost or summary.unaccounted
        coloured = (_coloured(row[column]) if column == _VERDICT else row[column] for column in chosen)
        shown.add_row(*coloured, style="bold red" if bad else "")
    return shown


def _coloured(verdict: str) -> Text:
    return Text("/").join(Text(word, style=_COLOURS.get(word, "")) for word in verdict.split("/"))


def final(result: Comparison, width: int) -> RenderableType:
    """The table, its legend, and every reason for doubt."""
    cells = tables.of_summaries(result.summaries, result.notes)
    legend, *doubts = cells.notes
    notes = [Text(note, style="bold red" if "INVALID" in note else "yellow") for note in doubts]
    contrasts = [Text(line) for line in _contrasts(result)]
    hidden = [Text(line, style="dim") for mode in result.modes for line in modes.hidden(mode)]
    return Group(fitted(cells, result.summaries, width), Text(legend, style="dim"), *hidden, *notes, *contrasts)


def verdicts(found: Verdicts) -> RenderableType:
    """Whether runs are as expected: the table of all expectations, the reasons below it, and how many hold."""
    cells = found.table()
    right = [column for column in range(len(cells.headers)) if column not in cells.left]
    shown = grid(cells.headers, right=right)
    for verdict, row in zip(found, cells.rows, strict=True):
        place = cells.headers.index("verdict")
        coloured = Text(row[place], style=_STATES[verdict.state])
        shown.add_row(*row[:place], coloured, *row[place + 1 :])
    notes = [Text(note, style="dim") for note in cells.notes]
    return Group("", shown, *notes, Text(found.headline, style=_STATES[found.state]))


def changes(found: Diff) -> RenderableType:
    """Two sets of runs side by side: what may explain a difference, the table, and what follows as sentences."""
    cells = found.table()
    right = [column for column in range(len(cells.headers)) if column not in cells.left]
    shown = grid(cells.headers, right=right)
    for change, row in zip(found, cells.rows, strict=True):
        shown.add_row(*row[:-1], Text(row[-1], style=_DIRECTIONS[change.direction]))
    cautions = [Text(line, style="yellow") for line in found.cautions]
    below = [Text(line, style="dim") for line in (*cells.notes, *found.left_out)]
    table = [shown, *below] if found.changes else below[1:]
    return Group(*cautions, *table, *(Text(sentence) for sentence in found.sentences))


def _contrasts(result: Comparison) -> tuple[str, ...]:
    try:
        return result.contrasts()
    except MissingExtra as missing:
        return (str(missing),)


class Progress:
    """What is on screen while runs are measured; it changes between two runs only, never during a burst."""

    def __init__(self, live: Live, console: Console, total: int) -> None:
        self._live = live
        self._console = console
        self._total = total
        self._done = 0

    def update(self, result: Comparison, run: Run) -> None:
        """Show the table so far."""
        self._done += 1
        line = f"{self._done} of {self._total} runs"
        if self._console.is_terminal:
            below = Text(f"{line}; Ctrl-C keeps what is there", style="dim")
            self._live.update(Group(table(result, self._console.width), below), refresh=True)
        else:
            # Where nobody can redraw, each run is a line: a log file and a pipe get the same news.
            self._console.print(f"[{line}] {_line(run)}", highlight=False, markup=False, soft_wrap=True)


def _waited(latencies: Distribution) -> str:
    return "never" if math.isinf(latencies.p50_ms) else f"{milliseconds(latencies.p50_ms)} ms"


def _line(run: Run) -> str:
    summary = Comparison((run,)).summaries[0]
    return (
        f"{run.name}: own p50 {_waited(summary.own)}, bystander p50 {_waited(summary.bystander)}, lost {summary.lost}"
    )


@contextmanager
def progress(console: Console, total: int) -> Iterator[Progress]:
    """Show runs as they come."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        live.update(Text(f"0 of {total} runs", style="dim"), refresh=console.is_terminal)
        yield Progress(live, console, total)


@dataclass(frozen=True)
class Advice:
    """What follows from a comparison: a paragraph, and the same as JSON with the diagnosis."""

    text: str
    json: dict[str, Any]


def advice(found: Diagnosis | None, result: Comparison, *, answers_differ: bool = False) -> Advice:
    """The recommendation, where the work was diagnosed; `answers_differ` is :func:`recommend`'s."""
    if found is None:
        return Advice("", {"diagnosis": None, "recommendation": None})
    try:
        chosen = recommend(found, result, answers_differ=answers_differ)
    except MissingExtra as missing:
        return Advice(str(missing), {"diagnosis": found.to_dict(), "recommendation": None})
    return Advice(repr(chosen), {"diagnosis": found.to_dict(), "recommendation": chosen.to_dict()})


def _alone_ms(run: Run) -> float | None:
    """What an event takes when nothing else runs; None where nobody knows."""
    known = run.events["service"][run.events["service"] != NEVER]
    return round(float(known.mean()) / NS_PER_MS, 3) if len(known) else None


def as_json(
    result: Comparison,
    *,
    scope_line: str,
    figure: Path | None,
    folder: Path | None,
    more: Mapping[str, Any] | None = None,
) -> str:
    """The documented object of ``labkit compare --json``; latencies that are infinite or unknown are null.

    `more` is added to it: :attr:`Advice.json`.
    """
    first = result.runs[0]
    about: dict[str, Any] = {
        "schema_version": 1,
        "scope": scope_line,
        "mode": first.mode,
        "work": first.work,
        "plan": first.plan.name,
        "clients": first.plan.connections,
        "events": len(first.plan),
        "service_ms": _alone_ms(first),
        "bounds_ms": list(result.bounds_ms),
        "strategies": [summary.to_dict() for summary in result.summaries],
        "valid": result.is_valid,
        "notes": list(result.notes),
        "contrasts": list(_contrasts(result)),
        **(more or {}),
        "environment": environment.describe(),
        "folder": None if folder is None else str(folder),
        "figure": None if figure is None else str(figure),
    }
    return json.dumps(about, indent=2, allow_nan=False)
