"""What was measured of a page: counts that are exact, runs in real time, and where a trace says the time went.

Stamps are int64 ns from the start of the feed (or from the first click, without one), on the server's clock; `NEVER`
where a stage was not reached. All records are frozen, are saved as one JSON file, and loading it executes nothing.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labkit.browser import table
from labkit.clock import NS_PER_MS
from labkit.errors import RecordError
from labkit.metrics import Distribution
from labkit.records import whole
from labkit.stamps import NEVER

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

#: The layout of saved files. One that is newer than this is refused.
SCHEMA_VERSION = 1

#: From the instant at which an update was due, to the frame that showed it.
UPDATE_STAGES = ("intended", "sent", "emitted", "received", "written", "painted")

#: From a trusted click to the frame that showed the server's answer to it.
CLICK_STAGES = (
    "intended",
    "handled",
    "sent",
    "read",
    "dispatched",
    "work_start",
    "work_end",
    "emitted",
    "delivered",
    "painted",
)


@dataclass(frozen=True)
class Exact:
    """Counted frame by frame; the same integers every time.

    Attributes:
        frames, events_per_frame: what was done.
        dom_ops: mutation records.
        layouts: all of them.
        forced_layouts: those before the frame: the page's own code asked for geometry.
        style_recalcs: all of them.
    """

    frames: int
    events_per_frame: int
    dom_ops: int
    layouts: int
    forced_layouts: int
    style_recalcs: int


@dataclass(frozen=True, eq=False)
class Timed:
    """One run in real time.

    Attributes:
        dom_ops, layouts, style_recalcs: counts.
        task_ms: of the renderer's main thread, all tasks; within it `script_ms`, `layout_ms`, `style_ms`.
        long_tasks: start (ms since the page's origin) and duration of tasks above 50 ms.
        long_frames: long animation frames, with the scripts in them.
        interactions: each with its duration, input delay and processing time in ms.
        inp_ms: interaction to next paint; None where no interaction was long enough (16 ms) to be told.
        web_vitals_inp_ms: the same from the library web-vitals; None where it reported none.
        updates: a column a stage of :data:`UPDATE_STAGES`.
        clicks: a column a stage of :data:`CLICK_STAGES`.
        superseded: updates that a newer one of the same key replaced before they were written.
        lost: sent by the server, never received by the page.
        repeated, disordered: received twice; received after a later one.
        clock_error_ms: how wrong the page's stamps can be against the server's: half of the shortest round trip.
        problem: why the run is incomplete; empty where it is not.
    """

    dom_ops: int
    layouts: int
    style_recalcs: int
    task_ms: float
    script_ms: float
    layout_ms: float
    style_ms: float
    long_tasks: tuple[tuple[float, float], ...]
    long_frames: tuple[Mapping[str, Any], ...]
    interactions: tuple[Mapping[str, Any], ...]
    inp_ms: float | None
    web_vitals_inp_ms: float | None
    updates: Mapping[str, Int64]
    clicks: Mapping[str, Int64]
    superseded: int = 0
    lost: int = 0
    repeated: int = 0
    disordered: int = 0
    clock_error_ms: float = math.nan
    problem: str = ""

    def __post_init__(self) -> None:
        for what, columns in (("updates", UPDATE_STAGES), ("clicks", CLICK_STAGES)):
            arrays = getattr(self, what)
            if set(arrays) != set(columns):
                raise RecordError(f"{what} have the columns {', '.join(columns)}, not {', '.join(arrays)}")
            if len({len(array) for array in arrays.values()}) > 1:
                raise RecordError(f"the columns of {what} differ in length")
            for array in arrays.values():
                array.setflags(write=False)

    @property
    def staleness_ms(self) -> Float64:
        """Of each update, from when the server had it to when it was seen; NaN where it never was.

        A batching server's window counts: what it holds back grows stale.
        """
        return _between_ms(self.updates, "sent", "painted")

    @property
    def click_to_ack_ms(self) -> Float64:
        """Of each click, until the page had the server's answer."""
        return _between_ms(self.clicks, "intended", "delivered")

    @property
    def click_to_result_ms(self) -> Float64:
        """Of each click, until the server's answer was seen."""
        return _between_ms(self.clicks, "intended", "painted")

    @property
    def painted(self) -> int:
        """How many updates were seen."""
        return int(np.count_nonzero(self.updates["painted"] != NEVER))


@dataclass(frozen=True)
class Explained:
    """Where a trace says the time went. Tracing costs time itself: shares and counts, no durations to compare.

    Attributes:
        self_ms: by kind of work on the renderer's main thread.
        counts: of layouts, style recalculations, paints and whatever else the trace names.
        forced_layouts: those within JavaScript, under microtasks too.
        long_tasks: how many tasks were above 50 ms.
        inp_ms: from the trace's own EventTiming, not rounded.
        frames_dropped: None where the trace does not say.
        trace: the name of the file; empty where it was not kept.
    """

    self_ms: Mapping[str, float]
    counts: Mapping[str, int]
    forced_layouts: int
    long_tasks: int
    inp_ms: float | None
    frames_dropped: int | None
    trace: str = ""

    @property
    def paint_ms(self) -> float:
        """Pre-paint, paint, layerize and commit: what follows layout on the main thread."""
        return sum(self.self_ms.get(part, 0.0) for part in ("pre-paint", "paint", "layerize", "commit"))


@dataclass(frozen=True, eq=False)
class Measured:
    """All passes of one way of updating the page.

    Attributes:
        name: the pattern's, or what answered the clicks.
        settings: rate, events, rows and whatever else it was measured with; JSON.
        exact, explained: None where that pass was not made.
        runs: of the timed pass, in order.
    """

    name: str
    settings: Mapping[str, Any]
    exact: Exact | None = None
    runs: tuple[Timed, ...] = ()
    explained: Explained | None = None

    @property
    def sound(self) -> tuple[Timed, ...]:
        """The runs that are complete."""
        return tuple(run for run in self.runs if not run.problem)

    def values(self, name: str) -> Float64:
        """One value a sound run, of an attribute such as ``task_ms``; NaN where it is None."""
        found = [getattr(run, name) for run in self.sound]
        return np.array([math.nan if value is None else value for value in found], float)

    def pooled(self, name: str) -> Distribution:
        """Of an attribute with a value an update or a click, such as ``staleness_ms``, over all sound runs."""
        arrays = [getattr(run, name) for run in self.sound]
        return Distribution.of(np.concatenate(arrays) if arrays else np.zeros(0))

    @property
    def inp_ms(self) -> float:
        """The median of the runs' INP; NaN where none was told."""
        return _median(self.values("inp_ms"))

    def to_dict(self) -> dict[str, Any]:
        """The table's values by name, as JSON; None where one is not known."""
        stale, click = self.pooled("staleness_ms"), self.pooled("click_to_result_ms")
        exact, explained = self.exact, self.explained
        told = {
            "layouts": _median(self.values("layouts")),
            "task_ms": _median(self.values("task_ms")),
            "long_tasks": self.long_task_count,
            "inp_ms": self.inp_ms,
            "staleness_p50_ms": stale.p50_ms,
            "staleness_p95_ms": stale.percentile(95),
            "staleness_max_ms": stale.max_ms,
            "click_to_result_p50_ms": click.p50_ms,
        }
        return {
            "pattern": self.name,
            "settings": dict(self.settings),
            "exact": None if exact is None else asdict(exact),
            "runs": len(self.runs),
            "complete_runs": len(self.sound),
            **{name: round(value, 3) if math.isfinite(value) else None for name, value in told.items()},
            "lost": sum(run.lost for run in self.runs),
            "explained": None if explained is None else {**asdict(explained), "paint_ms": explained.paint_ms},
            "verdict": table.verdicts(self),
        }

    @property
    def long_task_count(self) -> float:
        """The median of the runs."""
        return _median(np.array([len(run.long_tasks) for run in self.sound], float))


@dataclass(frozen=True, eq=False)
class Rendering:
    """Ways of updating a page, measured in a real browser; it shows itself as the advice's table.

    Attributes:
        measured: one a way, in the order of the request.
        environment: browser, machine, versions; JSON.
        problems: why something that was asked for is missing, a sentence each.
    """

    measured: tuple[Measured, ...]
    environment: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Measured:
        for each in self.measured:
            if each.name == name:
                return each
        raise KeyError(f"{name!r} was not measured here: there are {', '.join(each.name for each in self.measured)}")

    def __add__(self, other: "Rendering") -> "Rendering":
        return Rendering(self.measured + other.measured, self.environment, self.problems + other.problems)

    @property
    def notes(self) -> tuple[str, ...]:
        """Every reason for doubt, a sentence each."""
        few = [each.name for each in self.measured if each.runs and len(each.sound) < 3]
        doubts = [f"Fewer than three complete runs: no range to speak of for {', '.join(few)}."] if few else []
        return (*self.problems, *(note for each in self.measured for note in _notes(each)), *doubts)

    @property
    def is_valid(self) -> bool:
        """Whether everything that was asked for is there, and no update was lost."""
        runs = [run for each in self.measured for run in each.runs]
        return not self.problems and not any(run.problem or run.lost or run.repeated for run in runs)

    def __repr__(self) -> str:
        return table.plain(self.measured, self.notes)

    def _repr_html_(self) -> str:
        return table.html(self.measured, self.notes)

    def table(self, style: str = "simple") -> str:
        """The table alone; `style` is one of tabulate's: ``simple``, ``github``, ``html``."""
        return table.render(self.measured, style)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "environment": dict(self.environment),
            "problems": list(self.problems),
            "measured": [
                {
                    "name": each.name,
                    "settings": dict(each.settings),
                    "exact": None if each.exact is None else asdict(each.exact),
                    "runs": [_run_to_dict(run) for run in each.runs],
                    "explained": None if each.explained is None else asdict(each.explained),
                }
                for each in self.measured
            ],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a JSON file, whole or not at all; returns its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), allow_nan=False)
        with whole(path) as half:
            half.write_text(text, encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RecordError: it is not there, is no rendering, is damaged, or was written by a newer labkit.
        """
        path = Path(path)
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            version = about["schema_version"]
            if version > SCHEMA_VERSION:
                raise RecordError(f"{path.name} has schema version {version}: read it with a newer labkit than this")
            return cls(
                tuple(_measured_from_dict(each) for each in about["measured"]),
                dict(about["environment"]),
                tuple(map(str, about["problems"])),
            )
        except RecordError:
            raise
        except FileNotFoundError as error:
            raise RecordError(f"there is no rendering at {path}: give the .json that labkit render wrote") from error
        except (AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
            raise RecordError(f"{path.name} is not a rendering, or is damaged ({type(error).__name__})") from error


def _notes(each: Measured) -> Iterable[str]:
    for number, run in enumerate(each.runs, 1):
        if run.problem:
            yield f"{each.name}, run {number} is incomplete and left out: {run.problem}."
        elif run.lost or run.repeated:
            yield f"{each.name}, run {number}: {run.lost} updates lost, {run.repeated} repeated: do not use it."
        elif run.clock_error_ms >= 1:
            yield f"{each.name}, run {number}: page and server clocks may differ by {run.clock_error_ms:.1f} ms."


def _between_ms(columns: Mapping[str, Int64], start: str, end: str) -> Float64:
    missing = (columns[start] == NEVER) | (columns[end] == NEVER)
    difference = np.where(missing, 0, columns[end]) - np.where(missing, 0, columns[start])
    result: Float64 = np.where(missing, np.nan, difference / NS_PER_MS)
    return result


def _median(values: Float64) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


_STAMPS = ("updates", "clicks")


def _run_to_dict(run: Timed) -> dict[str, Any]:
    about = {each.name: getattr(run, each.name) for each in fields(run)}
    for part in _STAMPS:
        about[part] = {
            column: [None if value == NEVER else value for value in array.tolist()]
            for column, array in about[part].items()
        }
    if math.isnan(run.clock_error_ms):
        about["clock_error_ms"] = None
    return about


def _measured_from_dict(about: Mapping[str, Any]) -> Measured:
    return Measured(
        name=str(about["name"]),
        settings=dict(about["settings"]),
        exact=None if about["exact"] is None else Exact(**about["exact"]),
        runs=tuple(_run_from_dict(run) for run in about["runs"]),
        explained=None if about["explained"] is None else Explained(**about["explained"]),
    )


def _run_from_dict(about: Mapping[str, Any]) -> Timed:
    known = dict(about)
    for part in _STAMPS:
        known[part] = {
            column: np.array([NEVER if value is None else int(value) for value in values], np.int64)
            for column, values in known[part].items()
        }
    known["long_tasks"] = tuple((float(start), float(duration)) for start, duration in known["long_tasks"])
    for part in ("long_frames", "interactions"):
        known[part] = tuple(dict(each) for each in known[part])
    if known["clock_error_ms"] is None:
        known["clock_error_ms"] = math.nan
    return Timed(**known)
