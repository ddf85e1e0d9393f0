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
from dataclasses import replace
from typing import Any

import numpy as np

from labkit.base import clock, real_threads
from labkit.base.errors import NotPicklable, UsageError, WorkloadError
from labkit.base.time_limit import LIMIT_S
from labkit.experiments import follows
from labkit.experiments.at_once import GREENLETS, PROCESSES, QUICKEST_MS, THREADS, AtOnce
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.kinds import ELSEWHERE, HOLDS, LEAST, MIXED, MOST, WAITS, kind_of
from labkit.experiments.sampling import LONG_MS, Beside, Sampling, Shot, calls_when_waiting
from labkit.plan import modes
from labkit.plan.calibration import Expected
from labkit.plan.mix import Mix
from labkit.plan.work import Work, require_picklable
from labkit.runs import environment
from labkit.runs.summary import Distribution


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
