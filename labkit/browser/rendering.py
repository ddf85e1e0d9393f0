"""What was measured of a page, way by way; it shows itself as the advice's table.

All records are frozen, are saved as one JSON file, and loading it executes nothing.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from labkit.base.errors import RecordError
from labkit.base.files import record_text, whole
from labkit.base.renamed import RENAMED
from labkit.browser import table
from labkit.browser.passes import Exact, Explained, Float64, Timed
from labkit.plan.link import Link
from labkit.runs.stages import NEVER
from labkit.runs.summary import Distribution

#: The layout of saved files. One that is newer than this is refused. Version 2 called the strategy an exhibit, and
#: version 3 knew neither the three parts of an interaction nor what the browser can tell.
SCHEMA_VERSION = 4

#: Work that was slowed or hastened by more than this share is told.
WORK_OFF = 0.15

#: The page's INP and the trace's may differ by so much, rounding apart.
INP_ERROR_MS = 1.0


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
        """One value per sound run, of an attribute such as ``task_ms``; NaN where it is None."""
        found = [getattr(run, name) for run in self.sound]
        return np.array([math.nan if value is None else value for value in found], float)

    def pooled(self, name: str) -> Distribution:
        """An attribute with a value per update or click, such as ``staleness_ms``, over all sound runs."""
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
            "long_frames": self.long_frame_count,
            "superseded": _median(self.values("superseded")),
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
            "longest_interaction": None if self.longest is None else dict(self.longest),
            "explained": None if explained is None else {**asdict(explained), "paint_ms": explained.paint_ms},
            "verdict": table.verdicts(self),
        }

    @property
    def long_task_count(self) -> float:
        """The median of the runs."""
        return _median(np.array([len(run.long_tasks) for run in self.sound], float))

    @property
    def long_frame_count(self) -> float:
        """The median of the runs; NaN where the browser tells no long animation frames."""
        return _median(np.array([len(run.long_frames) for run in self.sound if run.tells_long_frames], float))

    @property
    def longest(self) -> Mapping[str, Any] | None:
        """The longest interaction of all runs; None where none was told."""
        told = [run.longest for run in self.sound if run.longest is not None]
        return max(told, key=lambda each: float(each["duration_ms"]), default=None)

    @property
    def longest_script(self) -> Mapping[str, Any] | None:
        """Of all long animation frames, the script that ran longest; None where none was told."""
        scripts = [script for run in self.sound for frame in run.long_frames for script in frame["scripts"]]
        return max(scripts, key=lambda each: float(each["duration_ms"]), default=None)


def _key(each: Measured) -> tuple[str, str]:
    return each.name, json.dumps(dict(each.settings), sort_keys=True)


def _pooled(known: Measured, more: Measured) -> Measured:
    return replace(
        known,
        exact=known.exact or more.exact,
        runs=known.runs + more.runs,
        explained=known.explained or more.explained,
    )


@dataclass(frozen=True, eq=False)
class Rendering:
    """Ways of updating a page, measured in a real browser; it shows itself as the advice's table.

    Attributes:
        measured: one per way, in the order of the request.
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
        """Both; of a way that both measured, under the same settings, the runs are pooled."""
        ways = {_key(each): each for each in self.measured}
        for each in other.measured:
            known = ways.get(_key(each))
            ways[_key(each)] = each if known is None else _pooled(known, each)
        about = self.environment or other.environment
        return Rendering(tuple(ways.values()), about, self.problems + other.problems)

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
        return table.of_measured(self.measured, self.notes).text()

    def _repr_html_(self) -> str:
        return table.of_measured(self.measured, self.notes).html()

    def github(self) -> str:
        """The table alone, for a README."""
        return table.of_measured(self.measured).github()

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
            about = json.loads(record_text(path))
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
    if network := each.settings.get("network"):
        yield f"{each.name}: between page and server: {Link.of(str(network))}."
    if said := work_said(each):
        yield f"{each.name}: {said}."
    if each.explained is not None and each.explained.inp_error_ms is not None:
        low, high = each.explained.inp_error_ms
        if (off := max(low, -high)) > INP_ERROR_MS:
            yield (
                f"{each.name}: the page told durations of interactions that are {off:.1f} ms off from the trace's, "
                "rounding apart: use the trace's INP."
            )


def work_said(each: Measured) -> str:
    """How long the server's work was asked to take and what it took, where these differ; else an empty string.

    Work that computes is a number of calculations, told off on a core that may have been slower or quicker then.
    """
    asked_ms, took_ms = each.settings.get("work_ms"), _median(each.values("work_cpu_ms"))
    # What took next to no processor time waited, and a clock does that.
    if not asked_ms or not took_ms > asked_ms / 10 or abs(took_ms / asked_ms - 1) <= WORK_OFF:
        return ""
    quicker = "quicker" if took_ms < asked_ms else "slower"
    return (
        f"the work was to take {asked_ms:g} ms of the processor and took {took_ms:.0f}: it is a number of "
        f"calculations, and the core is {quicker} now than when that number was found"
    )


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
        settings={RENAMED.get(name, name): value for name, value in about["settings"].items()},
        exact=None if about["exact"] is None else Exact(**about["exact"]),
        runs=tuple(_run_from_dict(run) for run in about["runs"]),
        explained=None if about["explained"] is None else _explained_from_dict(about["explained"]),
    )


def _explained_from_dict(about: Mapping[str, Any]) -> Explained:
    error = about.get("inp_error_ms")  # schema version 1 knew none
    return Explained(**{**about, "inp_error_ms": None if error is None else (float(error[0]), float(error[1]))})


def _run_from_dict(about: Mapping[str, Any]) -> Timed:
    known = dict(about)
    for part in _STAMPS:
        known[part] = {
            column: np.array([NEVER if value is None else int(value) for value in values], np.int64)
            for column, values in known[part].items()
        }
    known["entry_types"] = tuple(map(str, known.get("entry_types", ())))
    known["long_tasks"] = tuple((float(start), float(duration)) for start, duration in known["long_tasks"])
    for part in ("long_frames", "interactions"):
        known[part] = tuple(dict(each) for each in known[part])
    if known["clock_error_ms"] is None:
        known["clock_error_ms"] = math.nan
    return Timed(**known)
