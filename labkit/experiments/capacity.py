"""How many events a second can a strategy take, and still answer in time? The answer, and the rates that gave it.

1. *Throughput*: one run that is offered more than it can do; what it answers in a second is what it can do at most.
2. *Confirmed*: a run at 0.9 and one at 1.1 times of that. The rate that keeps the bound lies between one that held and
   one that did not: a bracket, not a number. Where these two do not show it, the search goes on by halving.

A rate *holds* if the 98th percentiles of the callers (from the intended start) and of a bystander are within the bound,
an answer that never came counting as infinitely late, and latencies were not still growing at the end. A run in which
the client itself was late shows the client's limit, and is never taken for the server's.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base import clock
from labkit.plan import queueing
from labkit.plan.mix import largest_remainder
from labkit.plan.schedules import CLIENTS, MAX_EVENTS, Schedule, constant, poisson
from labkit.runs.run import Run
from labkit.runs.summary import TAIL_SAMPLES, Distribution

HOLDS, BREAKS, CLIENT = "holds", "breaks", "the client was late"

#: Times the throughput: what is tried first, and how far apart the ends of a bracket may be.
BELOW, ABOVE = 0.9, 1.1
NARROW = ABOVE / BELOW * 1.01

#: A client that is late by this share of the bound cannot judge a server by it.
LATE_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Trial:
    """One rate, tried.

    Attributes:
        run: what was measured.
        rate_hz: offered.
        own, bystander: latencies in ms; inf where an answer never came.
        lateness_ms: of the client itself, p98.
        verdict: :data:`HOLDS`, :data:`BREAKS` or :data:`CLIENT`.
    """

    run: Run
    rate_hz: float
    own: Distribution
    bystander: Distribution
    lateness_ms: float
    verdict: str

    @classmethod
    def of(cls, run: Run, rate_hz: float, bound_ms: float) -> "Trial":
        """Judge a run by the bound."""
        own, bystander = Distribution.of(run.own_ms), Distribution.of(run.bystander_ms)
        lateness_ms = Distribution.of(run.lateness_ms).percentile(98)
        within = all(values.tail[1] <= bound_ms for values in (own, bystander) if len(values))
        # Above its capacity by little, a queue grows past the bound only after a while.
        within = within and not any(note.kind == "utilisation" for note in run.quality)
        # A client that is late makes latencies longer, so what holds in spite of it, holds.
        late = lateness_ms > LATE_SHARE * bound_ms
        verdict = HOLDS if within else CLIENT if late else BREAKS
        return cls(run, rate_hz, own, bystander, lateness_ms, verdict)

    def __repr__(self) -> str:
        waits = f"callers {self.own.tail_text}, bystander {self.bystander.tail_text}"
        return f"{per_second(self.rate_hz)}: {self.verdict}; {waits}"


@dataclass(frozen=True, eq=False)
class Capacity:
    """The bracket in which the highest rate lies that keeps the bound.

    Attributes:
        strategy, work, mode: their names.
        bound_ms: on p98 of callers and bystander.
        arrivals: ``constant`` or ``poisson``.
        low_hz: the highest rate that held; 0 where none did.
        high_hz: the lowest above it that did not hold; inf where none was found.
        throughput_hz: events a second of the overloaded run; inf where it could not be overloaded.
        service_ms: of an event alone, from the calibration; of a mix the mean.
        trials: every rate that was tried, in that order; the overloaded runs are not among them.
        limit: why the search ended before the bracket was narrow; empty if it did not.
        took_s: seconds for all of it.
        kinds_ms: of a mix, the share of each kind and what one event of it takes alone; else empty.
    """

    strategy: str
    work: str
    mode: str
    bound_ms: float
    arrivals: str
    low_hz: float
    high_hz: float
    throughput_hz: float
    service_ms: float
    trials: tuple[Trial, ...]
    limit: str
    took_s: float
    kinds_ms: tuple[tuple[float, float], ...] = ()

    @property
    def seconds(self) -> float:
        """How long a rate was fired, the longest."""
        return max((trial.run.plan.span_s for trial in self.trials), default=5.0)

    @property
    def is_confirmed(self) -> bool:
        """Whether both ends of the bracket were measured, and it is narrow."""
        return self.low_hz > 0 and self.high_hz <= NARROW * self.low_hz

    @property
    def servers(self) -> int:
        """How many work at a time, as the throughput shows it; for theory."""
        return max(1, round(self.throughput_hz * self.service_ms / 1000)) if math.isfinite(self.throughput_hz) else 1

    def theory_ms(self, rate_hz: float, seconds: float) -> float:
        """The p98 that first-in first-out service predicts at a rate, for the arrivals that were used.

        D/D/c or M/D/c, of a mix D/G/c or M/G/c, followed event by event (:func:`labkit.plan.queueing.fifo`): above its
        capacity the figure depends on how long the plan is, as the measured one does.
        """
        due_s = plan(rate_hz, events_in(rate_hz, seconds), self.arrivals == "poisson").intended_ns / clock.NS_PER_S
        served = queueing.fifo(due_s, self._each_ms(len(due_s)) / 1000, self.servers)
        return Distribution.of(served.latencies_s(due_s) * 1000).percentile(98)

    def _each_ms(self, events: int) -> NDArray[np.float64]:
        """What each event takes alone: of a mix its kinds in a random order, exact in their shares."""
        if not self.kinds_ms:
            return np.full(events, self.service_ms)
        counts = largest_remainder([share for share, _ in self.kinds_ms], events)
        return np.random.default_rng(0).permutation(np.repeat([ms for _, ms in self.kinds_ms], counts))

    @property
    def bracket(self) -> str:
        """``between 180/s and 220/s``, or as much of it as was found."""
        if self.low_hz == 0:
            return f"below {per_second(self.high_hz)}" if math.isfinite(self.high_hz) else "not found"
        if math.isinf(self.high_hz):
            return f"at least {per_second(self.low_hz)}"
        return f"between {per_second(self.low_hz)} and {per_second(self.high_hz)}"

    def __repr__(self) -> str:
        found = f"{self.strategy}: {self.bracket} of {self.work} within {self.bound_ms:g} ms"
        at_most = (
            "" if math.isinf(self.throughput_hz) else f"; at most {per_second(self.throughput_hz)} when overloaded"
        )
        limit = f". {self.limit[0].upper()}{self.limit[1:]}" if self.limit else ""
        lines = [f"{found} ({self.arrivals} arrivals, mode {self.mode}){at_most}{limit}."]
        return "\n".join([*lines, *(f"  {trial}" for trial in sorted(self.trials, key=lambda t: t.rate_hz))])

    def _repr_html_(self) -> str:
        from html import escape

        first, *rest = repr(self).splitlines()
        below = "<br>".join(escape(line.strip()) for line in rest)
        return f"<p><b>{escape(first)}</b></p><p><small>{below}</small></p>"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; null for what was not found."""
        return {
            "strategy": self.strategy,
            "work": self.work,
            "mode": self.mode,
            "bound_ms": self.bound_ms,
            "arrivals": self.arrivals,
            "low_hz": _known(self.low_hz),
            "high_hz": _known(self.high_hz),
            "throughput_hz": _known(self.throughput_hz),
            "confirmed": self.is_confirmed,
            "limit": self.limit or None,
            "trials": [
                {"rate_hz": _known(t.rate_hz), "verdict": t.verdict, "own_ms": _known(t.own.tail[1]),
                 "bystander_ms": _known(t.bystander.tail[1])}
                for t in self.trials
            ],
        }  # fmt: skip


def plan(rate_hz: float, events: int, random: bool, connections: int = CLIENTS, seed: int = 0) -> Schedule:
    """So many events at a rate: Poisson arrivals, or evenly spaced ones."""
    make = poisson if random else constant
    return make(rate_hz, events=events, connections=connections, seed=seed)


def events_in(rate_hz: float, seconds: float) -> int:
    return min(MAX_EVENTS, max(TAIL_SAMPLES, math.ceil(rate_hz * seconds)))


def per_second(rate_hz: float) -> str:
    return f"{rate_hz:.0f}/s" if rate_hz >= 100 else f"{rate_hz:.3g}/s"


def _known(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) and value > 0 else None
