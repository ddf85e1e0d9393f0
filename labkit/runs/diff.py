"""Two sets of saved runs side by side: which figures differ, and by how much.

Several figures are compared at once, so chance has several chances: the p-values are adjusted for that (Holm), and with
few runs nothing can be told. What no difference was seen in may still differ a little: how much is said, too.
"""

import math
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from labkit.base.errors import RecordError, UsageError
from labkit.base.text import milliseconds
from labkit.runs import circumstances, difference
from labkit.runs.comparison import Comparison
from labkit.runs.difference import ALPHA, Difference
from labkit.runs.quantity import Quantity, find, quantity
from labkit.runs.run import Run
from labkit.runs.table import Table

#: What is compared, where every run of both sides can tell it.
FIGURES = ("own.p50", "own.p98", "bystander.p50", "bystander.p98", "handler_blocking.p50")

#: What else a folder in labkit-results may hold, and which command wrote it.
_OTHERS = {
    "machine.json": "labkit run",
    "process.json": "labkit run",
    "inside.json": "labkit run",
    "rendering.json": "labkit render",
    "claims.json": "labkit claims",
}


#: What is written when all runs are there: by the library, and by the commands.
_AT_THE_END = ("comparison.json", "summary.json")


class Direction(StrEnum):
    """What can be said of one figure of the second side beside that of the first."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "none seen"
    UNKNOWN = "can't tell"


@dataclass(frozen=True)
class Change:
    """One figure of one strategy, of both sides.

    Attributes:
        strategy, quantity: of what.
        first, second: geometric means over the runs, in ms; inf where an answer never came.
        found: how they compare, each run a figure.
        p_value: adjusted for the number of figures compared; NaN where there are too few runs.
        direction: what can be said.
        hidden: the largest factor, either way, that may be there although no difference was seen.
        why: why it cannot be told; else empty.
    """

    strategy: str
    quantity: Quantity
    first: float
    second: float
    found: Difference
    p_value: float
    direction: Direction
    hidden: float
    why: str = ""

    def __repr__(self) -> str:
        """A sentence."""
        where, found, (before, after) = f"{self.strategy}, {self.quantity.name}", self.found, self.found.runs
        runs = f"{before} runs each" if before == after else f"{before} and {after} runs"
        if self.direction is Direction.UNKNOWN:
            return f"{where}: can't tell, {self.why}"
        if self.direction is Direction.SAME:
            return f"{where}: no difference was seen, and {self.hidden_text} could have been hidden ({runs})"
        if math.isnan(found.factor):
            return f"{where}: {found.second} is {self.direction}, some answers never came ({runs})"
        factor, low, high = found.factor, found.low, found.high
        if self.direction is Direction.FASTER:
            factor, low, high = 1 / factor, 1 / high, 1 / low
        interval = f"interval {_digits(low)} to {_digits(high)}"
        return f"{where}: {found.second} is {_digits(factor)}x {self.direction} ({interval}, {runs})"

    @property
    def hidden_text(self) -> str:
        """How large a difference was excluded: ``no difference above 8%``."""
        above = math.ceil((self.hidden - 1) * 100) if self.hidden < 2 else 0
        return f"no difference above {above}%" if above else f"no difference above {self.hidden:.1f}x"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; what is infinite or unknown is null."""
        found = self.found
        return {
            "strategy": self.strategy,
            "figure": self.quantity.name,
            "first_ms": _finite(self.first),
            "second_ms": _finite(self.second),
            "factor": _finite(found.factor),
            "interval": None if math.isnan(found.low) else [_finite(found.low), _finite(found.high)],
            "p_value": _finite(self.p_value),
            "runs": list(found.runs),
            "verdict": str(self.direction),
            "hidden": _finite(self.hidden),
            "sentence": repr(self),
        }


@dataclass(frozen=True, eq=False)
class Diff:
    """Two sets of runs side by side; shows itself as a table with sentences.

    Attributes:
        first, second: the runs.
        names: what the sides are called.
        changes: every figure that was compared.
        cautions: what else differs, and may be why; and what else to know.
        left_out: what was not compared, each with the reason.
    """

    first: Comparison
    second: Comparison
    names: tuple[str, str]
    changes: tuple[Change, ...]
    cautions: tuple[str, ...]
    left_out: tuple[str, ...]

    def of(self, direction: Direction) -> tuple[Change, ...]:
        """The changes of one direction."""
        return tuple(change for change in self.changes if change.direction is direction)

    @property
    def direction(self) -> Direction:
        """Of all together: slower if one figure is, else unknown if one is, else faster if one is."""
        if not self.changes:
            return Direction.UNKNOWN
        order = (Direction.SLOWER, Direction.UNKNOWN, Direction.FASTER)
        return next((one for one in order if self.of(one)), Direction.SAME)

    @property
    def loses_more(self) -> bool:
        """Whether the second side lost a larger share of the events of a strategy than the first."""
        pairs = _pairs(self.first, self.second)
        return any(_share_lost(self.second.of(after)) > _share_lost(self.first.of(before)) for before, after in pairs)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What changed, a sentence each; of all figures without a difference the least certain; what is unknown."""
        if not self.changes:
            return ("can't tell, since nothing could be compared",)
        told = [repr(change) for one in (Direction.SLOWER, Direction.FASTER) for change in self.of(one)]
        if same := self.of(Direction.SAME):
            least = max(same, key=lambda change: change.hidden)
            others = f"; it is the least certain of {len(same)} such figures" if len(same) > 1 else ""
            told.append(f"{least!r}{others}")
        reasons: dict[str, list[str]] = {}
        for change in self.of(Direction.UNKNOWN):
            reasons.setdefault(change.why, []).append(f"{change.strategy} {change.quantity.name}")
        told += [
            f"can't tell, {why}: {', '.join(of) if len(of) < 4 else f'{len(of)} figures'}"
            for why, of in reasons.items()
        ]
        return tuple(told)

    def table(self) -> Table:
        """A row a figure; below it what the columns mean."""
        first, second = self.names
        headers = ("strategy", "figure", f"{first}\nms", f"{second}\nms", "factor", "interval", "runs", "difference")
        rows = tuple(_row(change) for change in self.changes)
        legend = (
            f"Geometric mean of the runs; factor: how many times larger {second} is. Each interval is 95% by itself; "
            f"the verdicts hold for all {len(rows)} figures together (exact permutation test, adjusted after Holm)."
        )
        return Table(headers, rows, (0, 1, 7), (legend,))

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What may explain a difference, and what was not compared."""
        return (*self.cautions, *self.left_out)

    def __repr__(self) -> str:
        table = [self.table().text()] if self.changes else []
        return "\n".join((*self.cautions, "", *table, *self.left_out, "", *self.sentences)).strip()

    def _repr_html_(self) -> str:
        table = self.table()
        return Table(table.headers, table.rows, table.left, (*self.cautions, *table.notes, *self.sentences)).html()

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "schema_version": 1,
            "names": list(self.names),
            "verdict": str(self.direction),
            "changes": [change.to_dict() for change in self.changes],
            "sentences": list(self.sentences),
            "cautions": list(self.cautions),
            "left_out": list(self.left_out),
        }


#: What can be held side by side.
Side = Comparison | str | os.PathLike[str]


def diff(first: Side, second: Side, *, names: tuple[str, str] = ("A", "B")) -> Diff:
    """Hold two sets of runs side by side: folders that labkit saved, or comparisons.

    Args:
        first, second: the folders; `second` is the one that may be slower. A folder of such folders is all of them.
        names: what to call them.

    Raises:
        RecordError: a folder is not there, is damaged, or holds no runs.
        UsageError: the two have no strategy in common.
        MissingExtra: SciPy is not there.
    """
    a, b = side(first), side(second)
    pairs = _pairs(a, b)
    cautions = [
        f"{name} was cut short: {len(one.runs)} runs are there"
        for name, given, one in zip(names, (first, second), (a, b), strict=True)
        if _is_cut_short(given)
    ]
    cautions += circumstances.differing(a, b, pairs, names)
    changes, left_out = _changes(a, b, pairs, names)
    return Diff(a, b, names, changes, tuple(cautions), left_out)


def side(given: Side) -> Comparison:
    """The runs of one side: of a comparison, of its folder, or of all folders in one.

    Raises:
        UsageError: there are none.
        RecordError: it is no folder with runs, or one of them is damaged.
    """
    if isinstance(given, Comparison):
        if not given.runs:
            raise UsageError("there are no runs in this comparison: measure some")
        return given
    folder = Path(given)
    if not folder.is_dir():
        there = "is no folder" if folder.exists() else "is not there"
        raise RecordError(f"{folder} {there}: name one that labkit compare or labkit fire wrote with --out")
    if parts := _parts(folder):
        return sum((Comparison.load(part) for part in parts[1:]), Comparison.load(parts[0]))
    if not any(folder.glob("run-*.json")):
        by = next((command for name, command in _OTHERS.items() if (folder / name).exists()), "")
        wrote = f"was written by {by}, which keeps no runs to compare" if by else "holds no runs"
        raise RecordError(f"{folder} {wrote}: name a folder that labkit compare or labkit fire wrote")
    return Comparison.load(folder)


def _parts(folder: Path) -> list[Path]:
    """Of a folder without runs of its own the folders in it that have some: one each time that somebody fired."""
    if any(folder.glob("run-*.json")):
        return []
    return sorted({path.parent for path in folder.glob("*/run-*.json")})


def _is_cut_short(given: Side) -> bool:
    if isinstance(given, Comparison):
        return False
    folder = Path(given)
    return any(not any((part / name).exists() for name in _AT_THE_END) for part in _parts(folder) or [folder])


def _pairs(a: Comparison, b: Comparison) -> tuple[tuple[str, str], ...]:
    """Which strategy of the one is held against which of the other."""
    if common := tuple((name, name) for name in a.strategies if name in b.strategies):
        return common
    if len(a.strategies) == len(b.strategies) == 1:
        return ((a.strategies[0], b.strategies[0]),)
    there = f"{', '.join(a.strategies)} in the first, {', '.join(b.strategies)} in the second"
    raise UsageError(f"the two folders have no strategy in common: there are {there}")


@dataclass(frozen=True)
class _Figure:
    """One figure of one strategy, of every run of both sides; `why` says why nothing follows, else it is empty."""

    strategy: str
    quantity: Quantity
    first: tuple[float, ...]
    second: tuple[float, ...]
    why: str


def _changes(
    a: Comparison, b: Comparison, pairs: Sequence[tuple[str, str]], names: tuple[str, str]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Every figure of every pair, and what was left out."""
    found: list[_Figure] = []
    missing: dict[str, list[str]] = {}
    for one, other in pairs:
        runs, others = a.of(one), b.of(other)
        name = one if one == other else f"{one} and {other}"
        why = _not_comparable(runs, others, names)
        for asked in map(quantity, FIGURES):
            before, after = find(asked, runs, a.bounds_ms), find(asked, others, b.bounds_ms)
            lacking = before.unknown_each or after.unknown_each
            if not lacking and not min(*before.each, *after.each) > 0:
                lacking = "a run has 0, of which nothing is a multiple"
            if lacking:
                missing.setdefault(f"{asked.name}: {lacking}", []).append(name)
            else:
                found.append(_Figure(name, asked, before.each, after.each, why))
    left_out = tuple(f"Not compared, {reason} ({_several(of)})." for reason, of in missing.items())
    return _judged(found, names), left_out


def _judged(figures: Sequence[_Figure], names: tuple[str, str]) -> tuple[Change, ...]:
    """What can be said of each figure; chance has as many chances as there are figures."""
    compared = [difference.compare(one.first, one.second, names=names, what=one.quantity.name) for one in figures]
    tested = [i for i, one in enumerate(compared) if not math.isnan(one.p_value)]
    together = dict(zip(tested, difference.adjusted([compared[i].p_value for i in tested]), strict=True))
    return tuple(
        _change(figure, one, together.get(i, math.nan), len(figures))
        for i, (figure, one) in enumerate(zip(figures, compared, strict=True))
    )


def _change(figure: _Figure, found: Difference, p_value: float, figures: int) -> Change:
    why, hidden = figure.why, math.inf
    if not why and found.smallest_p * figures > ALPHA:
        a, b = found.runs
        count, enough = f"{a} of each" if a == b else f"{a} and {b}", difference.enough_for(figures)
        several = f", where {figures} figures are compared" if figures > 1 else ""
        why = f"too few runs to tell ({count}; {enough} of each can{several})"
    if why:
        direction = Direction.UNKNOWN
    elif p_value < ALPHA and not found.is_told_as_none:
        direction = Direction.SLOWER if found.superiority > 0.5 else Direction.FASTER
    else:
        direction, hidden = Direction.SAME, difference.largest_hidden(figure.first, figure.second)
        if math.isinf(hidden):
            direction, why = Direction.UNKNOWN, "no difference was seen, but answers never came: any may be hidden"
    means = (_mean(figure.first), _mean(figure.second))
    return Change(figure.strategy, figure.quantity, *means, found, p_value, direction, hidden, why)


def _mean(values: Sequence[float]) -> float:
    return math.inf if any(map(math.isinf, values)) else statistics.geometric_mean(values)


def _not_comparable(runs: Sequence[Run], others: Sequence[Run], names: tuple[str, str]) -> str:
    """Why nothing follows from these runs; empty where something does."""
    for name, each in zip(names, (runs, others), strict=True):
        if invalid := [run for run in each if not run.is_valid]:
            worst = next(note for note in invalid[0].quality if note.invalid)
            return f"{len(invalid)} of {len(each)} runs of {name} are INVALID: {worst.why}"
    if _plans(runs) != _plans(others):
        return "they were fired different plans"
    return ""


def _plans(runs: Sequence[Run]) -> set[str]:
    return {run.plan.name for run in runs}


def _share_lost(runs: Sequence[Run]) -> float:
    return sum(run.lost for run in runs) / sum(len(run) for run in runs)


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} strategies"


def _digits(factor: float) -> str:
    """A factor in so many digits that 1.04 is not told as 1."""
    return f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"


def _row(change: Change) -> tuple[str, ...]:
    found = change.found
    factor = "-" if math.isnan(found.factor) else f"{found.factor:.2f}"
    interval = "-" if math.isnan(found.low) else f"{found.low:.2f} to {found.high:.2f}"
    runs = str(found.runs[0]) if found.runs[0] == found.runs[1] else f"{found.runs[0]} and {found.runs[1]}"
    means = (milliseconds(change.first), milliseconds(change.second))
    return (change.strategy, change.quantity.name, *means, factor, interval, runs, str(change.direction))


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
