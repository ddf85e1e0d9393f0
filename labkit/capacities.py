"""How many events a second can this strategy take, and still answer in time?

1. *Throughput*: one run that is offered more than it can do; what it answers in a second is what it can do at most.
2. *Confirmed*: a run at 0.9 and one at 1.1 times of that. The rate that keeps the bound lies between one that held and
   one that did not: a bracket, not a number. Where these two do not show it, the search goes on by halving.

A rate *holds* if the 98th percentiles of the callers (from the intended start) and of a bystander are within the bound,
an answer that never came counting as infinitely late, and latencies were not still growing at the end. A run in which
the client itself was late shows the client's limit, and is never taken for the server's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit import clock, experiment, theory
from labkit.errors import UsageError
from labkit.metrics import BOUNDS_MS, TAIL_SAMPLES, Distribution
from labkit.records import Run
from labkit.schedules import MAX_EVENTS, Schedule, constant, poisson
from labkit.strategies import Strategy, strategy
from labkit.workloads import Expected, Work, expect

HOLDS, BREAKS, CLIENT = "holds", "breaks", "the client was late"

#: Times the throughput: what is tried first, and how far apart the ends of a bracket may be.
BELOW, ABOVE = 0.9, 1.1
NARROW = ABOVE / BELOW * 1.01

#: A server of which so little is asked is idle.
IDLE = 0.05

#: Overloaded is who answers less than this share of what is offered.
OVERLOADED = 0.8

#: A client that is late by this share of the bound cannot judge a server by it.
LATE_SHARE = 0.1

#: Different payloads, each calibrated once; events carry them in turn.
PAYLOADS = 20

#: Of an overloaded run: so long with all that was offered done; and the most that is tried at all.
OVERLOAD_S, MOST_HZ = 3.0, 20_000.0


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
        own, bystander = (_tail(values) for values in (self.own, self.bystander))
        return f"{_rate(self.rate_hz)}: {self.verdict}; callers {own}, bystander {bystander}"


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
        service_ms: of an event alone, from the calibration.
        trials: every rate that was tried, in that order; the overloaded runs are not among them.
        limit: why the search ended before the bracket was narrow; empty if it did not.
        took_s: seconds for all of it.
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

        D/D/c or M/D/c, followed event by event (:func:`labkit.theory.fifo`): above its capacity the figure depends on
        how long the plan is, as the measured one does.
        """
        due_s = plan(rate_hz, _events(rate_hz, seconds), self.arrivals == "poisson").intended_ns / clock.NS_PER_S
        served = theory.fifo(due_s, self.service_ms / 1000, self.servers)
        return Distribution.of(served.latencies_s(due_s) * 1000).percentile(98)

    @property
    def bracket(self) -> str:
        """``between 180/s and 220/s``, or as much of it as was found."""
        if self.low_hz == 0:
            return f"below {_rate(self.high_hz)}" if math.isfinite(self.high_hz) else "not found"
        if math.isinf(self.high_hz):
            return f"at least {_rate(self.low_hz)}"
        return f"between {_rate(self.low_hz)} and {_rate(self.high_hz)}"

    def __repr__(self) -> str:
        found = f"{self.strategy}: {self.bracket} of {self.work} within {self.bound_ms:g} ms"
        at_most = "" if math.isinf(self.throughput_hz) else f"; at most {_rate(self.throughput_hz)} when overloaded"
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


def capacity(
    exhibit: experiment.Exhibit,
    work: Work,
    *,
    bound_ms: float = BOUNDS_MS[0],
    random: bool = False,
    connections: int = 1,
    limit_s: float = 60.0,
    seed: int = 0,
    **settings: Any,
) -> Capacity:
    """The rate that a strategy keeps up within a bound, as a bracket.

    Args:
        exhibit: as for :func:`labkit.experiment.measure`.
        work: what an event costs.
        bound_ms: on p98 of the callers and of a bystander.
        random: Poisson arrivals instead of evenly spaced ones; their capacity is lower.
        connections: clients that send, in turn.
        limit_s: no further rate is tried when so many seconds would be passed.
        seed: of payloads and arrivals.
        settings: further arguments of :func:`labkit.experiment.measure`.

    Raises:
        UsageError: the bound is not above the time of one event, or not a number.
    """
    chosen = strategy(exhibit)
    expected = expect(work, PAYLOADS, seed)
    if not bound_ms > expected.mean_service_ms:
        raise UsageError(
            f"the bound must be above the {expected.mean_service_ms:.3g} ms that one event takes, not {bound_ms:g} ms"
        )
    return _Search(chosen, work, bound_ms, random, connections, limit_s, seed, settings, expected).run()


class _Search:
    def __init__(
        self,
        chosen: Strategy,
        work: Work,
        bound_ms: float,
        random: bool,
        connections: int,
        limit_s: float,
        seed: int,
        settings: dict[str, Any],
        expected: Expected,
    ) -> None:
        self.strategy, self.work, self.bound_ms, self.random = chosen, work, bound_ms, random
        self.connections, self.limit_s, self.seed = connections, limit_s, seed
        self.settings, self.expected = settings, expected
        self.began_ns = clock.now_ns()
        self.trials: list[Trial] = []
        self.limit = ""

    @property
    def passed_s(self) -> float:
        return (clock.now_ns() - self.began_ns) / clock.NS_PER_S

    def run(self) -> Capacity:
        throughput_hz, least_hz = self._throughput()
        if not self.limit:
            self._bracket(throughput_hz)
            if not self.limit:
                self._fill(throughput_hz)
        elif least_hz > 0:
            self._try(least_hz)  # what the client can do, it can judge
        low_hz, high_hz = self._ends()
        return Capacity(
            self.strategy.name,
            self.work.name,
            self.settings.get("mode", "threading"),
            self.bound_ms,
            "poisson" if self.random else "constant",
            low_hz,
            high_hz,
            throughput_hz,
            self.expected.mean_service_ms,
            tuple(self.trials),
            self.limit,
            self.passed_s,
        )

    def _throughput(self) -> tuple[float, float]:
        """Events a second where more is offered, and the highest rate at which the client was on time.

        Offered four times as much as before, until the server cannot keep up.
        """
        offered_hz, least_hz = 2000 / self.expected.mean_service_ms, 0.0
        while True:
            offered_hz = min(4 * offered_hz, MOST_HZ)
            events = max(20, round(offered_hz * OVERLOAD_S / 4))
            plan_ = plan(offered_hz, events, False, self.connections, self.seed)
            run = self._measure(plan_, timeout_s=10 * OVERLOAD_S)
            answered_hz = throughput(run)
            if answered_hz < OVERLOADED * sent_hz(run):
                return answered_hz, offered_hz
            if sent_hz(run) < OVERLOADED * offered_hz or offered_hz >= MOST_HZ:
                self.limit = f"the client cannot send more than {_rate(sent_hz(run))}: its limit, not the server's"
                return math.inf, least_hz or OVERLOADED * sent_hz(run)
            if self.passed_s > self.limit_s / 2:
                self.limit = f"after {self.passed_s:.0f} s the server could not be overloaded: raise the time limit"
                return math.inf, offered_hz
            least_hz = offered_hz

    def _bracket(self, throughput_hz: float) -> None:
        for share in (BELOW, ABOVE):
            self._try(share * throughput_hz)
        while not self.limit:
            low_hz, high_hz = self._ends()
            if low_hz and high_hz <= NARROW * low_hz:
                return
            if low_hz == 0:
                next_hz = high_hz / 2
            elif math.isinf(high_hz):
                next_hz = low_hz * NARROW
            else:
                next_hz = math.sqrt(low_hz * high_hz)
            if next_hz < IDLE * throughput_hz:
                self.limit = f"not even {_rate(high_hz)} holds: the bound is broken without load"
                return
            self._try(next_hz)

    def _fill(self, throughput_hz: float) -> None:
        """Two more points of the curve, where time is left."""
        for share in (0.5, 0.75):
            if self._affordable(share * throughput_hz):
                self._try(share * throughput_hz)

    def _ends(self) -> tuple[float, float]:
        low_hz = max((t.rate_hz for t in self.trials if t.verdict == HOLDS), default=0.0)
        broken = [t.rate_hz for t in self.trials if t.verdict == BREAKS]
        # One that broke below one that held was the weather: what was seen to hold, holds.
        return low_hz, min((rate for rate in broken if rate > low_hz), default=math.inf)

    def _affordable(self, rate_hz: float) -> bool:
        return self.passed_s + self._seconds(rate_hz) + 1 <= self.limit_s

    def _seconds(self, rate_hz: float) -> float:
        """So long that p98 has its samples, and that a queue which grows by a tenth passes the bound."""
        return max(TAIL_SAMPLES / rate_hz, TAIL_SAMPLES / 50, 2.5 * self.bound_ms / 1000 / (ABOVE - 1))

    def _try(self, rate_hz: float) -> None:
        if not self._affordable(rate_hz):
            self.limit = f"the time limit of {self.limit_s:g} s came first: raise it for a narrower bracket"
            return
        events = _events(rate_hz, self._seconds(rate_hz))
        plan_ = plan(rate_hz, events, self.random, self.connections, self.seed)
        run = self._measure(plan_, timeout_s=max(2.0, 5 * self.bound_ms / 1000))
        self.trials.append(trial := Trial.of(run, rate_hz, self.bound_ms))
        if trial.verdict == CLIENT and sum(t.rate_hz == rate_hz for t in self.trials) == 1:
            self._try(rate_hz)  # once more: it may have been the weather
        elif trial.verdict == CLIENT:
            late = f"the client itself was {trial.lateness_ms:.0f} ms late"
            self.limit = f"at {_rate(rate_hz)} {late}: its limit, not the server's"

    def _measure(self, plan_: Schedule, *, timeout_s: float) -> Run:
        return experiment.measure(
            self.strategy,
            self.work,
            plan_,
            **{
                "window_s": plan_.span_s,
                "timeout_s": timeout_s,
                "expected": tiled(self.expected, len(plan_)),
                **self.settings,
            },
        )


def plan(rate_hz: float, events: int, random: bool, connections: int = 1, seed: int = 0) -> Schedule:
    """So many events at a rate: Poisson arrivals, or evenly spaced ones."""
    make = poisson if random else constant
    return make(rate_hz, events=events, connections=connections, seed=seed)


def throughput(run: Run) -> float:
    """Events answered a second, from the first intended start to the last answer; 0 where none was."""
    answered = run.outcomes["answered"]
    return answered / run.makespan_ms * 1000 if answered else 0.0


def sent_hz(run: Run) -> float:
    """What the client really sent a second."""
    sent = run.events["sent"]
    span_s = float(sent.max() - run.events["intended"].min()) / clock.NS_PER_S
    return (len(run) - 1) / span_s if span_s > 0 else math.inf


def tiled(expected: Expected, events: int) -> Expected:
    """Calibrated payloads in turn, for as many events."""

    def turn(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[i % len(values)] for i in range(events))

    return replace(
        expected,
        payloads=turn(expected.payloads),
        answers=turn(expected.answers),
        service_ms=turn(expected.service_ms),
        cpu_ms=turn(expected.cpu_ms),
    )


def _events(rate_hz: float, seconds: float) -> int:
    return min(MAX_EVENTS, max(TAIL_SAMPLES, math.ceil(rate_hz * seconds)))


def _rate(rate_hz: float) -> str:
    return f"{rate_hz:.0f}/s" if rate_hz >= 100 else f"{rate_hz:.3g}/s"


def _tail(values: Distribution) -> str:
    if not len(values):
        return "not measured"
    name, tail_ms = values.tail
    return f"{name} never" if math.isinf(tail_ms) else f"{name} {tail_ms:.3g} ms"


def _known(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) and value > 0 else None
