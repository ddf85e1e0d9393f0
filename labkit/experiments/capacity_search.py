"""The search for a capacity: overloaded once, then tried at rates below and above what it could do.

See :mod:`labkit.experiments.capacity` for what is searched for, and what counts as holding.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack, cast

from labkit.base import clock, interrupts
from labkit.base.errors import UsageError
from labkit.base.renamed import refusing_old_names
from labkit.experiments.capacity import (
    ABOVE,
    BELOW,
    BREAKS,
    CLIENT,
    HOLDS,
    NARROW,
    Capacity,
    Trial,
    events_in,
    per_second,
    plan,
)
from labkit.experiments.measure import AnyStrategy, measure
from labkit.experiments.settings import Settings, require_known
from labkit.plan.calibration import Sampled
from labkit.plan.mix import Mix
from labkit.plan.schedules import CLIENTS, Schedule, burst
from labkit.plan.work import Work
from labkit.runs.run import Run
from labkit.runs.summary import BOUNDS_MS, TAIL_SAMPLES
from labkit.server.serving import require_possible
from labkit.strategies import Strategy

#: A server of which so little is asked is idle.
IDLE = 0.05

#: Overloaded is who answers less than this share of what is offered.
OVERLOADED = 0.8

#: Different payloads, each calibrated once; events carry them in turn.
PAYLOADS = 20

#: Of an overloaded run: so long with all that was offered done; and the most that is tried at all.
OVERLOAD_S, MOST_HZ = 3.0, 20_000.0


@refusing_old_names
@interrupts.kept()
def capacity(
    strategy: AnyStrategy,
    work: Work,
    *,
    bound_ms: float = BOUNDS_MS[0],
    random: bool = False,
    connections: int = CLIENTS,
    limit_s: float = 60.0,
    seed: int = 0,
    progress: Callable[[Trial], object] | None = None,
    **settings: Unpack[Settings],
) -> Capacity:
    """The rate that a strategy keeps up within a bound, as a bracket.

    Args:
        strategy: as for :func:`labkit.measure`.
        work: what an event costs.
        bound_ms: on p98 of the callers and of a bystander.
        random: Poisson arrivals instead of evenly spaced ones; their capacity is lower.
        connections: clients that send, in turn.
        limit_s: no further rate is tried when so many seconds would be passed.
        seed: of payloads and arrivals.
        progress: called with each rate that was tried.
        settings: of every measurement: see :class:`labkit.Settings`.

    Raises:
        UsageError: the bound is not above the time of one event, or not a number.
    """
    require_known(settings)
    chosen = require_possible(strategy, work, settings.get("mode", "threading"))
    if isinstance(work, Mix):
        work.kinds_in(burst(work.fewest_events(connections), connections=connections, seed=seed))
    sampled = Sampled(work, PAYLOADS, seed)
    if not bound_ms > (least_ms := sampled.percentile_ms(98)):
        of = "p98 of the events takes" if isinstance(work, Mix) else "one event takes"
        raise UsageError(f"the bound must be above the {least_ms:.3g} ms that {of}, not {bound_ms:g} ms")
    asked = _Asked(chosen, work, bound_ms, random, connections, limit_s, seed, settings, sampled, progress)
    return _Search(asked).run()


@dataclass(frozen=True)
class _Asked:
    """What is searched for; the fields are the arguments of :func:`capacity`, and what the work costs alone."""

    strategy: Strategy
    work: Work
    bound_ms: float
    random: bool
    connections: int
    limit_s: float
    seed: int
    settings: Settings
    sampled: Sampled
    progress: Callable[[Trial], object] | None


class _Search:
    """One search: what was tried so far, and why it ended."""

    def __init__(self, asked: _Asked) -> None:
        self.asked = asked
        self.began_ns = clock.now_ns()
        self.trials: list[Trial] = []
        self.limit = ""

    @property
    def _fewest(self) -> int:
        """So many events have all kinds of the work among them."""
        work = self.asked.work
        return work.fewest_events(self.asked.connections) if isinstance(work, Mix) else 1

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
            self.asked.strategy.name,
            self.asked.work.name,
            self.asked.settings.get("mode", "threading"),
            self.asked.bound_ms,
            "poisson" if self.asked.random else "constant",
            low_hz,
            high_hz,
            throughput_hz,
            self.asked.sampled.mean_service_ms,
            tuple(self.trials),
            self.limit,
            self.passed_s,
            self.asked.sampled.kinds_ms,
        )

    def _throughput(self) -> tuple[float, float]:
        """Events a second where more is offered, and the highest rate at which the client was on time.

        Offered four times as much as before, until the server cannot keep up.
        """
        offered_hz, least_hz = 2000 / self.asked.sampled.mean_service_ms, 0.0
        while True:
            offered_hz = min(4 * offered_hz, MOST_HZ)
            events = max(20, round(offered_hz * OVERLOAD_S / 4), self._fewest)
            plan_ = plan(offered_hz, events, False, self.asked.connections, self.asked.seed)
            run = self._measure(plan_, timeout_s=10 * OVERLOAD_S)
            answered_hz = throughput(run)
            if answered_hz < OVERLOADED * sent_hz(run):
                return answered_hz, offered_hz
            if sent_hz(run) < OVERLOADED * offered_hz or offered_hz >= MOST_HZ:
                self.limit = f"the client cannot send more than {per_second(sent_hz(run))}: its limit, not the server's"
                return math.inf, least_hz or OVERLOADED * sent_hz(run)
            if self.passed_s > self.asked.limit_s / 2:
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
                self.limit = f"not even {per_second(high_hz)} holds: the bound is broken without load"
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
        # A rate that broke below one that held met a slow moment of the machine: what was seen to hold, holds.
        return low_hz, min((rate for rate in broken if rate > low_hz), default=math.inf)

    def _affordable(self, rate_hz: float) -> bool:
        return self.passed_s + self._seconds(rate_hz) + 1 <= self.asked.limit_s

    def _seconds(self, rate_hz: float) -> float:
        """So long that p98 has its samples, and that a queue which grows by a tenth passes the bound."""
        return max(TAIL_SAMPLES / rate_hz, TAIL_SAMPLES / 50, 2.5 * self.asked.bound_ms / 1000 / (ABOVE - 1))

    @interrupts.kept()
    def _try(self, rate_hz: float) -> None:
        if not self._affordable(rate_hz):
            self.limit = f"the time limit of {self.asked.limit_s:g} s came first: raise it for a narrower bracket"
            return
        events = max(events_in(rate_hz, self._seconds(rate_hz)), self._fewest)
        plan_ = plan(rate_hz, events, self.asked.random, self.asked.connections, self.asked.seed)
        run = self._measure(plan_, timeout_s=max(2.0, 5 * self.asked.bound_ms / 1000))
        self.trials.append(trial := Trial.of(run, rate_hz, self.asked.bound_ms))
        if self.asked.progress is not None:
            self.asked.progress(trial)
        if trial.verdict == CLIENT and sum(t.rate_hz == rate_hz for t in self.trials) == 1:
            self._try(rate_hz)  # once more: it may have been a slow moment of the machine
        elif trial.verdict == CLIENT:
            late = f"the client itself was {trial.lateness_ms:.0f} ms late"
            self.limit = f"at {per_second(rate_hz)} {late}: its limit, not the server's"

    def _measure(self, plan_: Schedule, *, timeout_s: float) -> Run:
        usual: Settings = {
            "window_s": plan_.span_s,
            "timeout_s": timeout_s,
            "expected": self.asked.sampled.expected(plan_),
        }
        return measure(self.asked.strategy, self.asked.work, plan_, **cast(Settings, {**usual, **self.asked.settings}))


def throughput(run: Run) -> float:
    """Events answered a second, from the first intended start to the last answer; 0 where none was."""
    answered = run.outcomes["answered"]
    return answered / run.makespan_ms * 1000 if answered else 0.0


def sent_hz(run: Run) -> float:
    """What the client really sent a second."""
    sent = run.events["sent"]
    span_s = float(sent.max() - run.events["intended"].min()) / clock.NS_PER_S
    return (len(run) - 1) / span_s if span_s > 0 else math.inf
