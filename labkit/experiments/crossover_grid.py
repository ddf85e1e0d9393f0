"""What a crossover map is of: its cells, how each is measured, and what a calibration without load has found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from labkit.experiments import offered
from labkit.plan.hop import Hop
from labkit.plan.schedules import Schedule


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
            LookupError, TypeError, ValueError: it is not that.
        """
        seed = told["seed"]
        if type(seed) is not int or seed < 0:
            raise ValueError("the seed is no number")
        return cls(
            strategies=tuple(map(_text, _list(told["strategies"]))),
            pooled=tuple(map(_text, _list(told["pooled"]))),
            elsewhere=tuple(map(_text, _list(told["elsewhere"]))),
            service_ms=tuple(map(_above_0, _list(told["service_ms"]))),
            loads=tuple(map(_above_0, _list(told["loads"]))),
            workers=tuple(map(_whole, _list(told["workers"]))),
            bound_ms=_above_0(told["bound_ms"]),
            events=_whole(told["events"]),
            least_s=_above_0(told["least_s"]),
            most_s=_above_0(told["most_s"]),
            connections=_whole(told["connections"]),
            mode=_text(told["mode"]),
            seed=seed,
        )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > 1000:
        raise TypeError("not a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 1_000_000:
        raise ValueError("not a whole number above 0")
    return value


def _above_0(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError("not a number above 0")
    return float(value)


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
        service_ms = {_above_0(asked): _above_0(found) for asked, found in _list(told["service_ms"])}
        hops = {str(name): Hop.from_dict(hop) for name, hop in dict(told["hops"]).items()}
        return cls(service_ms, hops, dict(told["machine"]))
