"""A plan for a utilisation: how many events a second keep so many servers busy for so much of their time.

A load is rho = rate * service / servers (:func:`labkit.plan.queueing.utilisation`). The service time is that of the
unloaded calibration, so the same load asks the same of a fast machine and of a slow one.
"""

import math
from dataclasses import dataclass

import numpy as np

from labkit.base import clock
from labkit.base.errors import UsageError
from labkit.base.listed import is_number
from labkit.experiments.capacity_search import MOST_HZ, PAYLOADS
from labkit.experiments.settings import Settings
from labkit.plan import queueing
from labkit.plan.calibration import Expected, Sampled, expect, expected_answers, tiled
from labkit.plan.mix import Mix
from labkit.plan.schedules import CLIENTS, Schedule, burst, senders
from labkit.plan.work import Work

#: Ten times what can be done is the most: beyond it, a queue only grows the faster.
MOST = 10.0

#: So many events a plan must have: of fewer there is no median to speak of.
FEWEST = 10

#: A rate has so many digits, so that a plan's name is short and true; the load is off by less than a percent for it.
DIGITS = 3

#: Of work that costs the same each time, the fastest of so many calls counts. A load that was reckoned with a disturbed
#: one would be another.
SAMPLES = 9

#: An event is waited for until all work is done twice over, and so long besides.
PATIENCE_S = 5.0


@dataclass(frozen=True, eq=False)
class Offered:
    """What is asked of the servers, and for how long.

    Attributes:
        load: the utilisation, rho; from 1 on more is asked than can be done.
        rate_hz: of the Poisson arrivals.
        seconds: how long they last.
        servers: how many can work at a time.
        plan: the arrivals.
        expected: of each event, what it must be answered and what it costs alone.
    """

    load: float
    rate_hz: float
    seconds: float
    servers: int
    plan: Schedule
    expected: Expected

    @property
    def settings(self) -> Settings:
        """How to measure it.

        The bystander pings while the load lasts, and no longer: a strategy that is done sooner than others must not be
        praised for pings that met an idle server. Answers are waited for until the longest queue is empty, since what
        is left of it would disturb the next run.
        """
        work_s = self.seconds * max(1.0, self.load)
        return {"window_s": self.seconds, "timeout_s": PATIENCE_S + 2 * work_s, "expected": self.expected}


def calibrated(work: Work, seed: int = 0) -> Expected | Sampled:
    """What a few events of the work cost alone; those of a plan carry the same payloads, in turn."""
    if isinstance(work, Mix):
        return Sampled(work, PAYLOADS, seed, SAMPLES)
    if work.echoes:
        return expect(work, PAYLOADS, seed, samples=SAMPLES)
    return expected_answers(work, burst(PAYLOADS, connections=1, seed=seed))


def offered(
    work: Work,
    load: float,
    *,
    seconds: float = 5.0,
    servers: int = 1,
    connections: int = CLIENTS,
    seed: int = 0,
    alone: Expected | Sampled | None = None,
) -> Offered:
    """Poisson arrivals that ask for a share of what so many servers can do.

    Args:
        work: what an event costs.
        load: the utilisation, above 0 and up to 10; 0.9 is 90%.
        seconds: how long events arrive.
        servers: how many can work at a time: 1 where the work holds the GIL, the workers of a pool where it waits.
        connections: clients that send, in turn.
        seed: of payloads and arrivals.
        alone: of an earlier :func:`calibrated`.

    Raises:
        UsageError: the load, the time or the servers make no sense; so few events would come that they say nothing, or
            more than a client can send.
    """
    require_load(load)
    require_seconds(seconds)
    queueing.utilisation(0, 0, servers)  # which refuses servers that there cannot be
    alone = alone or calibrated(work, seed)
    service_s = alone.mean_service_ms / 1000
    exact_hz = load * servers / service_s if service_s > 0 else math.inf
    if exact_hz > MOST_HZ:
        raise UsageError(
            f"a load of {load:g} is more than {MOST_HZ:,.0f} events a second where one takes {service_s * 1000:.2g} "
            "ms: a client cannot send so many, so give work that takes longer"
        )
    rate_hz = float(f"{exact_hz:.{DIGITS}g}")
    if rate_hz * seconds < FEWEST:
        raise UsageError(
            f"at a load of {load:g} only {rate_hz * seconds:.0f} events come in {seconds:g} s, since one takes "
            f"{service_s * 1000:.0f} ms, and it takes {FEWEST} to say something: raise seconds to "
            f"{math.ceil(FEWEST / rate_hz)} or more"
        )
    plan = arrivals(rate_hz, seconds, connections, seed)
    # The kinds of a mix follow from the plan.
    expected = alone.expected(plan) if isinstance(alone, Sampled) else tiled(alone, len(plan))
    return Offered(load, rate_hz, seconds, servers, plan, expected)


def arrivals(rate_hz: float, seconds: float, connections: int, seed: int) -> Schedule:
    """Poisson arrivals given their number: as many as the rate says, at instants that are drawn.

    Where the number is left to chance as well, a hundred events are 90 or 110, and an asked-for 90% is anything from
    80% to 100%: the waits at these differ by more than those of the strategies. Given their number, the arrivals of a
    Poisson process are uniform draws (e.g. S. Ross, *Introduction to Probability Models*, section 5.3), and so are
    exponential gaps over their sum.

    Raises:
        UsageError: there are more clients than events.
    """
    count = max(1, round(rate_hz * seconds))
    if connections > count:
        raise UsageError(
            f"{connections} clients cannot send {count} events: raise seconds, or ask for fewer connections"
        )
    after = np.cumsum(np.random.default_rng(seed).standard_exponential(count + 1))
    intended_ns = np.floor(after[:-1] / after[-1] * seconds * clock.NS_PER_S).astype(np.int64)
    name = f"{rate_hz:g}/s Poisson for {seconds:g} s, seed {seed}, from {senders(connections)}"
    return Schedule(name, intended_ns, np.arange(count) % max(1, connections), connections, seed)


def require_load(load: float, name: str = "a load") -> None:
    """UsageError unless it is a utilisation that can be asked for; the sentence begins with `name`."""
    if not is_number(load) or not (load > 0 and math.isfinite(load)):
        raise UsageError(f"{name} must be above 0, such as 0.9 for 90% of what can be done, not {load!r:.40}")
    if load > MOST:
        raise UsageError(
            f"{name} above {MOST:g} asks for more than {MOST:g} times what can be done, and {load:g} was given: "
            "is it a percentage? 0.9 is 90%"
        )


def require_seconds(seconds: float, name: str = "seconds") -> None:
    """UsageError unless load can last so long; the sentence begins with `name`."""
    if not (0 < seconds < 86_400):
        raise UsageError(f"{name} must be above 0 and less than a day, not {seconds:g}")
