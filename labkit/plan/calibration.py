"""The work alone, before anything else runs: the answers that are expected, and what one event costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base import clock
from labkit.base.errors import WorkloadError
from labkit.base.text import one_line
from labkit.base.time_limit import LIMIT_S
from labkit.plan import handler, state, wire
from labkit.plan.calls import Call, Caller, key_of, short
from labkit.plan.mix import Mix
from labkit.plan.schedules import Schedule
from labkit.plan.work import Calculation, Work

#: So many different payloads are called before a run, at most; events with others are not checked.
MOST_CHECKED = 1000


@dataclass(frozen=True)
class Expected:
    """What each event must be answered, and what one costs when nothing else runs.

    Attributes:
        payloads: one an event.
        answers: one an event, as JSON gives them back; None where the answer cannot be known.
        checked: whether answers can be compared at all.
        service_ms: what one event took, alone; the unloaded calibration that theory is fed with. Of work that only
            waits, what was asked for.
        cpu_ms: thread CPU time of the same.
        kinds: of a mix, the names of its kinds; else empty.
        kind: of each event of a mix, the number of its kind in `kinds`.
        state: what the calls say of a state that the work keeps, a sentence each; empty where they say nothing.
        calls: every call that was made for this, in order.
    """

    payloads: tuple[Any, ...]
    answers: tuple[Any, ...]
    checked: bool
    service_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    kinds: tuple[str, ...] = ()
    kind: tuple[int, ...] = ()
    state: tuple[str, ...] = ()
    calls: tuple[Call, ...] = field(default=(), repr=False)

    @property
    def mean_service_ms(self) -> float:
        """The mean time of one event when nothing else runs."""
        return sum(self.service_ms) / len(self.service_ms)

    @property
    def mean_of_each_ms(self) -> NDArray[np.float64]:
        """Of each event the mean time of its kind when nothing else runs; of work that is no mix, that of all."""
        kind = np.array(self.kind or (0,) * len(self.service_ms))
        means: NDArray[np.float64] = np.bincount(kind, self.service_ms) / np.maximum(np.bincount(kind), 1)
        each: NDArray[np.float64] = means[kind]
        return each

    @property
    def first_of_each_kind(self) -> tuple[Any, ...]:
        """A payload of each kind; of work that is no mix, the first."""
        return tuple(self.payloads[self.kind.index(number)] for number in range(len(self.kinds))) or self.payloads[:1]


def expect(work: Work, count: int, seed: int = 0, samples: int = 3) -> Expected:
    """Run the work alone, before anything else does: expected answers, and the service time for theory.

    Each distinct payload is run once where the answer has to be known (at most 1,000 of them; the rest is not checked),
    and the first of them again, to see whether it is answered alike; the last one, too, where the first was answered
    far sooner. `samples` of them are run where the work echoes its payload, and none where it only waits.

    Raises:
        WorkloadError: the first call raises, or returns what JSON cannot carry; a call of a function of the reader's
            does not return within 30 s.
    """
    if work.place is not None:
        return work.place.run(expect, work, count, seed, samples)
    payloads = tuple(work.make_payloads(count, seed))
    if work.kind == "io_wait" and work.ms is not None:
        # A wait costs what was asked for: sleeping through it once more would tell nothing.
        return Expected(payloads, payloads, True, (work.ms,) * count, (0.0,) * count)
    call = Caller(work, LIMIT_S, Calculation(work.function))
    keys = [key_of(p) for p in payloads]
    distinct = dict(zip(keys, payloads, strict=True))
    limit = samples if work.echoes else max(samples, MOST_CHECKED)
    seen: dict[str, dict[str, Any]] = {}
    for key, payload in list(distinct.items())[:limit]:
        seen[key] = answer = call(payload)
        if "error" in answer and len(seen) == 1:
            handler.refuse_error(work.name, answer["error"])
            raise WorkloadError(f"{work.name} failed before the run, on {short(payload)}: {one_line(answer['error'])}")
    if work.echoes:
        # One amount of work for all, and noise only adds: the fastest is the least disturbed.
        service_ms = min(one.ms for one in call.calls)
        least_cpu_ms = min(one.cpu_ms for one in call.calls)
        calls = tuple(call.calls)
        return Expected(payloads, payloads, True, (service_ms,) * count, (least_cpu_ms,) * count, calls=calls)
    again = call(payloads[0])
    if len(seen) > 1 and state.looks_cached(call.calls[0], call.calls[-1]):
        # The very first call may have warmed something up. One that was not the first tells that from a cache.
        call(distinct[list(seen)[-1]])
    checked = _is_same(again.get("result"), seen[keys[0]].get("result"))
    answers = tuple(wire.as_received(seen[k].get("result")) if checked and k in seen else None for k in keys)
    timed = [*seen.values(), again]
    typical = median(a["end_ns"] - a["start_ns"] for a in timed), median(a["cpu_ns"] for a in timed)
    service = tuple(_ms(seen[k]["end_ns"] - seen[k]["start_ns"]) if k in seen else _ms(typical[0]) for k in keys)
    cpu_ms = tuple(_ms(seen[k]["cpu_ns"]) if k in seen else _ms(typical[1]) for k in keys)
    told = state.found(call.calls, alike=checked)
    return Expected(payloads, answers, checked, service, cpu_ms, state=told, calls=tuple(call.calls))


def calls_needed(work: Work, plan: Schedule) -> int:
    """How often :func:`expected_answers` calls the work for a plan, at most."""
    if isinstance(work, Mix):
        kind = work.kinds_in(plan)
        each = [int(np.count_nonzero(kind == number)) for number in range(len(work.parts))]
        return sum(
            _calls_needed(part.work, count, plan.seed) for part, count in zip(work.parts, each, strict=True) if count
        )
    return _calls_needed(work, len(plan), plan.seed)


def _calls_needed(work: Work, count: int, seed: int, samples: int = 3) -> int:
    if work.kind == "io_wait" and work.ms is not None:
        return 0
    distinct = len({key_of(payload) for payload in work.make_payloads(count, seed)})
    if work.echoes:
        return min(distinct, samples)
    return min(distinct, max(samples, MOST_CHECKED)) + (2 if distinct > 1 else 1)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two results are the same to who receives them, NaN among them, which is not equal to itself."""
    return one == other or wire.text(wire.as_received(one)) == wire.text(wire.as_received(other))


#: The lab's own work is the same for the same name, so it is calibrated once a session. A function of the reader's may
#: depend on anything, and is calibrated anew for every measurement or comparison.
_expect_once = lru_cache(maxsize=16)(expect)


def expected_answers(work: Work, plan: Schedule) -> Expected:
    """What each event of a plan must be answered, and what it costs when nothing else runs.

    The kinds of a mix are calibrated one by one, each with as many events as the plan has of it.

    Raises:
        WorkloadError: see :func:`expect`; a mix that this plan cannot carry (:meth:`labkit.plan.mix.Mix.kinds_in`).
    """
    if isinstance(work, Mix):
        return _of_mix(work, plan, lambda part, count: _expected(work.parts[part].work, count, plan.seed))
    return _expected(work, len(plan), plan.seed)


def _expected(work: Work, count: int, seed: int) -> Expected:
    calibrate = expect if work.kind == "call" else _expect_once
    return calibrate(work, count, seed)


def _of_mix(work: Mix, plan: Schedule, of_part: Callable[[int, int], Expected]) -> Expected:
    """Each event of the plan as its kind has it; `of_part` takes the number of a part, and how many events it has."""
    kind = work.kinds_in(plan)
    columns: dict[str, list[Any]] = {c: [None] * len(plan) for c in ("payloads", "answers", "service_ms", "cpu_ms")}
    checked = True
    told: list[str] = []
    calls: list[Call] = []
    for number, part in enumerate(work.parts):
        places = np.flatnonzero(kind == number).tolist()
        own = of_part(number, len(places))
        checked &= own.checked
        told += [f"{part.kind}: {sentence}" for sentence in own.state]
        calls += own.calls
        named = replace(own, payloads=tuple({"kind": part.kind, "payload": payload} for payload in own.payloads))
        for name, column in columns.items():
            for place, value in zip(places, getattr(named, name), strict=True):
                column[place] = value
    found = {name: tuple(column) for name, column in columns.items()}
    return Expected(
        **found, checked=checked, kinds=work.kinds, kind=tuple(kind.tolist()), state=tuple(told), calls=tuple(calls)
    )


class Sampled:
    """A work that is calibrated once, on a few payloads, for plans of any length: their events carry these in turn.

    Args:
        work: which; of a mix each kind is calibrated by itself.
        payloads: how many different ones, of each kind.
        seed: of the payloads.
        samples: of work that costs the same each time, how many calls; the fastest counts.

    Raises:
        WorkloadError: see :func:`expect`.
    """

    def __init__(self, work: Work, payloads: int, seed: int, samples: int = 3) -> None:
        self.work = work
        works = [part.work for part in work.parts] if isinstance(work, Mix) else [work]
        self.samples = tuple(expect(each, payloads, seed, samples) for each in works)

    def expected(self, plan: Schedule) -> Expected:
        """What each event of a plan must be answered, and what it costs; of a mix see :func:`expected_answers`."""
        if isinstance(self.work, Mix):
            return _of_mix(self.work, plan, lambda part, count: tiled(self.samples[part], count))
        return tiled(self.samples[0], len(plan))

    @property
    def mean_service_ms(self) -> float:
        """The mean time of one event when nothing else runs; of a mix by the shares of its kinds."""
        return sum(share * ms for share, ms in self.kinds_ms or ((1.0, self.samples[0].mean_service_ms),))

    @property
    def kinds_ms(self) -> tuple[tuple[float, float], ...]:
        """Of a mix, the share of each kind and what one event of it takes when nothing else runs; else empty."""
        if not isinstance(self.work, Mix):
            return ()
        both = zip(self.work.parts, self.samples, strict=True)
        return tuple((part.share, one.mean_service_ms) for part, one in both)

    def percentile_ms(self, percent: float) -> float:
        """Of the time of one event when nothing else runs; of work that is no mix it is the mean."""
        below = 0.0
        by_time = sorted((ms, share) for share, ms in self.kinds_ms)
        for service_ms, share in by_time:
            below += 100 * share
            if below >= percent:
                return service_ms
        return by_time[-1][0] if by_time else self.mean_service_ms


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


def _ms(ns: float) -> float:
    return ns / clock.NS_PER_MS
