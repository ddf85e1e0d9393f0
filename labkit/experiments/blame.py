"""Who made whom wait inside an app, and at which line: the record of its events laid over what a watch has seen."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from labkit.base.errors import RecordError
from labkit.base.files import record_text, whole
from labkit.base.text import Plain
from labkit.base.typed import built
from labkit.experiments.blame_told import told
from labkit.experiments.waits import NO_EVENTS, WAIT_S, Waits, waits_of
from labkit.inside import record as records
from labkit.inside import watched as watches
from labkit.inside.instrument import Inside
from labkit.inside.places import KINDS, LIBRARY, Place
from labkit.inside.record import Record
from labkit.inside.watched import CAUSES, CLIENT, CORE, GC, GIL, Watched

SCHEMA_VERSION = 1

#: Instead of a cause.
NOTHING = "nothing to blame"

#: Who makes others wait for less at once is not blamed, ...
BLAMED_S = 0.02
#: ... unless that goes on for such a share of the time.
BLAMED_SHARE = 0.2
#: Who had the GIL for long, and computed for less than this share of it, waited for a core with the GIL in hand.
COMPUTED_SHARE = 0.1
#: A client is blamed that took nothing for so long.
SILENT_S = 0.25


@dataclass(frozen=True)
class Waited:
    """A row of the matrix: somebody who waited.

    Attributes:
        name: of an event; or `EVERYBODY`, `THE_LOOP`, `THE_SENT`, `HEARTBEATS`.
        events: how many waited for more than a millisecond; of heartbeats, more than 100 ms; 0 for the others.
        seconds: for which they waited, summed.
        longest_s: the longest of it; 0 for those that are no event.
        explained: the share of the seconds that the row's cells tell.
    """

    name: str
    events: int
    seconds: float
    longest_s: float
    explained: float


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: who waited, who made them wait, and how.

    Attributes:
        waited: the row's name.
        by: an event, a route, a task, a lock of unknown holder, a file of a library, the machine: the column.
        kind: "event", "route", "task" or "library".
        cause: one of :data:`labkit.inside.watched.CAUSES`.
        seconds: for which it made them wait.
    """

    waited: str
    by: str
    kind: str
    cause: str
    seconds: float


@dataclass(frozen=True)
class Line:
    """A line of code within a cell.

    Attributes:
        waited, by, kind, cause: the cell's.
        where: ``shop/report.py:41 in build``; "" where only the name is known.
        at: of a lock or a pool: where it was waited for.
        target: ``shop.report:build``, where that can be measured by itself; else "".
        seconds: for which it made them wait.
        share: of all that the row waited.
    """

    waited: str
    by: str
    kind: str
    cause: str
    where: str
    at: str
    target: str
    seconds: float
    share: float


@dataclass(frozen=True)
class Finding:
    """One who is to blame.

    Attributes:
        cause: one of :data:`labkit.inside.watched.CAUSES`, or `NOTHING`.
        by, kind: who; "" for nothing.
        where, at, target: of the line that had most of it; see :class:`Line`.
        waited: the row that waited most for it.
        share: of all that this row waited, 0 to 1.
        seconds: for which it made that row wait.
        longest_s: the longest that it held at once.
        lost: clients whose heartbeat waited for it until their ping timeout was over.
    """

    cause: str
    by: str = ""
    kind: str = ""
    where: str = ""
    at: str = ""
    target: str = ""
    waited: str = ""
    share: float = 0.0
    seconds: float = 0.0
    longest_s: float = 0.0
    lost: int = 0


@dataclass(frozen=True, repr=False)
class Blame:
    """Who made whom wait. Its repr is the sentence.

    Attributes:
        rows: who waited, the longest first.
        cells: the matrix, the greatest first.
        lines: each cell's lines, the greatest first.
        findings: those to blame, the worst first; one that says `NOTHING` where there are none.
        watched_s: for how long was watched.
        unseen: what could not be seen, each with the reason.
    """

    rows: tuple[Waited, ...]
    cells: tuple[Cell, ...]
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]
    watched_s: float
    unseen: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return str(self.told())

    @property
    def verdict(self) -> Finding:
        """The worst of the findings."""
        return self.findings[0]

    def told(self) -> Plain:
        """The findings in words, and what to measure next."""
        return Plain(told(self.findings, self.rows))

    def save(self, folder: str | Path) -> None:
        """Write ``blame.json``; the folder is made.

        Raises:
            OSError: the folder cannot be written to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / "blame.json") as path:
            path.write_text(json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1), "utf-8")


def load(folder: str | Path) -> Blame:
    """Read what :meth:`Blame.save` has written.

    Raises:
        RecordError: there is none, it cannot be read, or it is of a newer schema.
    """
    path = Path(folder) / "blame.json"
    try:
        about = json.loads(record_text(path))
        version = about.pop("schema_version")
        if version > SCHEMA_VERSION:
            raise RecordError(f"{path} has schema version {version}: read it with a newer labkit than this")
        told = built(Blame, about)
        if not told.findings or not all(_is_finding(each) for each in told.findings):
            raise ValueError("a finding names no cause, or nobody")
        return told
    except FileNotFoundError as error:
        raise RecordError(f"{folder} holds no blame.json: make it with labkit.blame({str(folder)!r})") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: make it anew with labkit.blame({str(folder)!r})") from error


def _is_finding(told: Finding) -> bool:
    return told.cause == NOTHING or (told.cause in CAUSES and told.kind in KINDS)


def blame(what: Inside | str | Path | tuple[Record, Watched]) -> Blame:
    """Who made whom wait, and at which line.

    Args:
        what: what ``labkit.instrument(..., blame=True)`` gave; or a folder that holds its record and its watch; or
            the two themselves.

    Raises:
        UsageError: nobody watched.
        RecordError: the folder does not hold both.
    """
    if isinstance(what, Inside):
        record, watched = what.record(), what.watched()
    elif isinstance(what, tuple):
        record, watched = what
    else:
        record, watched = records.load(what), watches.load(what)
    waits = waits_of(record, watched)
    innocent = _innocent(waits, watched)
    totals: dict[tuple[str, Place, int], float] = {}
    for (waited, place, cause), seconds in waits.seconds.items():
        # Who waited for a core with the GIL in hand is not to blame: the machine is.
        key = (waited, _machine(), CORE) if (place.kind, place.name, cause) in innocent else (waited, place, cause)
        totals[key] = totals.get(key, 0.0) + seconds
    lines = _lines(totals, waits)
    cells = _cells(lines)
    return Blame(
        rows=_rows(waits, cells),
        cells=cells,
        lines=lines,
        findings=_findings(lines, cells, waits, watched),
        watched_s=(watched.taken_ns - watched.started_ns) / 1e9,
        unseen=(*watched.unseen, *((f"everything since: {watched.failed}",) if watched.failed else ())),
    )


def _machine() -> Place:
    return Place(LIBRARY, "the machine")


def _innocent(waits: Waits, watched: Watched) -> set[tuple[str, str, int]]:
    """Who held the GIL and hardly computed."""
    sums: dict[tuple[str, str, int], list[int]] = {}
    for total in watched.totals:
        place = watched.places[total.place]
        if total.cause in (GIL, GC):
            held = sums.setdefault((place.kind, place.name, total.cause), [0, 0])
            held[0] += total.held_ns
            held[1] += total.cpu_ns
    return {key for key, (held_ns, cpu_ns) in sums.items() if cpu_ns < COMPUTED_SHARE * held_ns}


def _lines(totals: dict[tuple[str, Place, int], float], waits: Waits) -> tuple[Line, ...]:
    merged: dict[tuple[str, ...], float] = {}
    for (waited, place, cause), seconds in totals.items():
        key = (waited, place.name, place.kind, CAUSES[cause], place.where, place.at, _target(place))
        merged[key] = merged.get(key, 0.0) + seconds
    told = (
        Line(waited, by, kind, cause, where, at, target, seconds, _share(seconds, waits, waited))
        for (waited, by, kind, cause, where, at, target), seconds in merged.items()
    )
    return tuple(sorted(told, key=lambda each: -each.seconds))


def _share(seconds: float, waits: Waits, waited: str) -> float:
    return min(1.0, seconds / max(waits.rows[waited].seconds, 1e-9))


def _cells(lines: Iterable[Line]) -> tuple[Cell, ...]:
    sums: dict[tuple[str, str, str, str], float] = {}
    for line in lines:
        key = (line.waited, line.by, line.kind, line.cause)
        sums[key] = sums.get(key, 0.0) + line.seconds
    return tuple(Cell(*key, seconds=seconds) for key, seconds in sorted(sums.items(), key=lambda each: -each[1]))


def _rows(waits: Waits, cells: Iterable[Cell]) -> tuple[Waited, ...]:
    explained: dict[str, float] = {}
    for cell in cells:
        explained[cell.waited] = explained.get(cell.waited, 0.0) + cell.seconds
    told = (
        Waited(name, row.events, row.seconds, row.longest_s, min(1.0, explained.get(name, 0.0) / row.seconds))
        for name, row in waits.rows.items()
        if row.seconds > 0
    )
    return tuple(sorted(told, key=lambda each: -each.seconds))


def _target(place: Place) -> str:
    """What ``labkit compare`` could measure: a function at the top of a module, that isn't the handler itself."""
    is_function = place.function.isidentifier() and place.module and place.kind != LIBRARY
    return f"{place.module}:{place.function}" if is_function and place.function != place.entry else ""


def _findings(lines: tuple[Line, ...], cells: tuple[Cell, ...], waits: Waits, watched: Watched) -> tuple[Finding, ...]:
    seconds: dict[tuple[str, str, str], float] = {}
    for cell in cells:
        key = (cell.by, cell.kind, cell.cause)
        seconds[key] = seconds.get(key, 0.0) + cell.seconds
    watched_s = (watched.taken_ns - watched.started_ns) / 1e9
    felt: dict[tuple[str, str, str], float] = {}
    for cell in cells:
        if cell.waited not in NO_EVENTS:
            key = (cell.by, cell.kind, cell.cause)
            felt[key] = felt.get(key, 0.0) + cell.seconds
    # One collection of garbage that no event met, as after the imports of a start, is nobody's business.
    blamed = [
        key
        for key in seconds
        if _is_blamed(key, waits, watched_s) and (key[2] != CAUSES[GC] or felt.get(key, 0.0) >= WAIT_S)
    ]
    # A client that does not read harms itself, whoever computes harms everybody, and the machine is no one's fault.
    order = {CAUSES[CLIENT]: 1, CAUSES[CORE]: 2}
    blamed.sort(key=lambda key: (order.get(key[2], 0), -seconds[key]))
    # One who computes in an event loop holds the loop as well: that is told once.
    first = {(by, kind): cause for by, kind, cause in reversed(blamed)}
    found = tuple(_finding(key, lines, cells, waits) for key in blamed if first[key[:2]] == key[2])
    return found or (Finding(NOTHING),)


def _is_blamed(key: tuple[str, str, str], waits: Waits, watched_s: float) -> bool:
    by, kind, cause = key
    held = waits.held.get((kind, by, CAUSES.index(cause)))
    if held is None:
        return False
    often = held.seconds >= BLAMED_SHARE * watched_s
    if cause == CAUSES[CORE]:
        return often
    if cause == CAUSES[CLIENT]:
        return held.longest_s >= SILENT_S
    if cause in (CAUSES[GIL], CAUSES[GC]):
        # Half of it computed: a short handler that was put off its core with the GIL in hand does not count.
        long = held.longest_s >= BLAMED_S and held.longest_cpu_s >= BLAMED_S / 2
        return long or (often and held.cpu_s >= BLAMED_SHARE * watched_s / 2)
    return held.longest_s >= BLAMED_S


def _finding(key: tuple[str, str, str], lines: tuple[Line, ...], cells: tuple[Cell, ...], waits: Waits) -> Finding:
    by, kind, cause = key
    mine = [cell for cell in cells if (cell.by, cell.kind, cell.cause) == key]
    # Events say more than "other threads", where there are enough of them.
    events = [cell for cell in mine if cell.waited not in NO_EVENTS and cell.waited != by]
    cell = next((each for each in events if each.seconds >= WAIT_S), mine[0])
    sums: dict[tuple[str, str, str], float] = {}
    for line in lines:
        if (line.by, line.kind, line.cause) == key:
            # A line that isn't known counts only where none is.
            place = (line.where, line.at, line.target)
            sums[place] = sums.get(place, 0.0) + (line.seconds if line.where else 0.0)
    where, at, target = max(sums, key=lambda place: sums[place])
    held = waits.held[kind, by, CAUSES.index(cause)]
    return Finding(
        cause=cause,
        by=by,
        kind=kind,
        where=where,
        at=at,
        target=target,
        waited=cell.waited,
        share=_share(cell.seconds, waits, cell.waited),
        seconds=cell.seconds,
        longest_s=held.longest_s,
        lost=held.lost,
    )
