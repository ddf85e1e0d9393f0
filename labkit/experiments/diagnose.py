"""What kind of work a function is, measured: does it wait or compute, and does it let other threads run meanwhile?

Three short measurements, each of a few calls on a thread as a handler has one:

1. alone: how much of its time it waits (neither on a core nor in the queue for one), how much it computes;
2. beside a thread that asks for the GIL all the time, with the switch interval raised so that nobody is interrupted:
   the share of time in which the GIL is *held*, in Python code or in C code that does not release it;
3. the same at Python's own switch interval: how long another thread waits at once. Python code gives way after an
   interval (5 ms by default); C code only when it returns, which is the trap of ``sorted``, ``json.dumps`` or ``re``.

Nothing is guessed from names or sources. A function that caches its answers is diagnosed as what it is when warm; that
its first call took longer is said.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from labkit.base import clock
from labkit.base.errors import NotPicklable, WorkloadError
from labkit.base.text import about, milliseconds
from labkit.base.time_limit import LIMIT_S, call_within
from labkit.experiments.gil_probe import UNDISTURBED_S, CpuAccount, Probe
from labkit.plan.mix import Mix
from labkit.plan.work import Calculation, Work, require_picklable
from labkit.runs import environment
from labkit.runs.summary import Distribution, supported
from labkit.server.steady import switch_interval

T = TypeVar("T")

#: The kinds; `kind` of a diagnosis is one of them.
WAITS, HOLDS, RELEASES, MIXED = "waits", "computes, holds the GIL", "computes, releases the GIL", "mixed"

#: A share from which work counts as wholly of one kind, and up to which it counts as not of that kind at all.
MOST, LEAST = 0.8, 0.2

#: Of each of the three measurements: until so many calls are made in so many seconds, at most so long.
CALLS, SHORTEST_S, LONGEST_S = 20, 0.1, 0.6

#: A hold of so many switch intervals in one go is no Python code: that gives way after one.
INTERVALS = 4

#: A first call that took so many times longer than those after it warmed something up.
WARMED_UP = 5

#: A first call of so many ms is not repeated alone.
LONG_MS = 1000

#: Payloads that are tried, in turn.
PAYLOADS = 20


@dataclass(frozen=True)
class Diagnosis:
    """What kind of work a function is.

    Attributes:
        work: its name.
        kind: one of :data:`WAITS`, :data:`HOLDS`, :data:`RELEASES`, :data:`MIXED`.
        waiting: share of its time in which it neither computes nor queues for a core, when nothing else runs.
        computing: share of its time on a core.
        gil_held: share of its time in which no other thread could have the GIL; 0 where there is no GIL.
        service: how long a call takes alone, in ms; `p50_ms` and so on.
        first_ms: how long the very first call took.
        other_thread_waits: of another thread in the same process: every wait for the GIL, in ms.
        hold_ms: how long another thread waits at once, typically.
        switch_interval_ms: Python's own, at which that was measured.
        payload_us, answer_us: what sending them to another process costs, pickled there and read here; NaN if they
            cannot go.
        why_not: why it cannot go to another process; empty if it can.
        cores: that this process may use.
        gil: whether this interpreter has one.
        accounted: the kernel told waiting for the GIL from waiting for a core; if not, shares are upper limits.
    """

    work: str
    kind: str
    waiting: float
    computing: float
    gil_held: float
    service: Distribution
    first_ms: float
    other_thread_waits: Distribution
    hold_ms: float
    switch_interval_ms: float
    payload_us: float
    answer_us: float
    why_not: str
    cores: int
    gil: bool
    accounted: bool

    @property
    def cpu_ms(self) -> float:
        """CPU of a call, in ms; the mean."""
        return self.computing * self.service.mean_ms

    @property
    def can_go(self) -> bool:
        """Whether it can be sent to another process."""
        return not self.why_not

    @property
    def in_one_go(self) -> bool:
        """Whether it holds the GIL far longer than Python code does: in C code that does not release it."""
        return self.gil and self.gil_held > LEAST and self.hold_ms > INTERVALS * self.switch_interval_ms

    @property
    def sentence(self) -> str:
        """What it does, and what follows for threads and processes."""
        return f"{self.work} {self._does()}: {self._follows()}."

    def _does(self) -> str:
        if not self.gil:
            return "computes, and this interpreter has no GIL" if self.kind == RELEASES else self._mixture()
        if self.kind == WAITS:
            return f"waits ({self.waiting:.0%} of its time) and holds nothing"
        if self.kind == RELEASES:
            return "computes and releases the GIL"
        if self.kind == MIXED:
            return self._mixture()
        verb = "waits" if self.waiting >= MOST else "computes"
        if self.in_one_go:
            return f"{verb} in C code that keeps the GIL, {self.hold_ms:.0f} ms in one go"
        return f"{verb} in Python and holds the GIL"

    def _mixture(self) -> str:
        held = f", holds the GIL for {self.gil_held:.0%}" if self.gil else ""
        at_once = f" ({self.hold_ms:.0f} ms of it in one go, in C code)" if self.in_one_go else ""
        return f"waits for {self.waiting:.0%} of its time, computes for {self.computing:.0%}{held}{at_once}"

    def _follows(self) -> str:
        processes = "processes can" if self.can_go else f"processes could, but it cannot go to one ({self.why_not})"
        if not self.gil and self.kind != WAITS:
            return f"threads help, up to {self.cores} at once on {self.cores} cores"
        if self.kind == WAITS:
            return "threads help, as many as wait at once; other processes gain nothing"
        if self.kind == RELEASES:
            return f"threads help, up to {self.cores} at once on {self.cores} cores"
        if self.kind == HOLDS:
            return f"threads can't help, {processes}"
        if self.gil_held <= LEAST:
            return "threads help, for its waiting at once and for its computing up to the cores"
        beyond = "processes help beyond that" if self.can_go else processes
        return f"threads help until the GIL is busy, about {1 / self.gil_held:.1f} at once; {beyond}"

    @property
    def notes(self) -> tuple[str, ...]:
        """The figures behind the sentence, and every reason for doubt, a line each."""
        calls = "1 call" if len(self.service) == 1 else f"{len(self.service)} calls"
        lines = [
            f"alone {milliseconds(self.service.p50_ms)} ms (p50), {self._tail()}, {calls}: "
            f"waiting {self.waiting:.0%}, CPU {self.computing:.0%}"
            + (
                f", GIL held {self.gil_held:.0%}, another thread waits {about(self.hold_ms)} at once"
                if self.gil
                else ""
            )
        ]
        if self.can_go:
            costs = f"{self.payload_us:.0f} us to pickle the payload, {self.answer_us:.0f} us the answer"
            lines.append(f"to another process: {costs}")
        else:
            lines.append(f"to another process: not as it is; {self.why_not}")
        if self.first_ms > WARMED_UP * max(self.service.p50_ms, 1):
            lines.append(f"its first call took {milliseconds(self.first_ms)} ms: it warms up, or keeps answers")
        if not self.accounted:
            lines.append("this system does not tell waiting for a core from waiting for the GIL: repeat on an idle one")
        return tuple(lines)

    def _tail(self) -> str:
        """p95 where the sample supports it, else the maximum."""
        if supported(95, len(self.service)):
            return f"{milliseconds(self.service.percentile(95))} ms (p95)"
        return f"{milliseconds(self.service.max_ms)} ms (max)"

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        from html import escape

        below = "<br>".join(escape(note) for note in self.notes)
        return f"<p><b>{escape(self.sentence)}</b></p><p><small>{below}</small></p>"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "work": self.work,
            "kind": self.kind,
            "sentence": self.sentence,
            "waiting": round(self.waiting, 3),
            "computing": round(self.computing, 3),
            "gil_held": round(self.gil_held, 3) if self.gil else None,
            "service_p50_ms": round(self.service.p50_ms, 3),
            "first_ms": round(self.first_ms, 3),
            "hold_ms": round(self.hold_ms, 3),
            "payload_us": round(self.payload_us, 1) if self.can_go else None,
            "answer_us": round(self.answer_us, 1) if self.can_go else None,
            "why_not": self.why_not or None,
        }


def diagnose(work: Work, *, limit_s: float = LIMIT_S, seed: int = 0) -> Diagnosis:
    """Find out what kind of work a function is; in about two seconds, or three calls where they take longer.

    Args:
        work: such as ``lab.call(function, payloads=[...])``.
        limit_s: of any one measurement.
        seed: of the payloads.

    Raises:
        WorkloadError: a call raises, or does not return in time; the work is a mix, whose kinds are diagnosed one by
            one.
    """
    if isinstance(work, Mix):
        kinds = ", ".join(work.kinds)
        raise WorkloadError(f"a mix is diagnosed kind by kind ({kinds}): give lab.diagnose the work of one of them")
    if work.place is not None:
        return work.place.run(diagnose, work, limit_s=limit_s, seed=seed)
    payloads = tuple(work.make_payloads(PAYLOADS, seed))

    def timed(measurement: Callable[[], T]) -> T:
        return call_within(limit_s, work.name, measurement)

    gil = environment.gil()
    first = timed(lambda: _first(work, payloads[0]))
    # A call that takes long is none to repeat: the first has told as much.
    alone = first.alone if first.ms >= LONG_MS else timed(lambda: _alone(work, payloads))
    held, hold_ms, waits_ms = 0.0, 0.0, [0.0]
    if gil:
        # Here, and not on the thread that may never return: it is put back in any case.
        with switch_interval(UNDISTURBED_S):
            held, _, _ = timed(lambda: _beside(work, payloads, limit_s))
        _, waits_ms, calls = timed(lambda: _beside(work, payloads, limit_s))
        hold_ms = _typical_hold_ms(waits_ms, calls) if held > LEAST else 0.0
    payload_us, answer_us, why_not = _sending(work, payloads[0], first.answer)
    return Diagnosis(
        work=work.name,
        kind=kind_of(alone.waiting, held),
        waiting=alone.waiting,
        computing=1 - alone.waiting,
        gil_held=held,
        service=Distribution.of(np.array(alone.calls_ms)),
        first_ms=first.ms,
        other_thread_waits=Distribution.of(np.array(waits_ms)),
        hold_ms=hold_ms,
        switch_interval_ms=sys.getswitchinterval() * 1000,
        payload_us=payload_us,
        answer_us=answer_us,
        why_not=why_not,
        cores=environment.cores(),
        gil=gil,
        accounted=alone.accounted,
    )


def kind_of(waiting: float, held: float) -> str:
    """The kind, of two shares. Who holds the GIL holds it, whether computing or waiting."""
    if held >= MOST:
        return HOLDS
    if held <= LEAST and waiting >= MOST:
        return WAITS
    if held <= LEAST and waiting <= LEAST:
        return RELEASES
    return MIXED


@dataclass(frozen=True)
class _Alone:
    """Calls with nothing beside them: ms of each, the share of waiting, whether the kernel told that share."""

    calls_ms: list[float]
    waiting: float
    accounted: bool


@dataclass(frozen=True)
class _First:
    ms: float
    answer: dict[str, Any]
    alone: _Alone


def _first(work: Work, payload: Any) -> _First:
    answers: list[dict[str, Any]] = []

    def call(calls_ms: list[float]) -> None:
        answers.append(Calculation(work.function)({"id": 0, "payload": payload}))
        calls_ms.append((answers[0]["end_ns"] - answers[0]["start_ns"]) / clock.NS_PER_MS)

    alone = _accounted(call)
    if "error" in answers[0]:
        raise WorkloadError(f"{work.name} failed when it was diagnosed: {answers[0]['error']}")
    return _First(alone.calls_ms[0], answers[0], alone)


def _alone(work: Work, payloads: Sequence[Any]) -> _Alone:
    return _accounted(lambda calls_ms: _call(work, payloads, calls_ms))


def _accounted(calls: Callable[[list[float]], None]) -> _Alone:
    calls_ms: list[float] = []
    with CpuAccount() as account:
        idle_ns, cpu_ns = account.idle_ns(), clock.thread_cpu_ns()
        calls(calls_ms)
        idle_ns, cpu_ns = max(0, account.idle_ns() - idle_ns), clock.thread_cpu_ns() - cpu_ns
    return _Alone(calls_ms, idle_ns / max(1, idle_ns + cpu_ns), account.is_complete)


def _call(work: Work, payloads: Sequence[Any], calls_ms: list[float]) -> None:
    """Call until there are enough: one after the other, with nothing in between."""
    began_ns = before_ns = clock.now_ns()
    while True:
        work.function(payloads[len(calls_ms) % len(payloads)])
        now_ns = clock.now_ns()
        calls_ms.append((now_ns - before_ns) / clock.NS_PER_MS)
        before_ns = now_ns
        passed_s = (now_ns - began_ns) / clock.NS_PER_S
        if passed_s >= LONGEST_S or (len(calls_ms) >= CALLS and passed_s >= SHORTEST_S):
            return


def _beside(work: Work, payloads: Sequence[Any], limit_s: float) -> tuple[float, list[float], int]:
    """Of another thread: the share of time in which it could not have the GIL, its waits in ms; and how many calls."""
    calls_ms: list[float] = []
    with Probe(limit_s) as probe:
        _call(work, payloads, calls_ms)
    return probe.held, probe.waits_ms, len(calls_ms)


def _typical_hold_ms(waits_ms: Sequence[float], calls: int) -> float:
    """Of the longest waits, as many as there were calls, the lower quartile: noise only adds."""
    longest = sorted(waits_ms, reverse=True)[:calls]
    return longest[round(0.75 * (len(longest) - 1))] if longest else 0.0


def _sending(work: Work, payload: Any, answer: dict[str, Any]) -> tuple[float, float, str]:
    """What pickling costs in us, and why it cannot be done."""
    import cloudpickle

    try:
        require_picklable(work)
    except NotPicklable as error:
        return float("nan"), float("nan"), str(error).partition(" cannot be sent to another process ")[2] or str(error)
    costs = []
    for value in ({"id": 0, "payload": payload}, answer):
        best_ns = min(_pickled_ns(cloudpickle, value) for _ in range(9))
        costs.append(best_ns / 1000)
    return costs[0], costs[1], ""


def _pickled_ns(pickler: Any, value: Any) -> int:
    before_ns = clock.now_ns()
    pickler.loads(pickler.dumps(value))
    return clock.now_ns() - before_ns
