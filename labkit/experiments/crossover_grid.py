"""What a crossover map is of: its cells, how each is measured, and what a calibration without load has found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from labkit.base.typed import built, require_above_0, typed
from labkit.experiments import offered
from labkit.plan.hop import Hop
from labkit.plan.schedules import Schedule

#: More than any map has: entries on a side, workers or events, ms or seconds.
MOST_ENTRIES, MOST_COUNTED, MOST = 1000, 1e6, 1e9


@dataclass(frozen=True)
class Cell:
    """One place of the map.

    Attributes:
        strategy: its name, without workers.
        service_ms: that was asked for, of one event.
        load: utilisation of one core.
        workers: processes that take events; 0 of a strategy that has none.
    """

    strategy: str
    service_ms: float
    load: float
    workers: int

    def __str__(self) -> str:
        who = f" with {self.workers} worker{'s' * (self.workers > 1)}" if self.workers else ""
        return f"{self.strategy}{who}, {self.service_ms:g} ms at {self.load:.0%}"


@dataclass(frozen=True)
class Grid:
    """What the map is of, and how a cell is measured.

    Attributes:
        strategies: their names.
        pooled: those of them that have a number of workers; any other has the same cell whatever that is.
        elsewhere: those of them that work in other processes.
        service_ms, loads, workers: the sides of the grid, ascending.
        bound_ms: on p98.
        events: so many a cell at least; a p98 takes 150.
        least_s, most_s: a cell lasts as long as its events need, but not less and not more.
        connections: clients that send.
        mode: what serves.
        seed: of arrivals and order.
    """

    strategies: tuple[str, ...]
    pooled: tuple[str, ...]
    elsewhere: tuple[str, ...]
    service_ms: tuple[float, ...]
    loads: tuple[float, ...]
    workers: tuple[int, ...]
    bound_ms: float
    events: int
    least_s: float
    most_s: float
    connections: int
    mode: str
    seed: int

    def cell(self, strategy: str, service_ms: float, load: float, workers: int) -> Cell:
        """That of a strategy, with its own number of workers or with none."""
        return Cell(strategy, service_ms, load, workers if strategy in self.pooled else 0)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them, each once."""
        return tuple(
            dict.fromkeys(
                self.cell(strategy, service_ms, load, workers)
                for workers in self.workers
                for service_ms in self.service_ms
                for load in self.loads
                for strategy in self.strategies
            )
        )

    def seconds(self, cell: Cell, service_ms: float) -> float:
        """How long events arrive in a cell, with the service time of the calibration."""
        needed_s = self.events * service_ms / 1000 / cell.load
        return min(self.most_s, max(self.least_s, math.ceil(needed_s * 10) / 10))

    def plan(self, cell: Cell, service_ms: float) -> Schedule:
        """The arrivals of a cell: the same for every strategy and number of workers."""
        rate_hz = float(f"{cell.load / service_ms * 1000:.{offered.DIGITS}g}")
        return offered.arrivals(rate_hz, self.seconds(cell, service_ms), self.connections, self.seed)

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of ``lab.crossover`` that ask for it again."""
        derived = ("pooled", "elsewhere", "loads")
        return {**{f.name: getattr(self, f.name) for f in fields(self) if f.name not in derived}, "load": self.loads}

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote.

        Raises:
            ValueError: it is not that.
        """
        grid = built(cls, told)
        sides = (grid.strategies, grid.service_ms, grid.loads, grid.workers)
        counts = (*grid.workers, grid.events, grid.connections)
        measures = (*grid.service_ms, *grid.loads, grid.bound_ms, grid.least_s, grid.most_s)
        if not all(0 < len(side) <= MOST_ENTRIES for side in sides) or grid.seed < 0:
            raise ValueError("a side is empty or too long, or the seed is below 0")
        require_above_0(*counts, below=MOST_COUNTED)
        require_above_0(*measures, below=MOST)
        return grid


@dataclass(frozen=True)
class Alone:
    """What the calibrations without load have found, once for the whole map.

    Attributes:
        service_ms: of each service time that was asked for, the CPU time that an event really takes alone.
        hops: of each strategy what its handling costs beside the work.
        machine: on what; JSON.
    """

    service_ms: Mapping[float, float]
    hops: Mapping[str, Hop]
    machine: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "service_ms": [[asked, found] for asked, found in self.service_ms.items()],
            "hops": {name: hop.to_dict() for name, hop in self.hops.items()},
            "machine": dict(self.machine),
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` wrote.

        Raises:
            RecordError, LookupError, TypeError, ValueError: it is not that.
        """
        service_ms = dict(typed(list[tuple[float, ...]], told["service_ms"]))
        require_above_0(*service_ms, *service_ms.values(), below=MOST)
        hops = {str(name): Hop.from_dict(hop) for name, hop in dict(told["hops"]).items()}
        return cls(service_ms, hops, dict(told["machine"]))
