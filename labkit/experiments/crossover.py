"""The crossover map, as it was measured: on a grid of service time, load and workers, who holds a bound on latency.

The model stands beside it (:mod:`labkit.plan.hop`). It follows the same arrivals through two queues, and knows of the
machine what a calibration without load has found: how long the work takes alone, and what a hop costs.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.base import clock
from labkit.base.errors import RecordError, UsageError
from labkit.base.text import milliseconds
from labkit.experiments.crossover_grid import Alone, Cell, Grid
from labkit.runs import holding, quality
from labkit.runs.holding import BREAKS, HOLDS, PERCENT, UNKNOWN, Holding
from labkit.runs.run import Run, require_pandas
from labkit.runs.summary import Distribution
from labkit.runs.table import Table

if TYPE_CHECKING:
    import pandas as pd

#: Work that took so many times as long as in the calibration makes a load another.
SLOWED = 1.25


@dataclass(frozen=True, eq=False)
class Crossover:
    """The map; shows itself as a table. Cells that were not measured yet are empty.

    Attributes:
        grid: what it is of.
        alone: what the model knows.
        runs: of each cell that was measured its run.
    """

    grid: Grid
    alone: Alone
    runs: Mapping[Cell, Run]

    def __post_init__(self) -> None:
        missing = {*self.grid.strategies} - {*self.alone.hops} or {*self.grid.service_ms} - {*self.alone.service_ms}
        if missing:
            raise RecordError(f"the calibration lacks {', '.join(map(str, sorted(missing)))}")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Crossover":
        """Read what ``lab.crossover(..., save_to=folder)`` wrote, as much as there is.

        Raises:
            RecordError: there is nothing, or it is damaged.
        """
        from labkit.experiments.crossover_folder import MapFolder

        return MapFolder.found(Path(folder)).map()

    @property
    def is_whole(self) -> bool:
        """Whether every cell was measured."""
        return len(self.runs) == len(self.grid.cells)

    @cached_property
    def own(self) -> Mapping[Cell, Holding]:
        """Of each measured cell whether its callers were answered within the bound."""
        return {cell: holding.callers(run, self.grid.bound_ms) for cell, run in self.runs.items()}

    @cached_property
    def bystander(self) -> Mapping[Cell, Holding]:
        """The same of the bystander, who sent nothing."""
        return {cell: holding.bystander(run, self.grid.bound_ms) for cell, run in self.runs.items()}

    @cached_property
    def predicted_ms(self) -> Mapping[Cell, float]:
        """Of every cell the p98 that the model says of these arrivals, measured or not."""
        return {cell: self._predicted_ms(cell) for cell in self.grid.cells}

    def _predicted_ms(self, cell: Cell) -> float:
        service_ms = self.alone.service_ms[cell.service_ms]
        due_s = self.grid.plan(cell, service_ms).intended_ns / clock.NS_PER_S
        workers = max(1, cell.workers) if cell.strategy in self.grid.elsewhere else 0
        latencies_s = self.alone.hops[cell.strategy].latencies_s(due_s, service_ms / 1000, workers)
        return Distribution.of(latencies_s * 1000).percentile(PERCENT)

    def predicted(self, cell: Cell) -> str:
        """What the model says of a cell: it holds, or it breaks."""
        return HOLDS if self.predicted_ms[cell] <= self.grid.bound_ms else BREAKS

    def word(self, cell: Cell) -> str:
        """What was measured of a cell; empty where nothing was."""
        return self.own[cell].word if cell in self.own else ""

    def holders(self, service_ms: float, load: float, workers: int) -> tuple[str, ...]:
        """Who was seen to hold the bound at one place, in the order in which they were asked for.

        Raises:
            UsageError: the map has no such place.
        """
        if service_ms not in self.grid.service_ms or load not in self.grid.loads or workers not in self.grid.workers:
            raise UsageError(
                f"the map has no {service_ms:g} ms at {load:g} with {workers}: it has service times of "
                f"{_listed(self.grid.service_ms)} ms, loads of {_listed(self.grid.loads)}, "
                f"{_listed(self.grid.workers)} workers"
            )
        return tuple(
            name for name in self.grid.strategies if self.word(self.grid.cell(name, service_ms, load, workers)) == HOLDS
        )

    @cached_property
    def differing(self) -> tuple[Cell, ...]:
        """Where the model says something else than was measured; what cannot be told is no difference."""
        return tuple(c for c in self.grid.cells if self.word(c) not in ("", UNKNOWN, self.predicted(c)))

    @property
    def finding(self) -> str:
        """Who holds the bound in how many cells, with the most workers; and how often the model says otherwise."""
        workers = self.grid.workers[-1]
        said = []
        for name in self.grid.strategies:
            places = [
                self.grid.cell(name, ms, load, workers) for ms in self.grid.service_ms for load in self.grid.loads
            ]
            told = [self.word(cell) for cell in places if self.word(cell) not in ("", UNKNOWN)]
            said.append(f"{name} in {told.count(HOLDS)} of {len(told)}")
        told_of = [cell for cell in self.runs if self.word(cell) != UNKNOWN]
        otherwise = f"otherwise in {len(self.differing)} of {len(told_of)} cells" if self.differing else "the same"
        return (
            f"With {workers} worker{'s' * (workers > 1)}, p98 is within {self.grid.bound_ms:g} ms under "
            f"{', '.join(said)} cells; the model says {otherwise}"
            f"{'. The machine was busy: what breaks here may hold at rest' if self.is_busy else ''}"
        )

    @cached_property
    def is_busy(self) -> bool:
        """Whether somebody else computed meanwhile, in most of the runs; see :mod:`labkit.runs.quality`."""
        spare = [min(run.conditions.spare_cpu) for run in self.runs.values() if run.conditions.spare_cpu]
        return bool(spare) and float(np.median(spare)) < quality.SPARE_CPU

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the table, and every reason for doubt."""
        doubts = quality.digest(
            (cell.strategy, [note for note in run.quality if note.kind != "utilisation"])
            for cell, run in self.runs.items()
        )
        return (*self._legend(), *doubts)

    def _legend(self) -> Iterator[str]:
        yield (
            f"p98 in ms of callers / bystander, {self.grid.bound_ms:g} ms is the bound. *: the model says otherwise. "
            f"A load of 100% is one core. Poisson arrivals from {self.grid.connections} clients."
        )
        if missing := len(self.grid.cells) - len(self.runs):
            yield f"{missing} of {len(self.grid.cells)} cells are not measured yet."
        for reason, count in self._unknown.items():
            yield f"cannot tell {count} cell{'s' * (count > 1)}: {reason}"
        hops = (
            f"{name} {hop.path_ms:.1f} ms ({hop.server_ms:.1f} of the server, {hop.worker_ms:.1f} of workers)"
            for name, hop in self.alone.hops.items()
        )
        yield (
            f"The model knows of an event without work, alone: {', '.join(hops)}. It does not know that client, server "
            "and workers share this machine's cores."
        )
        if (slowed := self.slowed) and (slowed > SLOWED or slowed < 1 / SLOWED):
            yield (
                f"caution: over all cells the work took {slowed:.2g} times what it took in the calibration, so loads "
                f"were really {slowed:.2g} times what they say; measure again when the machine is at rest"
            )

    @property
    def _unknown(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for judged in self.own.values():
            if judged.word == UNKNOWN:
                found[judged.why] = found.get(judged.why, 0) + 1
        return found

    @cached_property
    def slowed(self) -> float:
        """CPU time of the work over that of the calibration, the median of all cells; NaN where nothing was worked."""
        each = [
            float(np.median(took[took >= 0])) / float(run.events["service"].mean())
            for run in self.runs.values()
            if ((took := run.events["work_cpu"]) >= 0).any()
        ]
        return float(np.median(each)) if each else math.nan

    def _cell_text(self, cell: Cell) -> str:
        if cell not in self.own:
            return "-"
        own, beside = self.own[cell], self.bystander[cell]
        mark = "*" if cell in self.differing else ""
        word = "?" if own.word == UNKNOWN else own.word
        return f"{word}{mark} {milliseconds(own.p98_ms)} / {milliseconds(beside.p98_ms)}"

    @property
    def _table(self) -> Table:
        rows = tuple(
            (
                str(workers),
                f"{ms:g}",
                f"{load:.0%}",
                *(self._cell_text(self.grid.cell(name, ms, load, workers)) for name in self.grid.strategies),
            )
            for workers in self.grid.workers
            for ms in self.grid.service_ms
            for load in self.grid.loads
        )
        headers = ("workers", "service\nms", "load", *self.grid.strategies)
        return Table(headers, rows, tuple(range(3, len(headers))), (f"{self.finding}.", *self.notes))

    def __repr__(self) -> str:
        return self._table.text()

    def _repr_html_(self) -> str:
        return self._table.html()

    def _rows(self) -> Iterator[dict[str, Any]]:
        for cell in self.grid.cells:
            own, beside = self.own.get(cell), self.bystander.get(cell)
            yield {
                "strategy": cell.strategy,
                "service_ms": cell.service_ms,
                "load": cell.load,
                "workers": cell.workers,
                "verdict": own.word if own else "not measured",
                "why": own.why if own else "",
                "own_p98_ms": own.p98_ms if own else math.nan,
                "bystander": beside.word if beside else "not measured",
                "bystander_p98_ms": beside.p98_ms if beside else math.nan,
                "events": len(self.runs[cell]) if own else 0,
                "predicted": self.predicted(cell),
                "predicted_p98_ms": self.predicted_ms[cell],
            }

    def table(self) -> "pd.DataFrame":
        """A DataFrame, one row a cell; latencies in ms, inf where an answer never came, NaN where none was measured."""
        table: pd.DataFrame = require_pandas().DataFrame(list(self._rows()))
        return table

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; a latency that is infinite or unknown is null."""
        cells = [{k: _finite(v) if k.endswith("p98_ms") else v for k, v in row.items()} for row in self._rows()]
        return {
            "finding": self.finding,
            "grid": self.grid.to_dict(),
            "calibration": self.alone.to_dict(),
            "measured": len(self.runs),
            "differing": [str(cell) for cell in self.differing],
            "cells": cells,
            "notes": list(self.notes),
        }


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
