"""From runs to figures: percentiles that the sample supports, goodput, counts, verdicts.

A missing answer counts as infinitely late, so that a strategy cannot win by refusing or losing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.base.text import about
from labkit.runs.order import Order, total
from labkit.runs.run import Run
from labkit.runs.stages import NEVER, OUTCOMES

Float64 = NDArray[np.float64]

#: Bounds on p98, in ms: up to the first is good, above the second is poor. Borrowed from INP as limits of what people
#: notice (https://web.dev/articles/inp); what is measured here is not INP.
BOUNDS_MS = (200.0, 500.0)

#: A percentile is shown where so many samples lie beyond it: p98 from 150 samples, p99.9 from 3,000.
SAMPLES_BEYOND = 3

#: How many samples a p98 takes.
TAIL_SAMPLES = 150

WORDS = ("good", "needs work", "poor")


def supported(percentile: float, count: int) -> bool:
    """Whether `count` samples support a percentile (in percent): :data:`SAMPLES_BEYOND` of them must lie beyond it."""
    # Rounded, since (100 - 99.9) / 100 * 3000 is a little less than 3.
    return round(count * (100 - percentile) / 100, 6) >= SAMPLES_BEYOND


@dataclass(frozen=True, eq=False)
class Distribution:
    """Latencies in ms, inf for what never came; sorted."""

    values_ms: Float64

    @classmethod
    def of(cls, values_ms: Float64) -> "Distribution":
        """Sorted, and without what could not be told (NaN)."""
        return cls(np.sort(values_ms[~np.isnan(values_ms)]))

    def __len__(self) -> int:
        return len(self.values_ms)

    def percentile(self, percent: float) -> float:
        """The smallest sample that is at least as large as `percent` of all (nearest rank); NaN without samples."""
        if len(self) == 0:
            return math.nan
        rank = math.ceil(round(percent / 100 * len(self), 9))
        return float(self.values_ms[max(0, rank - 1)])

    @property
    def p50_ms(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def mean_ms(self) -> float:
        """The mean; inf where an answer never came."""
        return float(np.mean(self.values_ms)) if len(self) else math.nan

    @property
    def max_ms(self) -> float:
        """The largest; inf where an answer never came."""
        return float(self.values_ms[-1]) if len(self) else math.nan

    @property
    def tail_text(self) -> str:
        """The same in words: ``p98 12 ms``, ``max never``, ``not measured``."""
        if not len(self):
            return "not measured"
        name, tail_ms = self.tail
        return f"{name} never" if math.isinf(tail_ms) else f"{name} {about(tail_ms)}"

    @property
    def tail(self) -> tuple[str, float]:
        """What a verdict goes by: ``("p98", ms)`` where the sample supports it, else ``("max", ms)``."""
        return ("p98", self.percentile(98)) if supported(98, len(self)) else ("max", self.max_ms)


def verdict(tail_ms: float, bounds_ms: Sequence[float] = BOUNDS_MS) -> str:
    """A word for a tail latency: good, needs work or poor; a tail that cannot be told is *not measured*."""
    if math.isnan(tail_ms):
        return "not measured"
    return WORDS[sum(tail_ms > bound for bound in bounds_ms)]


@dataclass(frozen=True, eq=False)
class OfKind:
    """What all events of one kind of a mix came to, over all runs of one strategy.

    Attributes:
        kind: its name.
        events: how many there were.
        service_ms: what one takes when nothing else runs, from the calibration; the mean.
        own: end-to-end latency, inf where no answer came.
        goodput: share that was answered within the larger bound.
    """

    kind: str
    events: int
    service_ms: float
    own: Distribution
    goodput: float

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; an infinite or unknown latency is null."""
        return {
            "kind": self.kind,
            "events": self.events,
            "service_ms": _finite(self.service_ms),
            "own": _figures(self.own),
            "goodput": self.goodput,
        }


@dataclass(frozen=True, eq=False)
class OfFanOut:
    """What all answers of one strategy came to that were meant for everybody.

    Attributes:
        members: for how many connections each was meant.
        first, median, last: from the intended start until the first member had the answer, until half of them, until
            all; inf where it did not come so far in time.
        missed: how many answers some member did not have in time.
        answers: how many there should have been: events times members.
    """

    members: int
    first: Distribution
    median: Distribution
    last: Distribution
    missed: int
    answers: int

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; an infinite or unknown latency is null."""
        return {
            "members": self.members,
            "first": _figures(self.first),
            "median": _figures(self.median),
            "last": _figures(self.last),
            "missed": self.missed,
            "answers": self.answers,
        }


@dataclass(frozen=True, eq=False)
class Summary:
    """What all runs of one strategy came to.

    Attributes:
        strategy: its name.
        runs: how many.
        invalid: how many of them must not be used (:mod:`labkit.runs.quality`).
        events: scheduled, over all runs.
        own, bystander: end-to-end latency of the events, and of the pings of somebody who sent none of them.
        handler_blocking, connection_blocked: how long a handler ran, and how long its connection took nothing else.
        goodput: share of the scheduled events that were answered within the larger bound; NaN where nobody can tell.
        outcomes: counts by name.
        lost, strays, duplicates, late, unaccounted: counts.
        threads: the most that a run had more than before it.
        server_cpu_s: CPU seconds of the server and its workers, the mean of a run.
        own_verdict, bystander_verdict, verdict: good, needs work or poor; the last is the worse of the two.
        kinds: of a mix each kind by itself; else empty.
        order: whether each client's answers came in the order of its events.
        fan_out: of answers that are meant for everybody; else None.
    """

    strategy: str
    runs: int
    invalid: int
    events: int
    own: Distribution
    bystander: Distribution
    handler_blocking: Distribution
    connection_blocked: Distribution
    goodput: float
    outcomes: dict[str, int]
    lost: int
    strays: int
    duplicates: int
    late: int
    unaccounted: int
    threads: int | None
    server_cpu_s: float
    own_verdict: str
    bystander_verdict: str
    bounds_ms: tuple[float, float]
    kinds: tuple[OfKind, ...] = ()
    order: Order = field(default_factory=Order)
    fan_out: OfFanOut | None = None

    @property
    def heard_by_all(self) -> tuple[Distribution, ...]:
        """Where answers are meant for everybody: the time until the last member had each; else nothing."""
        return () if self.fan_out is None else (self.fan_out.last,)

    def of_kind(self, kind: str) -> OfKind:
        """One kind of a mix by itself.

        Raises:
            UsageError: there is no such kind.
        """
        for one in self.kinds:
            if one.kind == kind:
                return one
        known = f"its kinds are {', '.join(one.kind for one in self.kinds)}" if self.kinds else "its work is no mix"
        raise UsageError(f"{self.strategy} has no events of kind {kind!r}: {known}")

    @property
    def verdict(self) -> str:
        """The worse of the caller's and the bystander's."""
        known = [WORDS.index(v) for v in (self.own_verdict, self.bystander_verdict) if v in WORDS]
        return WORDS[max(known)] if known else "not measured"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; an infinite or unknown latency is null."""
        return {
            "name": self.strategy,
            "runs": self.runs,
            "invalid": self.invalid,
            "events": self.events,
            "handler_blocking": _figures(self.handler_blocking),
            "connection_blocked": _figures(self.connection_blocked),
            "own": _figures(self.own),
            "bystander": _figures(self.bystander),
            "goodput": None if math.isnan(self.goodput) else self.goodput,
            "outcomes": self.outcomes,
            "lost": self.lost,
            "strays": self.strays,
            "duplicates": self.duplicates,
            "late": self.late,
            "order": self.order.to_dict(),
            "unaccounted": self.unaccounted,
            "threads_peak": self.threads,
            "server_cpu_s": None if math.isnan(self.server_cpu_s) else self.server_cpu_s,
            "own_verdict": self.own_verdict,
            "bystander_verdict": self.bystander_verdict,
            "verdict": self.verdict,
            **({"kinds": [one.to_dict() for one in self.kinds]} if self.kinds else {}),
            **({"fan_out": self.fan_out.to_dict()} if self.fan_out is not None else {}),
        }


def _figures(distribution: Distribution) -> dict[str, Any]:
    name, tail_ms = distribution.tail
    return {
        "samples": len(distribution),
        "p50_ms": _finite(distribution.p50_ms),
        "p98_ms": _finite(tail_ms) if name == "p98" else None,
        "max_ms": _finite(distribution.max_ms),
    }


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def summarise(runs: Sequence[Run], bounds_ms: tuple[float, float] = BOUNDS_MS) -> Summary:
    """One summary of all runs of one strategy."""
    own = Distribution.of(np.concatenate([run.own_ms for run in runs]))
    bystander = Distribution.of(np.concatenate([run.bystander_ms for run in runs]))
    threads = [run.threads_peak for run in runs if run.threads_peak is not None]
    cpu_s = [s for run in runs if (s := run.conditions.server_cpu_s) is not None]
    events = sum(len(run) for run in runs)
    return Summary(
        strategy=runs[0].name,
        runs=len(runs),
        invalid=sum(not run.is_valid for run in runs),
        events=events,
        own=own,
        bystander=bystander,
        handler_blocking=Distribution.of(np.concatenate([run.handler_blocking_ms for run in runs])),
        connection_blocked=Distribution.of(np.concatenate([run.connection_blocked_ms for run in runs])),
        goodput=_goodput(runs, own, bounds_ms[1]),
        outcomes={name: sum(run.outcomes[name] for run in runs) for name in OUTCOMES},
        lost=sum(run.lost for run in runs),
        strays=sum(run.strays for run in runs),
        duplicates=sum(run.delivered("duplicate") for run in runs),
        late=sum(run.delivered("late") for run in runs),
        unaccounted=sum(run.unaccounted for run in runs),
        threads=max(threads) if threads else None,
        server_cpu_s=float(np.mean(cpu_s)) if cpu_s else math.nan,
        own_verdict=verdict(own.tail[1], bounds_ms),
        bystander_verdict=verdict(bystander.tail[1], bounds_ms),
        bounds_ms=bounds_ms,
        kinds=kinds_of(runs, bounds_ms[1]),
        order=total(run.order for run in runs),
        fan_out=fan_out_of(runs),
    )


def _goodput(runs: Sequence[Run], own: Distribution, bound_ms: float) -> float:
    """NaN where nobody can tell which events were answered."""
    if any(run.outcomes["sent"] for run in runs):
        return math.nan
    return float(np.count_nonzero(own.values_ms <= bound_ms)) / sum(len(run) for run in runs)


def fan_out_of(runs: Sequence[Run]) -> OfFanOut | None:
    """What the answers came to, where those of all runs were meant for everybody; else None.

    Args:
        runs: of one strategy.
    """
    found = [one for run in runs if (one := run.fan_out) is not None]
    if len(found) < len(runs):
        return None
    first, median, last = (
        Distribution.of(np.concatenate([getattr(one, name) for one in found]))
        for name in ("first_ms", "median_ms", "last_ms")
    )
    answers = sum(len(one.missed) * len(one.members) for one in found)
    missed = sum(int(one.missed.sum()) for one in found)
    return OfFanOut(max(len(one.members) for one in found), first, median, last, missed, answers)


def kinds_of(runs: Sequence[Run], bound_ms: float) -> tuple[OfKind, ...]:
    """Each kind of a mix by itself, in the order of the mix; nothing where the runs are of none, or of different ones.

    Args:
        runs: of one strategy.
        bound_ms: within which an answer counts as goodput.
    """
    names = {run.kinds for run in runs}
    if len(names) != 1:
        return ()
    found = []
    for kind in names.pop():
        masks = [run.is_kind(kind) for run in runs]
        own = Distribution.of(np.concatenate([run.own_ms[mask] for run, mask in zip(runs, masks, strict=True)]))
        service_ns = np.concatenate([run.events["service"][mask] for run, mask in zip(runs, masks, strict=True)])
        events = len(service_ns)
        is_known = events and service_ns.min() != NEVER
        service_ms = float(service_ns.mean()) / NS_PER_MS if is_known else math.nan
        goodput = float(np.count_nonzero(own.values_ms <= bound_ms)) / max(1, events)
        found.append(OfKind(kind, events, service_ms, own, goodput))
    return tuple(found)
