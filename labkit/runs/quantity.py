"""The figures of runs that somebody can ask for by name: ``own.p98``, ``goodput``, ``lost``; and what they came to.

A figure is of all runs of one strategy together, as the tables have it: times of all events in one distribution, counts
added up. Where it cannot be told it says why, and nothing takes its place.
"""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import MissingExtra, UsageError
from labkit.base.text import milliseconds
from labkit.runs import difference
from labkit.runs.order import total
from labkit.runs.run import Run
from labkit.runs.stages import OUTCOMES, Outcome
from labkit.runs.summary import BOUNDS_MS, SAMPLES_BEYOND, Distribution, supported

Float64 = NDArray[np.float64]

#: Kinds of quantities: what their bounds are measured in.
TIME, SHARE, RATE, COUNT = "time", "share", "rate", "count"

#: Times of a run, each with one value an event or ping.
TIMES = ("own", "bystander", "handler_blocking", "connection_blocked")

#: Outcomes by their names here, with what is counted beside them. The first ones are shares of all events.
_OUTCOMES = tuple(outcome.replace(" ", "_") for outcome in OUTCOMES)
_OF_EVENTS = (*_OUTCOMES, "lost", "unaccounted")
COUNTS = (*_OF_EVENTS, "strays", "duplicates", "late", "order.overtaken")

#: What is known although answers cannot be matched with their events.
_KNOWN_UNMATCHED = (*TIMES[1:], "sent", "unsent", "unaccounted", "strays", "duplicates", "order.overtaken")

#: Of a distribution: `max`, `mean`, and percentiles from the median on.
_PERCENTILE = re.compile(r"p([5-9][0-9](?:\.[0-9]{1,3})?)")
_USUAL = ("p50", "p90", "p95", "p98", "p99", "max", "mean")

#: Every name that there is, percentiles by those that are usual.
NAMES = (*(f"{time}.{statistic}" for time in TIMES for statistic in _USUAL), "goodput", "rate", *COUNTS)


@dataclass(frozen=True)
class Quantity:
    """A figure that runs have.

    Attributes:
        name: as it is written.
        kind: :data:`TIME` (ms), :data:`SHARE` (of 1), :data:`RATE` (per second) or :data:`COUNT`.
        part: of a time the column of the runs; else the name.
        statistic: of a time; else empty.
    """

    name: str
    kind: str
    part: str
    statistic: str = ""

    @property
    def percent(self) -> float | None:
        """Of a percentile: which."""
        found = _PERCENTILE.fullmatch(self.statistic)
        return None if found is None else float(found[1])

    @property
    def is_share_of_events(self) -> bool:
        """Whether it counts events, each at most once."""
        return self.part in _OF_EVENTS

    def text(self, value: float) -> str:
        """A value for people, with its unit."""
        if math.isnan(value):
            return "-"
        if self.kind == TIME:
            return "never" if math.isinf(value) else f"{milliseconds(value)} ms"
        if self.kind == SHARE:
            return f"{value:.1%}"
        return f"{value:.1f}/s" if self.kind == RATE else f"{value:,.0f}"


@dataclass(frozen=True)
class Found:
    """What a quantity came to.

    Attributes:
        value: of all runs together; NaN where it cannot be told, inf where an answer never came.
        events: how many values are behind it: events, or the bystander's pings.
        each: of every run by itself; empty where a run by itself cannot tell.
        unknown: why it cannot be told, as a sentence's end; empty where it can.
        unknown_each: the same of runs by themselves.
    """

    value: float
    events: int
    each: tuple[float, ...] = ()
    unknown: str = ""
    unknown_each: str = ""


def quantity(name: str) -> Quantity:
    """A quantity by its name.

    Raises:
        UsageError: there is none; with the nearest one.
    """
    part, _, statistic = name.partition(".")
    if part in TIMES:
        if statistic in ("max", "mean") or _PERCENTILE.fullmatch(statistic):
            return Quantity(name, TIME, part, statistic)
        asked = f"{part} has no {statistic!r}" if statistic else f"{part} is a distribution"
        raise UsageError(f"{asked}: write {part}.p98, or another percentile from p50 on, {part}.max or {part}.mean")
    kinds = {"goodput": SHARE, "rate": RATE, **dict.fromkeys(COUNTS, COUNT)}
    if name in kinds:
        return Quantity(name, kinds[name], name)
    near = difflib.get_close_matches(name, NAMES, 1, 0.5)
    known = f"{', '.join(TIMES)} (each with .p50 to .p99, .max, .mean), goodput, rate, {', '.join(COUNTS)}"
    raise UsageError(f"there is no quantity {name!r}: " + (f"{near[0]}?" if near else f"there are {known}"))


def find(asked: Quantity, runs: Sequence[Run], bounds_ms: tuple[float, float] = BOUNDS_MS) -> Found:
    """What a quantity came to in the runs of one strategy.

    Args:
        asked: which.
        runs: of one strategy, at least one.
        bounds_ms: goodput counts answers up to the second.
    """
    events = sum(len(run) for run in runs)
    if (why := _unmatched(runs)) and asked.part not in _KNOWN_UNMATCHED:
        return Found(math.nan, events, unknown=why, unknown_each=why)
    if asked.kind == TIME:
        return _time(asked, runs)
    if asked.kind == SHARE:
        within = [int(np.count_nonzero(run.own_ms <= bounds_ms[1])) for run in runs]
        each = tuple(count / len(run) for count, run in zip(within, runs, strict=True))
        return Found(sum(within) / events, events, each)
    if asked.kind == RATE:
        answered = [run.outcomes["answered"] for run in runs]
        # Where nothing came, there is no last answer to count until.
        took_s = [run.makespan_ms / 1000 if count else math.nan for count, run in zip(answered, runs, strict=True)]
        each = tuple(count / s if count else 0.0 for count, s in zip(answered, took_s, strict=True))
        whole_s = float(np.nansum(took_s))
        return Found(sum(answered) / whole_s if whole_s else 0.0, events, each)
    return _count(asked, runs, events)


def _count(asked: Quantity, runs: Sequence[Run], events: int) -> Found:
    if asked.part == "order.overtaken":
        order = total(run.order for run in runs)
        why = "" if order.is_asked else "no client had two events under way, so order was not put to the test"
        return Found(float(order.overtaken) if order.is_asked else math.nan, order.of, unknown=why)
    if asked.part in _OUTCOMES:
        label = OUTCOMES[_OUTCOMES.index(asked.part)]
        return Found(float(sum(run.outcomes[label] for run in runs)), events)
    if asked.part in ("duplicates", "late"):
        kind = asked.part.removesuffix("s")
        return Found(float(sum(run.delivered(kind) for run in runs)), events)
    return Found(float(sum(getattr(run, asked.part) for run in runs)), events)


def _time(asked: Quantity, runs: Sequence[Run]) -> Found:
    values = [Distribution.of(getattr(run, f"{asked.part}_ms")) for run in runs]
    together = Distribution(np.sort(np.concatenate([one.values_ms for one in values])))
    if why := _unseen(asked.part, runs, len(together)) or _too_few(asked, len(together), _counted(asked)):
        return Found(math.nan, len(together), unknown=why, unknown_each=why)
    fewest = min(len(one) for one in values)
    why_each = "" if fewest else "a run has none of these"
    why_each = why_each or _too_few(asked, fewest, f"{_counted(asked)} of a run")
    each = () if why_each else tuple(_statistic(asked, one) for one in values)
    return Found(_statistic(asked, together), len(together), each, unknown_each=why_each)


def _unmatched(runs: Sequence[Run]) -> str:
    """Why nobody knows what became of the events; empty where somebody does."""
    unknown = sum(int(np.count_nonzero(np.isnan(run.own_ms))) for run in runs)
    return f"of {unknown} events nobody can tell whether they were answered" if unknown else ""


def _unseen(part: str, runs: Sequence[Run], count: int) -> str:
    """Why a time was not seen, or not of every event that has it; empty where it was."""
    if part == "own":
        return ""
    if part == "bystander":
        return "" if count else "no bystander pinged"
    answered = sum(int(np.count_nonzero(run.events["outcome"] == Outcome.ANSWERED)) for run in runs)
    lacking = sum(
        int(np.count_nonzero(np.isnan(getattr(run, f"{part}_ms")) & (run.events["outcome"] == Outcome.ANSWERED)))
        for run in runs
    )
    if count == 0 or lacking == answered:
        return "nobody looked into the server, and it cannot be seen from outside"
    return f"{lacking} of {answered} answered events have no such stamp" if lacking else ""


def _counted(asked: Quantity) -> str:
    return "pings" if asked.part == "bystander" else "events"


def _too_few(asked: Quantity, count: int, what: str) -> str:
    """Why so many values support no such percentile; empty where they do."""
    if asked.percent is None or supported(asked.percent, count):
        return ""
    needed = math.ceil(round(SAMPLES_BEYOND * 100 / (100 - asked.percent), 6))
    return f"{count} {what} support no {asked.statistic}, which takes {needed}"


def _statistic(asked: Quantity, values: Distribution) -> float:
    if asked.percent is not None:
        return values.percentile(asked.percent)
    return values.max_ms if asked.statistic == "max" else values.mean_ms


def interval(asked: Quantity, runs: Sequence[Run], bounds_ms: tuple[float, float] = BOUNDS_MS) -> tuple[float, float]:
    """Between which values it lies, by bootstrap over runs; NaN where it cannot be told, and of a count.

    What was counted is what happened. One run has no interval: its events met the same state of the machine.
    """
    unknown = (math.nan, math.nan)
    if asked.kind == COUNT or len(runs) < 2 or find(asked, runs, bounds_ms).unknown:
        return unknown
    try:
        return difference.interval_over_runs(len(runs), _of_chosen(asked, runs, bounds_ms))
    except MissingExtra:
        return unknown


def _of_chosen(
    asked: Quantity, runs: Sequence[Run], bounds_ms: tuple[float, float]
) -> Callable[[NDArray[np.int64]], float]:
    """The quantity of the runs with these numbers, of which one may be there several times."""
    if asked.kind == TIME:
        values = [one[~np.isnan(one)] for one in (getattr(run, f"{asked.part}_ms") for run in runs)]
        return lambda chosen: _statistic(asked, Distribution(np.sort(np.concatenate([values[i] for i in chosen]))))
    each = np.array(find(asked, runs, bounds_ms).each)
    return lambda chosen: float(each[chosen].mean())
