"""The work alone, before anything else runs: the answers that are expected, and what one event costs."""

import json
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

from labkit.base import clock
from labkit.base.errors import WorkloadError
from labkit.base.time_limit import LIMIT_S, call_within
from labkit.plan.schedules import Schedule
from labkit.plan.work import Calculation, Work


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
    """

    payloads: tuple[Any, ...]
    answers: tuple[Any, ...]
    checked: bool
    service_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]

    @property
    def mean_service_ms(self) -> float:
        """The mean time of one event when nothing else runs."""
        return sum(self.service_ms) / len(self.service_ms)


def expect(work: Work, count: int, seed: int = 0, samples: int = 3) -> Expected:
    """Run the work alone, before anything else does: expected answers, and the service time for theory.

    Each distinct payload is run once where the answer has to be known (at most 1,000 of them; the rest is not checked),
    `samples` of them where the work echoes its payload, and none where it only waits.

    Raises:
        WorkloadError: the first call raises, or returns what JSON cannot carry; a call of a function of the reader's
            does not return within 30 s.
    """
    payloads = tuple(work.make_payloads(count, seed))
    if work.kind == "io_wait" and work.ms is not None:
        # A wait costs what was asked for: sleeping through it once more would tell nothing.
        return Expected(payloads, payloads, True, (work.ms,) * count, (0.0,) * count)
    calculation = Calculation(work.function)

    def calculate(data: dict[str, Any]) -> dict[str, Any]:
        name = f"{work.name} on {_short(data['payload'])}"
        return call_within(LIMIT_S, name, lambda: calculation(data)) if work.kind == "call" else calculation(data)

    keys = [json.dumps(p, sort_keys=True) for p in payloads]
    distinct = dict(zip(keys, payloads, strict=True))
    limit = samples if work.echoes else max(samples, 1000)
    seen: dict[str, dict[str, Any]] = {}
    for key, payload in list(distinct.items())[:limit]:
        seen[key] = answer = calculate({"id": 0, "payload": payload})
        if "error" in answer and len(seen) == 1:
            raise WorkloadError(f"{work.name} failed before the run, on {_short(payload)}: {answer['error']}")
    if work.echoes:
        # One amount of work for all, and noise only adds: the fastest is the least disturbed.
        service_ms = min(_ms(a["end_ns"] - a["start_ns"]) for a in seen.values())
        least_cpu_ms = min(_ms(a["cpu_ns"]) for a in seen.values())
        return Expected(payloads, payloads, True, (service_ms,) * count, (least_cpu_ms,) * count)
    again = calculate({"id": 0, "payload": payloads[0]})
    checked = again.get("result") == seen[keys[0]].get("result")
    answers = tuple(json.loads(json.dumps(seen[k].get("result"))) if checked and k in seen else None for k in keys)
    timed = [*seen.values(), again]
    typical = median(a["end_ns"] - a["start_ns"] for a in timed), median(a["cpu_ns"] for a in timed)
    service = tuple(_ms(seen[k]["end_ns"] - seen[k]["start_ns"]) if k in seen else _ms(typical[0]) for k in keys)
    cpu_ms = tuple(_ms(seen[k]["cpu_ns"]) if k in seen else _ms(typical[1]) for k in keys)
    return Expected(payloads, answers, checked, service, cpu_ms)


#: The lab's own work is the same for the same name, so it is calibrated once a session. A function of the reader's may
#: depend on anything, and is calibrated anew for every measurement or comparison.
_expect_once = lru_cache(maxsize=16)(expect)


def expected_answers(work: Work, plan: Schedule) -> Expected:
    """What each event of a plan must be answered, and what it costs when nothing else runs."""
    calibrate = expect if work.kind == "call" else _expect_once
    return calibrate(work, len(plan), plan.seed)


def _ms(ns: float) -> float:
    return ns / clock.NS_PER_MS


def _short(payload: Any) -> str:
    text = json.dumps(payload)
    return text if len(text) < 80 else text[:77] + "..."
