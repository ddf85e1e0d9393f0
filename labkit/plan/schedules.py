"""What is sent when: open-loop plans of intended starts, made before the run and the same for every strategy.

Open loop means that an event is sent when it is due, whether or not earlier ones were answered, as users do who do
not know of each other. Latency counts from the *intended* start: a sender that waits for a slow server would send
less just while it is slow, and leave the worst moments out (coordinated omission; G. Tene, "How NOT to measure
latency", 2013). Offsets are nanoseconds from the start of the run; rates are events per second over all clients.

A plan says who sends, since one client that sends ten events and ten clients that send one each are different worlds:
``async_handlers=False`` handles the events of *one* client in turn. The default is a room of ten clients that take
turns; ``connections=1`` is the one greedy client.
"""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S
from labkit.base.errors import ScheduleError

MAX_EVENTS = 50_000_000  # 800 MB of plan alone
MAX_SECONDS = 1e9  # 30 years: still fits into 64 bits of nanoseconds

#: A room full of people: how many clients take turns in sending where nobody says; fewer where there are fewer events.
CLIENTS = 10


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """A seeded open-loop plan of n events. The arrays are copied, checked (ScheduleError) and made read-only."""

    name: str
    intended_ns: NDArray[np.int64]  # shape (n,), ascending: the intended start of each event
    connection: NDArray[np.int64]  # shape (n,), 0 to connections - 1: the client that sends it
    connections: int
    seed: int  # recorded for every plan, though only random ones depend on it

    def __post_init__(self) -> None:
        object.__setattr__(self, "connections", _at_least(1, "connections", self.connections))
        object.__setattr__(self, "seed", _at_least(0, "seed", self.seed))
        for field in ("intended_ns", "connection"):
            given = np.asarray(getattr(self, field))
            if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu":
                raise ScheduleError(f"{field} must be a list of integers, one for each of one or more events")
            array = given.astype(np.int64)
            array.setflags(write=False)
            object.__setattr__(self, field, array)
        if len(self.intended_ns) != len(self.connection):
            raise ScheduleError("intended_ns and connection must be equally long: one entry of each for every event")
        if self.intended_ns[0] < 0 or np.any(np.diff(self.intended_ns) < 0):
            raise ScheduleError("intended_ns must be sorted and not negative: sort it and count from the start")
        if self.connection.min() < 0 or self.connection.max() >= self.connections:
            raise ScheduleError(f"each event's connection must be from 0 to {self.connections - 1}: raise connections")

    def __len__(self) -> int:
        return len(self.intended_ns)

    def __repr__(self) -> str:
        return f"<Schedule {self.name}: {self._events}>"

    @property
    def _events(self) -> str:
        return f"{len(self):,} {'event' if len(self) == 1 else 'events'}, last at {self.span_s:.6g} s"

    @property
    def senders(self) -> str:
        """Who sends, in words: ``one client`` or ``10 clients``."""
        return senders(self.connections)

    @property
    def span_s(self) -> float:
        """The last intended start, in seconds from the start of the run."""
        return float(self.intended_ns[-1]) / NS_PER_S

    @property
    def rate_hz(self) -> float | None:
        """Mean offered rate in events per second; None if all are due at one instant.

        The events before the last instant over the time from the first instant to it: the last ones' own interval is
        not in the plan, so that 20/s is 20 and not a little more.
        """
        first, last = self.intended_ns[0], self.intended_ns[-1]
        if first == last:
            return None
        return float(np.searchsorted(self.intended_ns, last)) * NS_PER_S / float(last - first)

    def describe(self) -> str:
        """A sentence for a caption."""
        rate = "all at one instant" if self.rate_hz is None else f"{self.rate_hz:.4g}/s on average"
        return f"Open loop, {self.name}: {self._events}, {rate}; latency counts from the intended start."

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values; `from_dict` restores it exactly."""
        arrays = {"intended_ns": self.intended_ns.tolist(), "connection": self.connection.tolist()}
        return {"name": self.name, "connections": self.connections, "seed": self.seed, **arrays}

    @classmethod
    def from_dict(cls, plan: Mapping[str, Any]) -> Self:
        """The plan that `to_dict` wrote; ScheduleError if it is not one."""
        try:
            return cls(**plan)
        except TypeError as error:
            raise ScheduleError(f"this is not a plan that to_dict wrote, write it anew: {error}") from error


def constant(
    rate_hz: float,
    *,
    seconds: float | None = None,
    events: int | None = None,
    connections: int | None = None,
    seed: int = 0,
) -> Schedule:
    """Evenly spaced: event i is due at i / rate, the first at 0, all before `seconds` (give that or `events`)."""
    rate_hz, span = _positive("rate_hz", rate_hz), _span(seconds, events)
    count = _count_below(rate_hz * seconds) if seconds is not None else _at_least(1, "events", events)
    return _plan(f"{rate_hz:g}/s for {span}", np.arange(_affordable(count)) / rate_hz, connections, seed)


def poisson(
    rate_hz: float,
    *,
    seconds: float | None = None,
    events: int | None = None,
    connections: int | None = None,
    seed: int = 0,
) -> Schedule:
    """Arrivals of many independent users: exponential gaps, the first before the first event.

    Give `seconds` (all arrivals before it, so that the count is random) or `events`. The same seed and rate give the
    same arrivals: a longer plan begins with the shorter one.
    """
    rate_hz, span = _positive("rate_hz", rate_hz), _span(seconds, events)
    _affordable(expected := rate_hz * seconds if seconds is not None else _at_least(1, "events", events))
    random = np.random.default_rng(_at_least(0, "seed", seed))
    if seconds is None:
        arrivals_s = np.cumsum(random.standard_exponential(int(expected))) / rate_hz
    else:
        # Four standard deviations more than expected: one draw nearly always reaches the end, and if not, the next.
        size = math.ceil(expected + 4 * math.sqrt(expected)) + 1
        gaps = random.standard_exponential(size)
        while gaps.sum() < (1 + 1e-9) * expected:
            gaps = np.concatenate([gaps, random.standard_exponential(size)])
        arrivals_s = np.cumsum(gaps) / rate_hz
        arrivals_s = arrivals_s[np.rint(arrivals_s * NS_PER_S) < seconds * NS_PER_S]
        if not len(arrivals_s):
            raise ScheduleError(f"seed {seed} has no arrival in {span} at {rate_hz:g}/s: raise the rate or seconds")
    return _plan(f"{rate_hz:g}/s for {span}, Poisson, seed {seed},", arrivals_s, connections, seed)


def burst(
    events: int = 10, *, every_s: float | None = None, times: int = 1, connections: int | None = None, seed: int = 0
) -> Schedule:
    """Send `events` at one instant, the first at 0; with `times`, one such burst every `every_s` seconds.

    Ten clients send them in turn, or as many as there are events where there are fewer: ``burst(10)`` is one event each
    of ten clients, ``burst(10, connections=1)`` ten of one greedy client.
    """
    events, times = _at_least(1, "events", events), _at_least(1, "times", times)
    if times > 1 and every_s is None:
        raise ScheduleError(f"{times} bursts need a distance: give every_s in seconds")
    period_s = 0.0 if every_s is None else _positive("every_s", every_s)
    name = "1 event" if events == 1 else f"{events} events at once"
    name += f", {times} times, every {period_s:g} s," if times > 1 else ""
    _affordable(events * times)
    connections = min(CLIENTS, events) if connections is None else connections  # every burst is of the same clients
    return _plan(name, np.repeat(np.arange(times) * period_s, events), connections, seed)


def ramp(start_hz: float, end_hz: float, *, seconds: float, connections: int | None = None, seed: int = 0) -> Schedule:
    """A rate that grows or falls evenly from `start_hz` to `end_hz`: event i is due when i events have come due.

    With u the part of `seconds` that has passed, first u + (last - first) u**2 / 2 events have come due, where first
    and last are what a constant rate would send; solved for u in the form that loses no digits when both are alike.
    """
    start_hz, end_hz = _positive("start_hz", start_hz), _positive("end_hz", end_hz)
    seconds = _positive("seconds", seconds)
    first, last = start_hz * seconds, end_hz * seconds
    i = np.arange(_affordable(_count_below((first + last) / 2)))
    due_s = seconds * 2 * i / (first + np.sqrt(np.maximum(first**2 + 2 * (last - first) * i, 0)))
    return _plan(f"{start_hz:g}/s to {end_hz:g}/s in {seconds:g} s", due_s, connections, seed)


def senders(connections: int) -> str:
    """So many clients in words: ``one client``, ``10 clients``."""
    return "one client" if connections == 1 else f"{connections} clients"


def _plan(name: str, due_s: NDArray[np.float64], connections: int | None, seed: int) -> Schedule:
    if due_s[-1] > MAX_SECONDS:
        raise ScheduleError("the last event would be due in more than 30 years: raise the rate or ask for fewer events")
    clients = min(CLIENTS, len(due_s)) if connections is None else _at_least(1, "connections", connections)
    if clients > len(due_s):
        raise ScheduleError(
            f"{senders(clients)} cannot send {len(due_s)} {'event' if len(due_s) == 1 else 'events'}: ask for as many "
            "events as clients or more, or for fewer connections"
        )
    # Rounding can swap two events that are due within one nanosecond, hence the running maximum.
    intended_ns = np.maximum.accumulate(np.rint(due_s * NS_PER_S).astype(np.int64))
    name = f"{name} from {senders(clients)}"
    return Schedule(name, intended_ns, np.arange(len(due_s)) % clients, clients, seed)


def _span(seconds: float | None, events: int | None) -> str:
    """How long, in words; ScheduleError unless exactly one is given."""
    if (seconds is None) == (events is None):
        raise ScheduleError("how long is not clear: give either seconds or events")
    return f"{_positive('seconds', seconds):g} s" if seconds is not None else f"{events} events"


def _positive(name: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ScheduleError(f"{name} is {value}: give a finite number above 0")
    return float(value)


def _at_least(least: int, name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ScheduleError(f"{name} is {value!r}: give a whole number") from None
    if number < least:
        raise ScheduleError(f"{name} is {number}: give {least} or more")
    return number


def _affordable(count: float) -> int:
    """The count as it came, if a plan of that many events can be kept."""
    if count > MAX_EVENTS:
        raise ScheduleError(f"a plan of {count:,.0f} events is too large: ask for 50 million or fewer")
    return int(count)


def _count_below(expected: float) -> float:
    """How many of 0, 1, 2, ... lie below; a product such as 0.1 * 3 is taken for what it is meant to be."""
    return max(1, math.ceil(expected * (1 - 1e-12))) if math.isfinite(expected) else expected
