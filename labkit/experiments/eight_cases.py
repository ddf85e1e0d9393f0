"""Does a thread help? Eight cases: the work computes or waits, the server is default or serial, one client or many.

A calculates in its handler (`inline`), B starts a thread for it (`thread`). Serial is ``async_handlers=False``: the
events of a client are handled in turn, and those of two clients at the same time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Unpack

from labkit.base.text import milliseconds, ratio, times
from labkit.experiments.compare import Progress, compare
from labkit.experiments.settings import Settings
from labkit.plan.schedules import burst, senders
from labkit.plan.work import cpu, io_wait
from labkit.runs.comparison import Comparison
from labkit.runs.summary import Summary
from labkit.runs.table import Table
from labkit.strategies import Strategy, plain_name, strategy

COMPUTES, WAITS = "computes", "waits"

#: Ratios nearer to 1 than this are no finding: of single runs on two shared cores, what is equal by theory was seen up
#: to 1.4 times apart. Where theory has a difference, it is 1.8 (one after the other instead of sharing) or 5.5.
SAME = 1 / 0.6


@dataclass(frozen=True)
class Case:
    """One of the eight.

    Attributes:
        work: :data:`COMPUTES` or :data:`WAITS`.
        is_serial: with ``async_handlers=False``.
        clients: how many sent the events.
        a, b: what A and B came to.
    """

    work: str
    is_serial: bool
    clients: int
    a: Summary
    b: Summary

    @property
    def sooner(self) -> float:
        """How many times sooner B answers its callers than A, at the median; below 1 it is later."""
        return ratio(self.a.own.p50_ms, self.b.own.p50_ms)

    @property
    def helps(self) -> bool:
        """Whether B answers its callers sooner, by more than noise."""
        return self.sooner >= SAME

    @property
    def finding(self) -> str:
        """What B does for its callers, in words."""
        if math.isnan(self.sooner):
            return "not measured"
        if self.helps:
            return f"{times(self.sooner)} sooner"
        return f"{times(1 / self.sooner)} later" if self.sooner <= 1 / SAME else "no sooner"

    def __str__(self) -> str:
        settings = "async_handlers=False" if self.is_serial else "default settings"
        return f"{self.work}, {settings}, {senders(self.clients)}"


@dataclass(frozen=True, eq=False)
class EightCases:
    """A and B in all eight cases; shows itself as a table.

    Attributes:
        computes, waits: the runs with each kind of work: `inline` and `thread`, with default settings and with
            ``async_handlers=False``, sent by one client and by many.
    """

    computes: Comparison
    waits: Comparison

    def __iter__(self) -> Iterator[Case]:
        for work, result in ((COMPUTES, self.computes), (WAITS, self.waits)):
            yield from cases(work, result)

    @property
    def helps(self) -> tuple[Case, ...]:
        """Those in which B answers its callers sooner."""
        return tuple(case for case in self if case.helps)

    def __repr__(self) -> str:
        return self._table.text()

    def _repr_html_(self) -> str:
        return self._table.html()

    @property
    def _table(self) -> Table:
        headers = ("work", "server", "clients", "A own\np50", "B own\np50", "B answers", "A bystander\np50",
                   "B bystander\np50")  # fmt: skip
        rows = tuple(
            (
                case.work,
                "serial" if case.is_serial else "default",
                str(case.clients),
                milliseconds(case.a.own.p50_ms),
                milliseconds(case.b.own.p50_ms),
                case.finding,
                milliseconds(case.a.bystander.p50_ms),
                milliseconds(case.b.bystander.p50_ms),
            )
            for case in self
        )
        note = (
            "A: inline, B: thread; medians in ms. serial: async_handlers=False, which is one at a time for each client."
        )
        return Table(headers, rows, (0, 1, 5), (note,))

    def to_dict(self) -> list[dict[str, Any]]:
        """The same as JSON: one object a case."""
        return [
            {
                "work": case.work,
                "async_handlers": not case.is_serial,
                "clients": case.clients,
                "a": case.a.to_dict(),
                "b": case.b.to_dict(),
            }
            for case in self
        ]


_A, _B = ("inline", "inline-serial"), ("thread",)


def cases(work: str, result: Comparison) -> Iterator[Case]:
    """The four cases of one kind of work, in the order of the lab: default and serial, one client and many each."""
    for is_serial in (False, True):
        for clients in result.clients:
            here = [r for r in result.runs if (r.conditions.is_serial, r.plan.connections) == (is_serial, clients)]
            a, b = (
                replace(result, runs=tuple(r for r in here if plain_name(r.strategy) in names)) for names in (_A, _B)
            )
            if a.runs and b.runs:
                yield Case(work, is_serial, clients, a.summaries[0], b.summaries[0])


def four() -> tuple[Strategy, ...]:
    """A and B, each with default settings and with ``async_handlers=False``."""
    serial = {"async_handlers": False}
    return strategy("inline"), strategy("thread"), strategy("inline-serial"), strategy("thread", options=serial)


def eight_cases(
    work_ms: float = 100,
    events: int = 10,
    *,
    repeats: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
    **settings: Unpack[Settings],
) -> EightCases:
    """Measure A and B in the eight cases: 16 runs, about half a minute.

    Args:
        work_ms: what an event computes, or waits.
        events: at once: all of one client, and one each of as many clients.
        repeats: runs of each of A and B in each case.
        seed: of the order of runs.
        progress: called after each run, as by :func:`labkit.compare`.
        settings: of every measurement: see :class:`labkit.Settings`.

    Raises:
        UsageError, LabError: as :func:`labkit.compare`.
    """
    found = []
    for work in (cpu(work_ms), io_wait(work_ms)):
        one, many = (
            compare(four(), work, plan, repeats=repeats, seed=seed, progress=progress, **settings)
            for plan in (burst(events, connections=1), burst(events))
        )
        found.append(one + many)
    return EightCases(*found)
