"""The folder of a crossover map: every cell as soon as it is measured, so that an interrupted map goes on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from labkit.base.errors import LabError, RecordError, UsageError
from labkit.base.files import record_text, safe_name, whole
from labkit.experiments.crossover import Crossover
from labkit.experiments.crossover_grid import Alone, Cell, Grid
from labkit.plan.schedules import Schedule
from labkit.runs import holding
from labkit.runs.run import Run

#: What belongs to the whole map. The run of each cell lies beside it.
ABOUT = "crossover.json"

SCHEMA_VERSION = 1

#: What of a machine must be the same for all cells of one map.
_SAME = ("system", "cores", "implementation", "gil", "python")


@dataclass(frozen=True)
class MapFolder:
    """One map's.

    Attributes:
        path: of the folder.
        grid, alone: what all of its cells share.
    """

    path: Path
    grid: Grid
    alone: Alone

    @classmethod
    def begun(cls, path: Path, grid: Grid, alone: Alone) -> Self:
        """A new one.

        Raises:
            UsageError: it cannot be written.
        """
        about = {"schema_version": SCHEMA_VERSION, "grid": grid.to_dict(), "alone": alone.to_dict()}
        try:
            path.mkdir(parents=True, exist_ok=True)
            with whole(path / ABOUT) as half:
                half.write_text(json.dumps(about, indent=1), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written to ({error.strerror}): name another folder") from error
        return cls(path, grid, alone)

    @classmethod
    def found(cls, path: Path) -> Self:
        """One that was begun.

        Raises:
            RecordError: there is none, it is damaged, or of a newer labkit.
        """
        about = path / ABOUT
        try:
            told = json.loads(record_text(about), parse_constant=_refused)
            version = told["schema_version"]
            if type(version) is not int or version > SCHEMA_VERSION:
                raise RecordError(f"{about} has schema version {version}: read it with a newer labkit than this")
            return cls(path, Grid.from_dict(told["grid"]), Alone.from_dict(told["alone"]))
        except RecordError as error:
            raise RecordError(f"{about}: {error}") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RecordError(f"there is no {ABOUT} in {path}: give the folder of a crossover map") from error
        except (AttributeError, OSError, RecursionError, ValueError, LookupError, TypeError, OverflowError) as error:
            raise RecordError(f"{about} is damaged ({type(error).__name__}): begin in another folder") from error

    def require_same(self, grid: Grid, machine: dict[str, Any]) -> None:
        """UsageError where another map is asked for, or on another machine, than was begun here."""
        asked, there = grid.to_dict(), self.grid.to_dict()
        differs = [
            f"{name} {_told(there[name])}, not {_told(asked[name])}" for name in asked if asked[name] != there[name]
        ]
        differs += [
            f"{name} {self.alone.machine.get(name)}, not {machine[name]}"
            for name in _SAME
            if self.alone.machine.get(name) != machine[name]
        ]
        if differs:
            raise UsageError(
                f"{self.path} holds a map with other settings ({'; '.join(differs)}): name another folder, or ask for "
                "the same"
            )

    def file(self, cell: Cell) -> Path:
        """Of a cell's run, without ending."""
        workers = f"-{cell.workers}" if cell.workers else ""
        return self.path / safe_name(f"cell-{cell.strategy}{workers}-{cell.service_ms:g}ms-load-{cell.load:g}")

    def keep(self, cell: Cell, run: Run) -> None:
        """Write the run of a cell.

        Raises:
            UsageError: it cannot be written.
        """
        try:
            run.save(self.file(cell))
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written to ({error.strerror}): make room, and go on") from error

    def runs(self) -> dict[Cell, Run]:
        """Of each cell that was measured its run.

        Raises:
            RecordError: one is damaged, or is not of its cell.
        """
        found = {}
        for cell in self.grid.cells:
            file = self.file(cell)
            if not file.with_name(file.name + ".json").exists():
                continue
            try:
                run = Run.load(file)
                _require_of(run, cell, self._plan(cell), self.grid.bound_ms)
            except RecordError as error:
                raise RecordError(f"{error}: remove {file}.json, and this cell is measured again") from error
            found[cell] = run
        return found

    def _plan(self, cell: Cell) -> Schedule:
        try:
            return self.grid.plan(cell, self.alone.service_ms[cell.service_ms])
        except (LabError, LookupError) as error:
            raise RecordError(f"{self.path / ABOUT} is damaged ({type(error).__name__})") from error

    def map(self) -> Crossover:
        """As much as was measured."""
        return Crossover(self.grid, self.alone, self.runs())


def _require_of(run: Run, cell: Cell, plan: Schedule, bound_ms: float) -> None:
    """RecordError where a run is not the one of its cell, as after a file was renamed, or can't be judged."""
    try:
        workers = run.conditions.parameters.get("workers") if cell.workers else 0
        is_same = np.array_equal(run.plan.intended_ns, plan.intended_ns) and workers == cell.workers
        is_same = is_same and run.strategy.startswith(cell.strategy)
        for judge in (holding.callers, holding.bystander):
            judge(run, bound_ms)
        float(run.events["service"].mean())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordError(f"the run of {cell} is damaged ({type(error).__name__})") from error
    if not is_same:
        raise RecordError(f"the run in the file of {cell} is another one, of {run.strategy} and {run.plan.name}")


def _refused(constant: str) -> None:
    """Of NaN and infinities, which a map does not have."""
    raise ValueError(constant)


def _told(value: Any) -> str:
    return (
        "/".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
        if isinstance(value, list)
        else str(value)
    )
