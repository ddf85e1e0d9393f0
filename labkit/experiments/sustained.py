"""Load that lasts, as it was measured: runs at several utilisations, with what theory says of each.

A burst shows what a strategy does with a lump of work. It makes a strategy that refuses look bad and one that queues
look good, since the lump ends. Load that lasts shows the rest: above utilisation 1, a queue without a limit grows for
as long as the load lasts.
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labkit.base import clock
from labkit.base.errors import RecordError, UsageError
from labkit.base.files import record_text
from labkit.base.text import milliseconds
from labkit.base.typed import require_above_0, typed
from labkit.experiments.capacity import per_second
from labkit.experiments.offered import arrivals
from labkit.plan import queueing
from labkit.runs import quality
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run, require_pandas
from labkit.runs.stages import NEVER
from labkit.runs.summary import Distribution, Summary
from labkit.runs.table import Table

if TYPE_CHECKING:
    import pandas as pd

#: Of a folder: what belongs to all loads. The runs of each load lie in a folder below it.
ABOUT = "sustained.json"

#: More servers, seconds or load than anybody measures.
MOST = 1e6

#: Work that takes so many times as long as in the calibration, or as much less, makes a load another.
SLOWED = 1.25

HEADERS = (
    "load",
    "strategy",
    "own\np50",
    "own\ntail",
    "bystander\np50",
    "bystander\ntail",
    "goodput",
    "shed",
    "superseded",
    "lost",
)


@dataclass(frozen=True, eq=False)
class Theory:
    """What queueing theory says of the arrivals of one load, and of the service time of the calibration.

    Attributes:
        fifo_ms: arrival to end in ms, one value an event: first in, first out, by so many servers.
        sharing_ms: the same where all events present share the servers (processor sharing).
    """

    fifo_ms: NDArray[np.float64]
    sharing_ms: NDArray[np.float64]

    @classmethod
    def of(cls, run: Run, servers: int) -> Self:
        """Of a run's plan and calibration; nothing that was measured in the run is looked at."""
        return cls.following(run.plan.intended_ns / clock.NS_PER_S, run.events["service"] / clock.NS_PER_S, servers)

    @classmethod
    def following(cls, due_s: NDArray[np.float64], service_s: ArrayLike, servers: int) -> Self:
        """Each arrival through both queues."""
        models = (queueing.fifo(due_s, service_s, servers), queueing.sharing(due_s, service_s, servers))
        return cls(*(served.latencies_s(due_s) * 1000 for served in models))

    @cached_property
    def fifo(self) -> Distribution:
        """First in, first out."""
        return Distribution.of(self.fifo_ms)

    @cached_property
    def sharing(self) -> Distribution:
        """Processor sharing."""
        return Distribution.of(self.sharing_ms)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        models = {"fifo": self.fifo, "sharing": self.sharing}
        return {name: {"mean_ms": round(d.mean_ms, 3), "p50_ms": round(d.p50_ms, 3)} for name, d in models.items()}


def goodput(latencies: Distribution, bound_ms: float) -> float:
    """The share of latencies within a bound; one that is infinite is not."""
    return float(np.mean(latencies.values_ms <= bound_ms))


@dataclass(frozen=True, eq=False)
class Sustained:
    """Runs of the same strategies at several loads; shows itself as a table.

    Attributes:
        loads: utilisations, ascending: rate times service time over `servers`.
        results: of each load its runs.
        servers: how many can work at a time, by which a load is counted and which theory is told.
        seconds: how long events arrived.
        elsewhere: strategies that work in other processes. How much these can do is not what `servers` says: their own
            utilisation is another.
    """

    loads: tuple[float, ...]
    results: tuple[Comparison, ...]
    servers: int
    seconds: float
    elsewhere: tuple[str, ...] = ()

    def __getitem__(self, load: float) -> Comparison:
        if load not in self.loads:
            raise UsageError(f"no load of {load:g} was measured: there are {', '.join(f'{x:g}' for x in self.loads)}")
        return self.results[self.loads.index(load)]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, load by load."""
        return tuple(run for result in self.results for run in result.runs)

    @property
    def strategies(self) -> tuple[str, ...]:
        """Their names, in the order in which they were asked for."""
        return tuple(dict.fromkeys(name for result in self.results for name in result.strategies))

    @property
    def bounds_ms(self) -> tuple[float, float]:
        """Of the verdicts; goodput counts what is answered within the larger one."""
        return self.results[0].bounds_ms

    @property
    def service_ms(self) -> float:
        """Of one event alone, from the calibration."""
        return float(np.mean([run.events["service"].mean() for run in self.runs])) / clock.NS_PER_MS

    @cached_property
    def theory(self) -> tuple[Theory, ...]:
        """Of each load what theory says of its arrivals."""
        return tuple(Theory.of(result.runs[0], self.servers) for result in self.results)

    def predicted(self, load: float) -> Theory:
        """What theory says of a load that need not have been measured: arrivals of the same seed, the mean service."""
        plan = self.results[0].runs[0].plan
        due_s = (
            arrivals(load / self.service_ms * 1000 * self.servers, self.seconds, 1, plan.seed).intended_ns
            / clock.NS_PER_S
        )
        return Theory.following(due_s, self.service_ms / 1000, self.servers)

    @cached_property
    def computes(self) -> bool:
        """Whether the work takes a core's time for most of its own, so that events at once share it."""
        cpu_ms = _known_ms(np.concatenate([run.events["work_cpu"] for run in self.runs]))
        return len(cpu_ms) > 0 and float(cpu_ms.mean()) > self.service_ms / 2

    @cached_property
    def slowed(self) -> float:
        """How long the work of an event really took, over the calibration: every load was so many times what it says.

        CPU time of work that computes, since with others beside it its own time is longer; NaN where nothing was worked
        on.
        """
        if self.computes:
            took_ms = _known_ms(np.concatenate([run.events["work_cpu"] for run in self.runs]))
        else:
            took_ms = np.concatenate([run.service_ms[~np.isnan(run.service_ms)] for run in self.runs])
        return float(took_ms.mean()) / self.service_ms if len(took_ms) else math.nan

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the table, and every reason for doubt."""
        doubts = quality.digest(
            (run.name, [note for note in run.quality if note.kind != "utilisation" or load <= 1])
            for load, result in zip(self.loads, self.results, strict=True)
            for run in result.runs
        )
        return (*self._legend(), *doubts)

    @property
    def full(self) -> str:
        """What a load of 100% is: ``100/s, what 2 at a time can do at 20 ms an event``."""
        at_a_time = "one" if self.servers == 1 else str(self.servers)
        rate_hz = self.servers / self.service_ms * 1000
        return f"{per_second(rate_hz)}, what {at_a_time} at a time can do at {self.service_ms:.3g} ms an event"

    def _legend(self) -> Iterator[str]:
        who = self.results[0].runs[0].plan.senders
        yield (
            "Latencies in ms from the intended start; the bystander pings while events arrive. goodput: answered "
            f"within {self.bounds_ms[1]:g} ms.\nA load of 100% is {self.full}. Poisson arrivals for {self.seconds:g} s "
            f"from {who}."
        )
        if self.loads[-1] > 1:
            yield "Above 100% a queue without a limit grows for as long as events arrive: longer load, longer waits."
        if self.slowed > SLOWED or self.slowed < 1 / SLOWED:
            really = ", ".join(f"{load * self.slowed:.0%}" for load in self.loads)
            yield (
                f"caution: in these runs the work of an event took {self.slowed:.2g} times what it took in the "
                f"calibration, so the loads were really {really}; measure again when the machine is at rest"
            )
        if self.elsewhere:
            yield (
                f"{', '.join(self.elsewhere)} works in other processes: a load is the same events a second for it, and "
                "does not say how busy those processes are."
            )

    def _cells(self) -> Table:
        rows: list[tuple[str, ...]] = []
        for load, result, theory in zip(self.loads, self.results, self.theory, strict=True):
            rows += [(f"{load:.0%}", *_row(summary)) for summary in result.summaries]
            models = (("theory: first in, first out", theory.fifo), ("theory: sharing", theory.sharing))
            for name, found in models:
                own = (milliseconds(found.p50_ms), _tail(found))
                answered = f"{goodput(found, self.bounds_ms[1]):.0%}"
                rows.append((f"{load:.0%}", name, *own, "-", "-", answered, "-", "-", "-"))
        return Table(HEADERS, tuple(rows), (1,), self.notes)

    def table(self) -> "pd.DataFrame":
        """A DataFrame, one row a load and strategy; latencies in ms, inf where an answer never came."""
        rows = [
            {
                "load": load,
                "strategy": s.strategy,
                "own_p50_ms": s.own.p50_ms,
                "own_max_ms": s.own.max_ms,
                "bystander_p50_ms": s.bystander.p50_ms,
                "bystander_max_ms": s.bystander.max_ms,
                "goodput": s.goodput,
                **{name: s.outcomes[name] for name in ("shed", "superseded")},
                "lost": s.lost,
                "theory_fifo_p50_ms": theory.fifo.p50_ms,
                "theory_sharing_p50_ms": theory.sharing.p50_ms,
            }
            for load, result, theory in zip(self.loads, self.results, self.theory, strict=True)
            for s in result.summaries
        ]
        table: pd.DataFrame = require_pandas().DataFrame(rows).set_index(["load", "strategy"])
        return table

    def __repr__(self) -> str:
        return self._cells().text()

    def _repr_html_(self) -> str:
        return self._cells().html()

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; a latency that is infinite or unknown is null."""
        levels = [
            {
                "load": load,
                "plan": result.runs[0].plan.name,
                "events": len(result.runs[0]),
                "strategies": [summary.to_dict() for summary in result.summaries],
                "theory": theory.to_dict(),
            }
            for load, result, theory in zip(self.loads, self.results, self.theory, strict=True)
        ]
        return {
            "servers": self.servers,
            "seconds": self.seconds,
            "service_ms": round(self.service_ms, 3),
            "elsewhere": list(self.elsewhere),
            "levels": levels,
            "notes": list(self.notes),
        }

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what ``lab.sustain(..., save_to=folder)`` wrote; loads of which no run was made yet are left out.

        Raises:
            RecordError: there is nothing, or it is damaged.
        """
        about = Path(folder) / ABOUT
        try:
            told = json.loads(record_text(about))
            servers, seconds = typed(int, told["servers"]), typed(float, told["seconds"])
            loads, elsewhere = typed(list[float], told["loads"]), typed(tuple[str, ...], told["elsewhere"])
            require_above_0(servers, seconds, *loads, below=MOST)
        except FileNotFoundError as error:
            raise RecordError(f"there is no {ABOUT} in {folder}: give the folder that lab.sustain wrote") from error
        except (OSError, RecursionError, ValueError, LookupError, TypeError) as error:
            raise RecordError(f"{about.name} is damaged ({type(error).__name__}): measure it again") from error
        found = {load: Path(folder) / folder_name(load) for load in loads}
        there = [load for load in loads if any(found[load].glob("run-*.json"))]
        if not there:
            raise RecordError(f"there are no runs in {folder}: give the folder that lab.sustain wrote")
        results = tuple(Comparison.load(found[load]) for load in there)
        return cls(tuple(there), results, servers, seconds, elsewhere)


def _known_ms(ns: NDArray[np.int64]) -> NDArray[np.float64]:
    known: NDArray[np.float64] = ns[ns != NEVER] / clock.NS_PER_MS
    return known


def folder_name(load: float) -> str:
    """Of a load's runs, within the folder of all."""
    return f"load-{load:g}"


def _row(summary: Summary) -> tuple[str, ...]:
    """The cells of one strategy at one load, without the load."""
    invalid = f" ({summary.invalid} of {summary.runs} INVALID)" if summary.invalid else ""
    return (
        summary.strategy + invalid,
        milliseconds(summary.own.p50_ms),
        _tail(summary.own),
        milliseconds(summary.bystander.p50_ms),
        _tail(summary.bystander),
        f"{summary.goodput:.0%}",
        str(summary.outcomes["shed"]),
        str(summary.outcomes["superseded"]),
        str(summary.lost),
    )


def _tail(values: Distribution) -> str:
    name, tail_ms = values.tail
    return f"{milliseconds(tail_ms)} {name}" if len(values) else "-"
