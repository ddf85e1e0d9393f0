"""Several runs of several strategies, interleaved: what a table, a figure and a claim are made from."""

import json
import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labkit.base.errors import RecordError, UsageError
from labkit.base.files import record_text, safe_name, unused_folder
from labkit.plan.schedules import senders
from labkit.runs import difference, quality
from labkit.runs import table as tables
from labkit.runs.difference import Difference
from labkit.runs.run import Run, require_pandas
from labkit.runs.summary import BOUNDS_MS, TAIL_SAMPLES, Distribution, Summary, summarise
from labkit.runs.table import Table

if TYPE_CHECKING:
    import pandas as pd

#: What strategies can be compared by.
MEASURES = ("own", "bystander", "handler_blocking", "connection_blocked")

#: Of a folder of runs: what belongs to all of them.
_ABOUT = "comparison.json"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs of one plan and one work at several strategies.

    Attributes:
        runs: in the order in which they were measured.
        bounds_ms: up to the first a tail latency is good, above the second it is poor.
        names: of the strategies, in the order in which they were asked for; one that is not among them comes last.
    """

    runs: tuple[Run, ...]
    bounds_ms: tuple[float, float] = BOUNDS_MS
    names: tuple[str, ...] = ()

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """Their names, in the order in which they were asked for; with mode and clients where there are several."""
        asked = {name: place for place, name in enumerate(self.names)}
        found = dict.fromkeys((asked.get(run.name, len(asked)), self._name(run)) for run in self.runs)
        return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The modes of the runs, in the order in which they were measured."""
        return tuple(dict.fromkeys(run.mode for run in self.runs))

    def within(self, mode: str) -> Self:
        """The runs of one mode, in which strategies go by their plain names: what claims are asked of."""
        if mode not in self.modes:
            raise UsageError(f"no run here is of mode {mode!r}: there are {', '.join(self.modes) or 'none'}")
        return replace(self, runs=tuple(run for run in self.runs if run.mode == mode))

    @cached_property
    def clients(self) -> tuple[int, ...]:
        """How many clients sent the events, each number once, the smallest first; most often it is one number."""
        return tuple(sorted({run.plan.connections for run in self.runs}))

    def sent_by(self, *clients: int) -> Self:
        """The runs in which so many clients sent the events; strategies go by their plain names if it is one number."""
        if unknown := sorted(set(clients) - set(self.clients)):
            raise UsageError(f"no run here is of {senders(unknown[0])}: there are runs of {self._senders or 'none'}")
        return replace(self, runs=tuple(run for run in self.runs if run.plan.connections in clients))

    @property
    def _senders(self) -> str:
        return ", ".join(senders(number) for number in self.clients)

    @property
    def plans(self) -> tuple[str, ...]:
        """What was asked of the strategies, in words: ``10 events at once from 10 clients, each cpu:100ms``."""
        return tuple(dict.fromkeys(f"{run.plan.name}, each {run.work}" for run in self.runs))

    def _name(self, run: Run) -> str:
        # Mode and clients belong to the run: beside runs of another, the same strategy is another row.
        several = [run.mode] if len(self.modes) > 1 and run.mode not in run.variant.split(", ") else []
        several += [run.plan.senders] if len(self.clients) > 1 else []
        return f"{run.name} ({', '.join(several)})" if several else run.name

    def of(self, strategy: str) -> tuple[Run, ...]:
        """The runs of one strategy, by its name in :attr:`strategies`."""
        found = tuple(run for run in self.runs if self._name(run) == strategy)
        if not found:
            raise UsageError(f"{strategy!r} was not measured here: there are {', '.join(self.strategies) or 'no runs'}")
        return found

    @cached_property
    def _summaries(self) -> dict[str, Summary]:
        return {name: replace(summarise(self.of(name), self.bounds_ms), strategy=name) for name in self.strategies}

    def __getitem__(self, strategy: str) -> Summary:
        self.of(strategy)
        return self._summaries[strategy]

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """One a strategy."""
        return tuple(self._summaries.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Every reason for doubt in a line: how many runs it concerns, of which strategies, and the worst of it."""
        doubts = quality.digest((self._name(run), run.quality) for run in self.runs)
        return (*doubts, *self.networks, *self._too_few_samples(), *self._all_kinds_together(), *self.out_of_order)

    @property
    def networks(self) -> tuple[str, ...]:
        """A line on each network that the lab put between clients and server; empty where it was loopback alone."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            if run.conditions.link is not None:
                found.setdefault(str(run.conditions.link), []).append(self._name(run))
        of_all = len(found) == 1 and sum(map(len, found.values())) == len(self.runs)
        whose = {link: "" if of_all else f" ({', '.join(dict.fromkeys(names))})" for link, names in found.items()}
        return tuple(f"note: between clients and server: {link}{names}" for link, names in whose.items())

    def _too_few_samples(self) -> tuple[str, ...]:
        """Where a verdict goes by the maximum for want of samples: how many there are, and how many it takes."""
        fewest = min((len(s.own) for s in self.summaries), default=TAIL_SAMPLES)
        if fewest >= TAIL_SAMPLES:
            return ()
        each = " of a strategy" if len(self.summaries) > 1 else ""
        return (
            f"note: {fewest} events{each} support no p98, which takes {TAIL_SAMPLES}: the verdict on own "
            "answers goes by the maximum; fire or repeat more for a p98",
        )

    def _all_kinds_together(self) -> tuple[str, ...]:
        if not self.kinds:
            return ()
        return (f"note: latencies are of all kinds together ({', '.join(self.kinds)}): by_kind() tells them apart",)

    @property
    def out_of_order(self) -> tuple[str, ...]:
        """A line on who answered a client in another order than that of its events; empty where nobody did."""
        found = [f"{s.strategy} ({s.order})" for s in self.summaries if s.order.overtaken]
        if not found:
            return ()
        who = ", ".join(found) if len(found) < 4 else f"{len(found)} strategies"
        return (
            f"note: later events of a client overtook earlier ones under {who}: if they depend on each "
            "other, handle each client's in turn, as inline-serial and ordered-pool do",
        )

    @property
    def is_valid(self) -> bool:
        """Whether no run is invalid."""
        return all(run.is_valid for run in self.runs)

    def order(self, by: str = "own") -> tuple[str, ...]:
        """The strategies from best to worst by a median: one of :data:`MEASURES`."""
        _require_measure(by)
        return tuple(sorted(self.strategies, key=lambda name: getattr(self[name], by).p50_ms))

    def contrasts(self) -> tuple[str, ...]:
        """Is the best really better than the first? A sentence for callers and one for neighbours (:meth:`versus`).

        Compared with `inline`, or with the first where that was not measured. One sentence instead where so few runs
        cannot tell.
        """
        if len(self.strategies) < 2:
            return ()
        first = "inline" if "inline" in self.strategies else self.strategies[0]
        fewest = min(len(self.of(name)) for name in self.strategies)
        if fewest < difference.ENOUGH:
            return (f"Too few repeats to say what is chance ({fewest} each): {difference.ENOUGH} of each can tell.",)
        sentences = []
        for by in ("own", "bystander"):
            ranked = [name for name in self.order(by) if not math.isnan(getattr(self[name], by).p50_ms)]
            if len(ranked) > 1 and first in ranked:
                best = ranked[0] if ranked[0] != first else ranked[1]
                sentences.append(repr(self.versus(best, first, by)))
        return tuple(sentences)

    def versus(self, first: str, second: str, by: str = "bystander") -> Difference:
        """Whether two strategies differ by the medians of their runs, and by how much; shows itself as a sentence.

        Exact permutation test and bootstrap over runs (:mod:`labkit.runs.difference`). Four runs of each are the
        fewest that can tell. `by` is one of :data:`MEASURES`.
        """
        _require_measure(by)
        medians = [
            [Distribution.of(getattr(run, f"{by}_ms")).p50_ms for run in self.of(name)] for name in (first, second)
        ]
        if any(math.isnan(ms) for runs in medians for ms in runs):
            raise UsageError(f"{by} was not measured in every run: compare by something else")
        return difference.compare(*medians, names=(first, second), what=f"{by.replace('_', '-')} p50")

    def table(self) -> "pd.DataFrame":
        """A DataFrame, one row a strategy; latencies in ms, inf where an answer never came."""
        rows = [
            {
                "strategy": s.strategy,
                "handler_blocking_p50_ms": s.handler_blocking.p50_ms,
                "connection_blocked_p50_ms": s.connection_blocked.p50_ms,
                "own_p50_ms": s.own.p50_ms,
                "own_max_ms": s.own.max_ms,
                "bystander_p50_ms": s.bystander.p50_ms,
                f"bystander_{s.bystander.tail[0]}_ms": s.bystander.tail[1],
                "goodput": s.goodput,
                "lost": s.lost,
                "strays": s.strays,
                "overtaken": s.order.overtaken if s.order.is_asked else math.nan,
                "threads_peak": s.threads,
                "server_cpu_s": s.server_cpu_s,
                "verdict": s.verdict,
            }
            for s in self.summaries
        ]
        table: pd.DataFrame = require_pandas().DataFrame(rows).set_index("strategy")
        return table

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events, where the work of all runs is one mix; else empty."""
        names = {run.kinds for run in self.runs}
        return names.pop() if len(names) == 1 else ()

    def by_kind(self) -> Table:
        """A table of a mix, one row a strategy and kind: events, own latency, goodput of that kind alone.

        Raises:
            UsageError: the runs are of no mix, or of different ones.
        """
        if not self.kinds:
            raise UsageError("these runs are of no mix, or of different ones: measure a lab.mix({...})")
        return tables.of_kinds(self.summaries)

    def __add__(self, other: "Comparison") -> "Comparison":
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        return Comparison(self.runs + other.runs, self.bounds_ms, names)

    def __repr__(self) -> str:
        return "\n\n".join(table.text() for table in self._tables)

    def _repr_html_(self) -> str:
        return "".join(table.html() for table in self._tables)

    @property
    def is_fan_out(self) -> bool:
        """Whether answers are meant for everybody (``fan_out=True``)."""
        return any(summary.fan_out is not None for summary in self.summaries)

    def fan_out(self) -> Table:
        """A table of answers that are meant for everybody: when the first, the middle and the last member had them.

        Raises:
            UsageError: they are meant for their senders alone.
        """
        if not self.is_fan_out:
            raise UsageError("these answers are meant for their senders alone: measure with fan_out=True")
        return tables.of_fan_out(self.summaries)

    @property
    def _tables(self) -> tuple[Table, ...]:
        return (self._table, self.fan_out()) if self.is_fan_out else (self._table,)

    @property
    def _table(self) -> tables.Table:
        return tables.of_summaries(self.summaries, (*self.plans, *self.notes))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write every run into a folder; returns it. UsageError where it holds the runs of another comparison."""
        folder = unused(folder)
        for number, run in enumerate(self.runs):
            run.save(folder / file_name(number, run))
        self.save_about(folder)
        return folder

    def save_about(self, folder: Path) -> None:
        """Write what belongs to the comparison and to none of its runs: bounds, and the order of its strategies."""
        about = {"bounds_ms": self.bounds_ms, "names": self.names}
        (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the runs of a folder.

        Raises:
            RecordError: there are none, or one is damaged.
        """
        files = sorted(Path(folder).glob("run-*.json"))
        if not files:
            raise RecordError(f"there are no runs in {folder}: give the folder that labkit compare wrote")
        runs = tuple(Run.load(file) for file in files)
        about = Path(folder) / _ABOUT
        if not about.exists():  # not finished, but each of its runs is whole
            return cls(runs)
        try:
            told = json.loads(record_text(about))
            good_ms, poor_ms = told["bounds_ms"]
            return cls(runs, (float(good_ms), float(poor_ms)), tuple(str(name) for name in told.get("names", ())))
        except (OSError, RecursionError, ValueError, LookupError, TypeError) as error:
            raise RecordError(
                f"{about.name} is damaged ({type(error).__name__}): remove it for default bounds"
            ) from error


def _require_measure(by: str) -> None:
    if by not in MEASURES:
        raise UsageError(f"compare by {', '.join(MEASURES)}, not by {by!r}")


def unused(folder: str | os.PathLike[str]) -> Path:
    """The folder, if it holds no runs: two comparisons in one folder would be taken for one."""
    return unused_folder(Path(folder), "run-*.json", "the runs of an earlier comparison")


def file_name(number: int, run: Run) -> str:
    """Of a run's files, without ending: sorts in the order of measurement."""
    return f"run-{number:05}-{safe_name(run.name)}"
