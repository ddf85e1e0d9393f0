"""The crossover map is measured: cell by cell in a random order, each kept, and gone on with after an interruption.

See :mod:`labkit.experiments.crossover` for what comes out. Each cell starts a server anew, with its workers and its
Redis: what the cell before has left in a queue must not meet the next.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import clock, interrupts
from labkit.base.errors import LabError, UsageError
from labkit.base.listed import is_number, listed
from labkit.experiments.capacity_search import MOST_HZ
from labkit.experiments.compare import Progress, several
from labkit.experiments.crossover import Crossover
from labkit.experiments.crossover_folder import ABOUT, MapFolder
from labkit.experiments.crossover_grid import Alone, Cell, Grid
from labkit.experiments.measure import AnyStrategy, measure, require_measurable
from labkit.experiments.offered import calibrated, require_load, require_seconds
from labkit.plan.calibration import Expected, tiled
from labkit.plan.hop import Hop
from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import CLIENTS, constant
from labkit.plan.work import cpu
from labkit.runs import environment
from labkit.runs.run import Run
from labkit.runs.summary import TAIL_SAMPLES
from labkit.strategies import Strategy
from labkit.strategies import strategy as strategy_of

STRATEGIES = ("inline", "process-pool", "celery")
SERVICE_MS = (1.0, 5.0, 20.0, 80.0)
LOADS = (0.3, 0.6, 0.9, 1.5)
WORKERS = (1, 2)

BOUND_MS = 200.0

#: A few more than a p98 takes.
EVENTS = TAIL_SAMPLES + 10

#: So long the bystander, at 50 pings a second, needs for a p98 of its own.
LEAST_S = 3.0

#: Of the bound: a queue that is offered a tenth more than it can do has grown past the bound after so many.
OVERLOAD = 10.0

#: A cell whose events need longer than this is measured for so long, and may then say that it cannot tell.
MOST_S = 60.0

#: An event that has no answer after so long has broken any bound that is asked for, in seconds and in bounds.
PATIENCE_S, PATIENCE = 3.0, 5.0

#: What a cell takes besides its load, in seconds: start, warm-up, what has queued up, end. For the estimate alone.
BESIDE_S = 4.0

#: Of the calibration of a hop: events without work, so few a second that none meets another.
HOP_HZ, HOP_S, HOP_WORK_MS = 100.0, 2.0, 0.01


@interrupts.kept()
def crossover(
    strategies: Sequence[AnyStrategy] | AnyStrategy = STRATEGIES,
    *,
    service_ms: Sequence[float] | float = SERVICE_MS,
    load: Sequence[float] | float = LOADS,
    workers: Sequence[int] | int = WORKERS,
    bound_ms: float = BOUND_MS,
    events: int = EVENTS,
    least_s: float | None = None,
    most_s: float = MOST_S,
    connections: int = CLIENTS,
    mode: str = "threading",
    seed: int = 0,
    progress: Progress | None = None,
    save_to: str | Path | None = None,
) -> Crossover:
    """Measure which strategy holds a bound on latency, on a grid of service time, load and workers.

    In each cell, events that compute arrive at random (Poisson) from many clients. It *holds* if all callers are
    answered, and 98% of them within the bound. Cells are measured in random order, one run each: a map that has to be
    certain near its border is measured again with another seed. A strategy without workers is measured once, and stands
    beside every number of them. The whole default map takes some fifteen minutes.

    Args:
        strategies: names, `strategy(...)`, or `register` functions; they stand in the map in this order.
        service_ms: what an event computes, in ms of one core.
        load: utilisations of *one* core: rate times service time, above 0 and up to 10.
        workers: processes that take events, of strategies with a parameter `workers`.
        bound_ms: on p98 of the callers, and beside it of the bystander.
        events: so many in each cell at least; below 150 no cell can be told to hold.
        least_s: a cell lasts so long at least; 3 s, or ten bounds, where None.
        most_s: and so long at most. A cell that lacks events for it says that it cannot tell.
        connections: clients that send, in turn.
        mode: what serves.
        seed: of arrivals and order.
        progress: called after each cell, never during one, with how many are done, of how many, and the run.
        save_to: a folder for the cells, each as soon as it is measured. A map that was interrupted there goes on.

    Raises:
        UsageError: the request makes no sense, or the folder holds a map with other settings; nothing was started.
        MissingExtra: a strategy needs a package or a Redis that is absent.
        RecordError: what is in the folder is damaged.
        LabError: server or client failed; both are stopped.
    """
    asked = survey(
        strategies, service_ms=service_ms, load=load, workers=workers, bound_ms=bound_ms, events=events,
        least_s=least_s, most_s=most_s, connections=connections, mode=mode, seed=seed,
    )  # fmt: skip
    return asked.measure(progress, save_to)


@dataclass(frozen=True)
class Survey:
    """A map that was found possible.

    Attributes:
        grid: what is asked for.
        chosen: of each name its strategy.
    """

    grid: Grid
    chosen: Mapping[str, Strategy]

    def left(self, done: Mapping[Cell, Run]) -> list[Cell]:
        """The cells that are to be measured yet, in their random order."""
        return [cell for cell in interleaved(self.grid.cells, 1, self.grid.seed) if cell not in done]

    def measured_in(self, folder: str | Path) -> Mapping[Cell, Run]:
        """What of it a folder holds already.

        Raises:
            UsageError: it holds something else.
            RecordError: it is damaged.
        """
        there = self._there(Path(folder), environment.describe())
        return {} if there is None else there.runs()

    def estimate_s(self, done: Mapping[Cell, Run]) -> float:
        """About how long the rest takes, from what was asked for alone."""
        return sum(self.grid.seconds(cell, cell.service_ms) + BESIDE_S for cell in self.left(done))

    def measure(
        self,
        progress: Progress | None = None,
        save_to: str | Path | None = None,
        measured: Callable[..., Run] | None = None,
    ) -> Crossover:
        """The whole map, or the rest of it; see :func:`crossover`. `measured` stands in for :func:`labkit.measure`."""
        by = measured or measure
        machine = environment.describe()
        folder = None if save_to is None else self._there(Path(save_to), machine)
        if folder is None:
            alone = Alone(self._services(), self._hops(by), machine)
            folder = None if save_to is None else MapFolder.begun(Path(save_to), self.grid, alone)
        else:
            alone = folder.alone
        runs = {} if folder is None else folder.runs()
        try:
            for cell, run in interrupts.each(self._measured(by, alone, self.left(runs))):
                runs[cell] = run
                if folder is not None:
                    folder.keep(cell, run)
                if progress is not None:
                    progress(len(runs), len(self.grid.cells), run)
        except LabError as error:
            where = "lost, since no save_to=... was given" if folder is None else f"in {folder.path}, and go on there"
            error.add_note(f"the {len(runs)} cells that were measured before are {where}")
            raise
        return Crossover(self.grid, alone, runs)

    def _there(self, path: Path, machine: dict[str, Any]) -> MapFolder | None:
        """What was begun in a folder; None where nothing was."""
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file: name a folder")
        has_cells = any(path.glob("cell-*.json"))
        if not (path / ABOUT).exists() and (has_cells or any(path.glob("run-*.json"))):
            raise UsageError(f"{path} holds other runs, and no {ABOUT}: name another folder")
        if not has_cells:  # what was interrupted before its first cell is begun anew
            return None
        folder = MapFolder.found(path)
        folder.require_same(self.grid, machine)
        return folder

    @cached_property
    def _samples(self) -> dict[float, Expected]:
        found = {ms: calibrated(cpu(ms), self.grid.seed) for ms in self.grid.service_ms}
        return {ms: each for ms, each in found.items() if isinstance(each, Expected)}

    def _services(self) -> dict[float, float]:
        """CPU time, since the work only computes: a machine that is busy just now makes it no longer."""
        return {ms: sum(each.cpu_ms) / len(each.cpu_ms) for ms, each in self._samples.items()}

    def _hops(self, by: Callable[..., Run]) -> dict[str, Hop]:
        return {name: hop_of(by(self._strategy(name, 1), _WORK, _PLAN, **self._hop_settings)) for name in self.chosen}

    @property
    def _hop_settings(self) -> dict[str, Any]:
        return {"mode": self.grid.mode, "ping_hz": 0}

    def _strategy(self, name: str, workers: int) -> Strategy:
        """One with so many workers, where it has any; and a name that tells them."""
        base = self.chosen[name]
        return strategy_of(base, workers=workers) if name in self.grid.pooled else base

    def _measured(self, by: Callable[..., Run], alone: Alone, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Run]]:
        bound_s = self.grid.bound_ms / 1000
        for cell in cells:
            service_ms = alone.service_ms[cell.service_ms]
            plan = self.grid.plan(cell, service_ms)
            sample = self._samples[cell.service_ms]
            # What the map was begun with, also where it goes on in another process.
            expected = tiled(replace(sample, service_ms=(service_ms,) * len(sample.service_ms)), len(plan))
            run = by(
                self._strategy(cell.strategy, cell.workers),
                cpu(cell.service_ms),
                plan,
                mode=self.grid.mode,
                expected=expected,
                window_s=self.grid.seconds(cell, service_ms),
                timeout_s=max(PATIENCE_S, PATIENCE * bound_s),
            )
            yield cell, run


_WORK = cpu(HOP_WORK_MS)
_PLAN = constant(HOP_HZ, seconds=HOP_S)


def hop_of(run: Run) -> Hop:
    """What a run of events without work says of the hop: medians, and CPU time an event.

    Raises:
        UsageError: it was not answered, so nothing is known.
    """
    own_ms = run.own_ms[np.isfinite(run.own_ms)]
    if len(own_ms) < len(run) / 2:
        raise UsageError(
            f"{run.name} answered {len(own_ms)} of {len(run)} events that cost nothing, so its hop is unknown: see "
            "what it does with lab.measure"
        )
    # The server's own, and with those below it: the difference is the workers'.
    seen_ns = run.samples["cpu"]
    all_ms = (run.conditions.server_cpu_s or 0.0) * 1000 / len(run)
    server_ms = float(seen_ns[-1] - seen_ns[0]) / clock.NS_PER_MS / len(run) if len(seen_ns) > 1 else all_ms
    return Hop(float(np.median(own_ms)), min(server_ms, all_ms), max(0.0, all_ms - server_ms))


def survey(
    strategies: Sequence[AnyStrategy] | AnyStrategy = STRATEGIES,
    *,
    service_ms: Sequence[float] | float = SERVICE_MS,
    load: Sequence[float] | float = LOADS,
    workers: Sequence[int] | int = WORKERS,
    bound_ms: float = BOUND_MS,
    events: int = EVENTS,
    least_s: float | None = None,
    most_s: float = MOST_S,
    connections: int = CLIENTS,
    mode: str = "threading",
    seed: int = 0,
) -> Survey:
    """What :func:`crossover` will measure. Everything that cannot be measured is refused here."""
    chosen = _chosen(strategies)
    if not (0 < bound_ms < 1e6):
        raise UsageError(f"bound_ms must be above 0, such as 200, not {bound_ms:g}")
    least_s = max(LEAST_S, OVERLOAD * bound_ms / 1000) if least_s is None else least_s
    _require_times(least_s, most_s)
    if events < 10 or connections < 1 or seed < 0:
        raise UsageError(
            "a cell takes 10 events or more, 1 client or more and a seed of 0 or more, not "
            f"{events}, {connections} and {seed}"
        )
    loads, counts = _side("load", load), _side("workers", workers)
    for each in loads:
        require_load(each, "each load")
    if any(count != int(count) for count in counts):
        raise UsageError(f"workers are whole numbers, not {', '.join(f'{count:g}' for count in counts)}")
    names = tuple(chosen)
    grid = Grid(
        strategies=names,
        pooled=tuple(name for name in names if "workers" in chosen[name].settled),
        elsewhere=tuple(name for name in names if chosen[name].needs_pickle),
        service_ms=_side("service_ms", service_ms),
        loads=loads,
        workers=tuple(map(int, counts)),
        bound_ms=float(bound_ms),
        events=int(events),
        least_s=float(least_s),
        most_s=float(most_s),
        connections=int(connections),
        mode=mode,
        seed=int(seed),
    )
    found = Survey(grid, chosen)
    for cell in grid.cells:
        _require_possible(found, cell)
    return found


def _chosen(strategies: Sequence[AnyStrategy] | AnyStrategy) -> dict[str, Strategy]:
    """Of each name its strategy, none of which says how many workers it has."""
    chosen = [strategy_of(each) for each in several(strategies)]
    names = [one.name for one in chosen]
    if not names:
        raise UsageError("there is no strategy to measure: name at least one")
    if len(set(names)) < len(names):
        raise UsageError(f"two strategies have one name ({', '.join(names)}): give one of them name=...")
    if named := [one.name for one in chosen if "workers" in one.parameters]:
        raise UsageError(f"{named[0]} names its workers, which are a side of the map: leave them out there")
    return dict(zip(names, chosen, strict=True))


def _require_times(least_s: float, most_s: float) -> None:
    """UsageError where no cell can last so long."""
    for name, seconds in (("least_s", least_s), ("most_s", most_s)):
        require_seconds(seconds, name)
    if least_s > most_s:
        raise UsageError(f"least_s={least_s:g} is longer than most_s={most_s:g}: raise most_s")


def _require_possible(found: Survey, cell: Cell) -> None:
    """Refuse a cell that cannot be measured, before anything is."""
    rate_hz = cell.load / cell.service_ms * 1000
    count = round(rate_hz * found.grid.seconds(cell, cell.service_ms))
    if rate_hz > MOST_HZ:
        raise UsageError(
            f"{cell} is {rate_hz:,.0f} events a second, and a client cannot send so many: ask for longer work"
        )
    if count < max(10, found.grid.connections):
        raise UsageError(
            f"{cell} has only {count} events in {found.grid.most_s:g} s, fewer than {max(10, found.grid.connections)}: "
            "raise most_s, or ask for shorter work"
        )
    plan = found.grid.plan(cell, cell.service_ms)
    require_measurable(
        found._strategy(cell.strategy, cell.workers), cpu(cell.service_ms), plan, {"mode": found.grid.mode}
    )


def _side(name: str, values: Sequence[float] | float) -> tuple[float, ...]:
    """One side of the grid, ascending."""
    given = listed(values)
    if not given:
        raise UsageError(f"{name} is empty: give at least one")
    for value in given:
        if not is_number(value) or not 0 < value < 1e6:
            raise UsageError(f"each value of {name} is a number above 0, not {value!r}")
    if len(set(given)) < len(given):
        raise UsageError(f"{name} names a value twice: name it once")
    return tuple(sorted(float(value) for value in given))
