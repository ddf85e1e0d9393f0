"""Load that lasts is measured: planned for each utilisation, interleaved, and kept run by run.

See :mod:`labkit.experiments.sustained` for what comes out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, Unpack, cast

from labkit.base import interrupts
from labkit.base.errors import LabError, UsageError
from labkit.base.files import unused_folder
from labkit.base.listed import listed
from labkit.base.renamed import refusing_old_names
from labkit.experiments.compare import Ordered, Progress, ordered
from labkit.experiments.measure import AnyStrategy
from labkit.experiments.offered import calibrated, offered, require_load, require_seconds
from labkit.experiments.settings import Settings
from labkit.experiments.sustained import ABOUT, Sustained, folder_name
from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import CLIENTS
from labkit.plan.work import Work
from labkit.runs.comparison import Comparison, file_name, unused
from labkit.runs.run import Run
from labkit.runs.summary import BOUNDS_MS


@refusing_old_names
@interrupts.kept()
def sustain(
    strategies: Sequence[AnyStrategy] | AnyStrategy,
    work: Work,
    *,
    loads: Sequence[float] | float = (0.5, 0.9, 1.5),
    seconds: float = 5.0,
    servers: int = 1,
    connections: int = CLIENTS,
    repeats: int = 1,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Progress | None = None,
    save_to: str | Path | None = None,
    **settings: Unpack[Settings],
) -> Sustained:
    """Measure strategies under load that lasts: Poisson arrivals at several utilisations, beside queueing theory.

    A load is rho = rate * service time / `servers`; the service time is that of a calibration without load. At each
    load all strategies get the same arrivals. Runs are interleaved, loads too. A run takes `seconds`, and then as long
    as the server needs for what has queued up: at a load of 1.5, half of `seconds` where nothing is refused.

    Args:
        strategies: as for :func:`labkit.compare`.
        work: what an event costs.
        loads: utilisations, each above 0 and up to 10.
        seconds: how long events arrive.
        servers: how many can work at a time: 1 (core) for Python that holds the GIL, the workers of a pool for work
            that waits.
        connections: clients that send, in turn.
        repeats: runs of each strategy at each load.
        seed: of payloads, arrivals and the order of the runs.
        bounds_ms: of the verdicts; goodput counts what is answered within the larger one.
        progress: called after each run, never during one, with how many are done, of how many, and the run.
        save_to: a folder for the runs, each as soon as it is measured; :meth:`Sustained.load` reads it.
        settings: of every measurement: see :class:`labkit.Settings`. Where these are not named, the bystander pings
            while events arrive, and an event has timed out when all of the work could have been done twice.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        LabError: server or client failed; both are stopped.
    """
    chosen = _ascending(listed(loads))
    require_seconds(seconds)
    if settings.get("expected") is not None:
        raise UsageError("expected=... belongs to one plan, and each load has its own: leave it out")
    if not isinstance(work, Work):
        raise UsageError(f"the work must be a lab.cpu(ms=...), a lab.call(function) or the like, not {work!r}")
    alone = calibrated(work, seed)
    orders: list[Ordered] = []
    for number, load in enumerate(chosen):
        asked = offered(work, load, seconds=seconds, servers=servers, connections=connections, seed=seed, alone=alone)
        own = cast(Settings, {**asked.settings, **settings})
        orders.append(ordered(strategies, work, asked.plan, repeats=repeats, seed=seed + number, **own))
    elsewhere = tuple(dict.fromkeys(strategy.name for strategy, _, _ in orders[0].turns if strategy.needs_pickle))
    about = {"loads": list(chosen), "servers": servers, "seconds": seconds, "elsewhere": list(elsewhere)}
    runs = _measured(
        orders, seed, progress, None if save_to is None else _Kept.begun(save_to, about, orders, bounds_ms)
    )
    results = tuple(Comparison(tuple(each), bounds_ms, o.names) for each, o in zip(runs, orders, strict=True))
    return Sustained(chosen, results, servers, seconds, elsewhere)


def _ascending(loads: Sequence[float]) -> tuple[float, ...]:
    if not len(loads):
        raise UsageError("there is no load to measure at: give at least one, such as 0.9 for 90%")
    for load in loads:
        require_load(load)
    if len(set(loads)) < len(loads):
        raise UsageError("a load is named twice: name it once, and give repeats=... for several runs")
    return tuple(sorted(float(load) for load in loads))


@dataclass(frozen=True)
class _Kept:
    """A folder with a folder of runs for each load."""

    folders: tuple[Path, ...]
    bounds_ms: tuple[float, float]
    names: tuple[str, ...]

    @classmethod
    def begun(
        cls, folder: str | Path, about: dict[str, Any], orders: Sequence[Ordered], bounds_ms: tuple[float, float]
    ) -> Self:
        """Write what belongs to all loads. UsageError where a folder holds runs of before."""
        top = unused_folder(Path(folder), ABOUT, "the runs of an earlier measurement")
        folders = tuple(unused(top / folder_name(load)) for load in about["loads"])
        top.mkdir(parents=True, exist_ok=True)
        (top / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        return cls(folders, bounds_ms, orders[0].names)

    def keep(self, number: int, runs: Sequence[Run]) -> None:
        """Write the newest run of a load."""
        runs[-1].save(self.folders[number] / file_name(len(runs) - 1, runs[-1]))
        Comparison((), self.bounds_ms, self.names).save_about(self.folders[number])


def _measured(orders: Sequence[Ordered], seed: int, progress: Progress | None, folder: _Kept | None) -> list[list[Run]]:
    """Of each load its runs: one load after the other, in an order that each round draws anew."""
    coming = [order.runs() for order in orders]
    runs: list[list[Run]] = [[] for _ in orders]
    total = sum(len(order) for order in orders)
    try:
        turns = interleaved(range(len(orders)), len(orders[0]), seed)
        for done, number in enumerate(interrupts.each(turns), 1):
            runs[number].append(run := next(coming[number]))
            if folder is not None:
                folder.keep(number, runs[number])
            if progress is not None:
                progress(done, total, run)
    except LabError as error:
        where = "lost, since no save_to=... was given" if folder is None else f"in {folder.folders[0].parent}"
        error.add_note(f"the {sum(map(len, runs))} runs that were measured before are {where}")
        raise
    return runs
