"""What kind of work a function is, measured: does it wait or compute, does it let others run, how many get on at once?

1. Alone, one call after the other: how much of its time it waits (neither on a core nor in the queue for one), how much
   it computes, and how much its child processes and other threads compute for it. The calls that calibration made tell
   this already.
2. Beside a thread that asks for the GIL all the time: the share of time in which the GIL is *held*, in Python code or
   in C code that does not release it, and for how long at once. Python code gives way after an interval (5 ms by
   default); C code only when it returns, which is the trap of ``sorted``, ``json.dumps`` or ``re``.
3. Several calls at the same time, on threads (under gevent, in greenlets and on real threads): whether they wait for
   each other, for a lock, a pool of connections, a device, the GIL.
4. Where they do, the same in two processes.

Nothing is guessed from names or sources. A call may cost money or send a mail, so there are few: at most
:func:`labkit.experiments.sampling.most_calls`, mostly five to ten, and `calls` of a diagnosis says how many.
"""

import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labkit.base import clock, real_threads
from labkit.base.errors import NotPicklable, UsageError, WorkloadError
from labkit.base.text import about, milliseconds, times
from labkit.base.time_limit import LIMIT_S
from labkit.experiments import follows
from labkit.experiments.at_once import GREENLETS, PROCESSES, QUICKEST_MS, THREADS, AtOnce
from labkit.experiments.kinds import ELSEWHERE, HOLDS, LEAST, MIXED, MOST, WAITS, kind_of
from labkit.experiments.sampling import LONG_MS, Beside, Sampling, Shot, calls_when_waiting
from labkit.plan import modes
from labkit.plan.calibration import Expected
from labkit.plan.mix import Mix
from labkit.plan.work import Work, require_picklable
from labkit.runs import environment
from labkit.runs.summary import Distribution, supported

#: A hold of so many switch intervals in one go is no Python code: that gives way after one.
INTERVALS = 4

#: A first call that took so many times longer than those after it warmed something up.
WARMED_UP = 5


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
        mode: of which it speaks, one of :data:`labkit.plan.modes.MODES`.
        others, children: CPU time of other threads of the process, and of child processes, as shares of a call's time.
        at_once: calls that were made at the same time, where any were.
        state: what it keeps from call to call, as far as its calls show it, a sentence each; empty where they show
            nothing.
        calls: how often it was called for all this; the calls of a calibration that was given are not counted.
        doubts: what could not be told, and why, a line each.
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
    mode: str = "threading"
    others: float = 0.0
    children: float = 0.0
    at_once: tuple[AtOnce, ...] = ()
    state: tuple[str, ...] = ()
    calls: int = 0
    doubts: tuple[str, ...] = field(default=(), repr=False)

    @property
    def cpu_ms(self) -> float:
        """CPU of a call, in ms, that of its child processes included; the mean."""
        return self.cores_used * self.service.mean_ms

    @property
    def cores_used(self) -> float:
        """How many cores a call keeps busy while it lasts."""
        return self.computing + self.others + self.children

    @property
    def in_children(self) -> bool:
        """Whether it is child processes that compute."""
        return self.children > ELSEWHERE and self.children > self.computing + self.others

    @property
    def has_greenlets(self) -> bool:
        """Whether handlers are greenlets of one thread in this mode."""
        return modes.has_greenlets(self.mode)

    @property
    def has_loop(self) -> bool:
        """Whether handlers run on an event loop in this mode."""
        return modes.MODES[self.mode].is_asynchronous

    def on(self, where: str) -> AtOnce | None:
        """The calls at once there, or None: :data:`labkit.experiments.at_once.THREADS` and so on."""
        return next((each for each in self.at_once if each.where == where), None)

    @property
    def blocks_hub(self) -> bool:
        """Whether it does not give way to gevent's hub, as far as was seen; who computes does not."""
        greenlets = self.on(GREENLETS)
        return self.has_greenlets and (greenlets is None or greenlets.blocked)

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
        return follows.sentence(self)

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
            hint = "open files, locks and connections inside the function"
            lines.append(f"to another process: not as it is; {self.why_not}: {hint}")
        if self.first_ms > WARMED_UP * max(self.service.p50_ms, 1):
            lines.append(f"its first call took {milliseconds(self.first_ms)} ms: it warms up, or keeps answers")
        if self.at_once:
            lines.append("at once: " + "; ".join(_shown(each) for each in self.at_once if each.calls))
        if not self.accounted:
            lines.append("this system does not tell waiting for a core from waiting for the GIL: repeat on an idle one")
        lines += [f"state: {told}" for told in self.state]
        lines += self.doubts
        if self.calls:
            lines.append(f"called {self.calls} times to find this out")
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
            "mode": self.mode,
            "cores_used": round(self.cores_used, 3),
            "at_once": [
                {
                    "where": o.where,
                    "calls": o.calls,
                    "width": o.width,
                    "gain": round(o.gain, 2),
                    "failed": o.failed or None,
                }
                for o in self.at_once
            ],
            "state": list(self.state),
            "calls": self.calls,
        }


def diagnose(
    work: Work,
    *,
    mode: str = "threading",
    expected: Expected | None = None,
    limit_s: float = LIMIT_S,
    seed: int = 0,
) -> Diagnosis:
    """Find out what kind of work a function is, in the process in which it will run.

    It takes up to about 2.5 s for a function of 100 ms, and 8 s for one of 2 s.

    Args:
        work: such as ``lab.call(function, payloads=[...])``.
        mode: of which it shall speak. For gevent, from within a process that gevent has patched, as the server of that
            mode is one.
        expected: of an earlier calibration, whose calls are not made again, and whose payloads are not used again where
            there are others.
        limit_s: of any one measurement.
        seed: of the payloads.

    Raises:
        UsageError: there is no such mode.
        MissingExtra: a package that the mode needs is absent.
        WorkloadError: a call raises, or does not return in time; the work is a mix, whose kinds are diagnosed one by
            one.
    """
    if isinstance(work, Mix):
        kinds = ", ".join(work.kinds)
        raise WorkloadError(f"a mix is diagnosed kind by kind ({kinds}): give lab.diagnose the work of one of them")
    if mode not in modes.MODES:
        raise UsageError(f"unknown mode {mode!r}: choose from {', '.join(modes.MODES)}")
    modes.MODES[mode].require()
    if work.place is not None:
        return work.place.run(diagnose, work, mode=mode, expected=expected, limit_s=limit_s, seed=seed)
    sampling = Sampling(work, expected, limit_s, seed)
    found = _seen(work, mode, sampling)
    if not _is_processes_turn(found, sampling.alone.ms):
        return found
    try:
        apart = sampling.in_processes()
    except (WorkloadError, OSError) as error:  # the latter where no process can be started
        apart = AtOnce(PROCESSES, 0, 0, 0.0, str(error))
    tried = (*found.at_once, apart) if apart is not None else found.at_once
    return replace(found, at_once=tried, calls=sampling.calls)


def _seen(work: Work, mode: str, sampling: Sampling) -> Diagnosis:
    """Everything but what processes do."""
    gil, alone = environment.gil(), sampling.alone
    shots, beside = _observed(sampling, gil, modes.has_greenlets(mode))
    held = beside.held if gil else 0.0
    children = alone.children + max((shot.children for shot in shots), default=0.0)
    payload_us, answer_us, why_not = _sending(work, sampling)
    return Diagnosis(
        work=work.name,
        kind=kind_of(alone.waiting, held, alone.others + children),
        waiting=alone.waiting,
        computing=1 - alone.waiting,
        gil_held=held,
        service=Distribution.of(np.array([call.ms for call in alone.counted])),
        first_ms=alone.calls[0].ms,
        other_thread_waits=Distribution.of(np.array(beside.waits_ms or (0.0,))),
        hold_ms=beside.hold_ms if held > LEAST else 0.0,
        switch_interval_ms=sys.getswitchinterval() * 1000,
        payload_us=payload_us,
        answer_us=answer_us,
        why_not=why_not,
        cores=environment.cores(),
        gil=gil,
        accounted=alone.accounted,
        mode=mode,
        others=alone.others,
        children=children,
        at_once=tuple(shot.found for shot in shots),
        state=sampling.state,
        calls=sampling.calls,
        doubts=_doubts(sampling, shots, mode),
    )


def _is_processes_turn(found: Diagnosis, alone_ms: float) -> bool:
    """Whether threads were seen, or are bound, to wait for each other, and processes can be tried."""
    if alone_ms < QUICKEST_MS or not found.can_go or found.cores == 1:
        return False
    return found.gil_held > LEAST or follows.is_one_at_a_time(found)


def _observed(sampling: Sampling, gil: bool, greenlets: bool) -> tuple[list[Shot], Beside]:
    """Calls at once, and what a thread that asks for the GIL saw beside them, or beside single calls.

    Where its thread mostly waits, the calls at once tell both: it takes none besides.
    """
    alone = sampling.alone
    if alone.waiting < MOST or alone.ms < QUICKEST_MS:
        beside = sampling.beside() if gil else Beside(0.0, 0.0, ())
        kind = kind_of(alone.waiting, beside.held, alone.others + alone.children)
        return _shots(sampling, _calls_at_once(sampling, kind), greenlets, beside.held > LEAST), beside
    shots = _shots(sampling, _calls_at_once(sampling, WAITS), greenlets)
    held = max(shot.held for shot in shots)
    return shots, sampling.beside() if gil and held > LEAST else Beside(held, 0.0, ())


def _calls_at_once(sampling: Sampling, kind: str) -> int:
    """How many tell enough; 0 where none would."""
    alone, cores = sampling.alone, environment.cores()
    if alone.ms < QUICKEST_MS or (kind == HOLDS and alone.ms >= LONG_MS):
        return 0  # of the latter the GIL has told, and they would take as long as one after the other
    if kind == HOLDS:
        return 2
    most = calls_when_waiting(alone.ms)
    if kind == WAITS and alone.others + alone.children <= ELSEWHERE:
        return most
    if kind == WAITS:  # for a child that computes
        return min(most, max(2, cores))
    # Twice as many as there are cores, or they may have one of them, one after the other, and never meet.
    return min(most, 4 if kind == MIXED else 2 * max(2, cores))


def _shots(sampling: Sampling, count: int, greenlets: bool, holds: bool = False) -> list[Shot]:
    if not count:
        return []
    if not greenlets:
        return [_surely(sampling, THREADS, count, holds=holds)]
    if sampling.alone.waiting < LEAST:  # who computes does not give way
        return [_surely(sampling, THREADS, count, real=True, holds=holds)]
    # Two tell whether it gives way to the hub. Only then is it worth more.
    pair = sampling.at_once(GREENLETS, 2)
    if pair.found.blocked:
        return [pair, _surely(sampling, THREADS, count, real=True)]
    return [_surely(sampling, GREENLETS, count)] if count > 2 and not pair.found.one_at_a_time else [pair]


def _surely(sampling: Sampling, where: str, count: int, *, real: bool = False, holds: bool = False) -> Shot:
    """Calls at once; where some waited and some did not, one more than did not is tried: a pool makes it wait again."""
    shot = sampling.at_once(where, count, real)
    found = shot.found
    if found.failed:
        return shot
    if sampling.alone.waiting < MOST:
        if holds or not _one_at_a_time(found):
            return shot
        again = sampling.at_once(where, count, real, retry=False)
        return shot if _one_at_a_time(again.found) else again  # a busy machine looks like that at times, a lock always
    if found.all_at_once:
        return shot
    if found.one_at_a_time:
        return shot
    again = sampling.at_once(where, min(count, max(found.width, round(found.gain)) + 1), real, retry=False)
    if again.found.all_at_once:  # so it was a busy machine that made the others late
        return replace(again, found=replace(found, width=found.calls))
    return replace(again, found=replace(found, width=max(again.found.width, 2)))


def _one_at_a_time(found: AtOnce) -> bool:
    return found.one_at_a_time or found.kept_waiting


def _doubts(sampling: Sampling, shots: list[Shot], mode: str) -> tuple[str, ...]:
    doubts = [
        f"of {shot.found.calls} calls at once on {shot.found.where} some failed ({shot.found.failed})"
        for shot in shots
        if shot.found.failed
    ]
    if sampling.alone.ms < QUICKEST_MS:
        doubts.append("too quick to see whether calls at once wait for each other: none were made")
    if sampling.repeats:
        doubts.append("there are no other payloads, so calls at once repeat those of the run")
    if mode == "gevent" and not real_threads.is_patched():
        doubts.append("this process is not patched by gevent, so what a patched one does may be otherwise")
    return tuple(doubts)


def _shown(found: AtOnce) -> str:
    """Calls at once within a note."""
    return f"{found.calls} calls {_WHERE[found.where]} gained {times(found.gain)}, {found.width} got on together"


_WHERE = {"threads": "on threads", "greenlets": "in greenlets", "processes": "in processes"}


def _sending(work: Work, sampling: Sampling) -> tuple[float, float, str]:
    """What pickling costs in us, and why it cannot be done."""
    import cloudpickle

    try:
        require_picklable(work)
    except NotPicklable as error:
        return float("nan"), float("nan"), str(error.__cause__ or error)
    costs = []
    answer = {"id": 0, "result": sampling.answer, "start_ns": 0, "end_ns": 0, "cpu_ns": 0}
    for value in ({"id": 0, "payload": sampling.payload}, answer):
        best_ns = min(_pickled_ns(cloudpickle, value) for _ in range(9))
        costs.append(best_ns / 1000)
    return costs[0], costs[1], ""


def _pickled_ns(pickler: Any, value: Any) -> int:
    before_ns = clock.now_ns()
    pickler.loads(pickler.dumps(value))
    return clock.now_ns() - before_ns
