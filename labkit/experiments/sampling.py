"""The calls that a diagnosis makes: few, counted, each with a payload that was not used before where there is one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import psutil

from labkit.base import clock
from labkit.base.cpu import living_ns
from labkit.base.errors import WorkloadError
from labkit.base.time_limit import call_within
from labkit.experiments import apart, at_once, kinds
from labkit.experiments.at_once import GREENLETS, PROCESSES, AtOnce, Span
from labkit.experiments.gil_probe import UNDISTURBED_S, Probe
from labkit.plan import modes, state
from labkit.plan.calibration import Expected
from labkit.plan.calls import Call, Caller, key_of
from labkit.plan.work import Calculation, Work
from labkit.server.steady import switch_interval

#: One after the other: until so many ms are filled, at most so many calls.
ENOUGH_MS, MOST_ALONE, MOST_BESIDE, FEW_BESIDE = 50.0, 5, 5, 2

#: The lab's own work costs nothing but time, so that a quick one may be called until the time is filled.
MOST_OWN = 200

#: At the same time: so many calls of work that waits, by what one takes; of long work fewer, since a lock adds them up.
BY_LENGTH_MS = ((250.0, 8), (1000.0, 4), (math.inf, 2))

#: A call of so many ms is not repeated to find out more.
LONG_MS = 1000.0

#: In processes: so many are enough to see whether processes wait for each other.
IN_PROCESSES = 2

#: A first call so many times longer than the others warms up: a new process is called twice, and the second counts.
WARMS_UP = 2.0

#: Payloads cost alike if none takes so many times as long as another.
ALIKE = 1.5

#: A probe that had less than this to see, or a core for less, says nothing of the GIL.
TELLING_MS = 0.3


@dataclass(frozen=True)
class Alone:
    """What calls with nothing beside them say."""

    calls: tuple[Call, ...]

    @property
    def counted(self) -> list[Call]:
        """Those that say what a call costs: not the very first, which may warm up, nor a payload that came again."""
        first: dict[str, Call] = {}
        for call in self.calls:
            first.setdefault(call.key, call)
        return list(first.values())[1:] or list(self.calls[-1:])

    @property
    def ms(self) -> float:
        """What a call takes, in ms, queues for a core left aside; the median."""
        return median(call.undisturbed_ms for call in self.counted)

    @property
    def cpu_ms(self) -> float:
        """The CPU time of its thread, in ms; the median."""
        return median(call.cpu_ms for call in self.counted)

    @property
    def waiting(self) -> float:
        """The share of its time in which its thread neither computes nor queues for a core."""
        return self._share(sum(call.waiting_ms for call in self.counted))

    @property
    def others(self) -> float:
        """CPU time of other threads over the time of the calls."""
        return self._share(sum(call.others_ms for call in self.counted))

    @property
    def children(self) -> float:
        """CPU time of children that ended over the time of a call; of the call in which they queued the least."""
        return max(call.children_ms / call.undisturbed_ms for call in self.calls)

    @property
    def accounted(self) -> bool:
        """Whether the system told waiting from queueing."""
        return all(call.accounted for call in self.calls)

    @property
    def warms_up(self) -> bool:
        """Whether the first call took far longer than the others."""
        return self.calls[0].undisturbed_ms > WARMS_UP * self.ms

    def _share(self, ms: float) -> float:
        return ms / sum(call.undisturbed_ms for call in self.counted)


@dataclass(frozen=True)
class Beside:
    """What a thread that asks for the GIL saw: its share of refusals, and how long it waited at once.

    Attributes:
        held: the share of the time in which it could not have the GIL.
        hold_ms: how long it waits at once, typically.
        waits_ms: every wait.
    """

    held: float
    hold_ms: float
    waits_ms: tuple[float, ...]


@dataclass(frozen=True)
class Shot:
    """Calls at once, with what was seen beside them.

    Attributes:
        found: the calls.
        held: the share of the time in which another thread could not have the GIL.
        children: CPU time of child processes that live on, over the time that the calls take alone.
    """

    found: AtOnce
    held: float
    children: float


class Sampling:
    """Calls of one work, for its diagnosis.

    Args:
        work: which.
        expected: of a calibration, whose calls count as made.
        limit_s: of any one measurement.
        seed: of the payloads.

    Attributes:
        calls: how many were made here.
        repeats: payloads had to be used again, since there are no others.
        state: what the calls say of a state that the work keeps.
    """

    def __init__(self, work: Work, expected: Expected | None, limit_s: float, seed: int) -> None:
        self.work, self._limit_s, self._seed = work, limit_s, seed
        self._function = Calculation(work.function)
        self._expected = expected if expected is not None and expected.calls else None
        planned = () if self._expected is None else self._expected.payloads
        self._used = {key_of(payload): payload for payload in planned}
        self.payload: Any = planned[0] if planned else None  # one of them, as a run would send it
        self.calls = 0
        self.repeats = False
        self.state: tuple[str, ...] = ()
        self.alone = self._called_alone()

    def _called_alone(self) -> Alone:
        if self._expected is not None:
            self.state = self._expected.state
            self.answer: Any = self._expected.answers[0]
            return Alone(self._expected.calls)
        caller = Caller(self.work, self._limit_s)
        answers = [self._called(caller)]
        while not self._enough(caller.calls):
            answers.append(self._called(caller))
        self.answer = answers[0].get("result")
        self.payload = next(iter(self._used.values()))
        if caller.calls[0].ms < LONG_MS and not self.work.echoes:
            again = self._again(caller, 0)
            if state.looks_cached(caller.calls[0], caller.calls[-1]) and len(answers) > 1:
                self._again(caller, len(answers) - 1)
            self.state = state.found(caller.calls, alike=again.get("result") == self.answer)
        return Alone(tuple(caller.calls))

    def _called(self, caller: Caller) -> dict[str, Any]:
        (payload,) = self.fresh(1)
        answer = caller(payload)
        self.calls += 1
        if "error" in answer and len(caller.calls) == 1:
            raise WorkloadError(f"{self.work.name} failed when it was diagnosed: {answer['error']}")
        return answer

    def _again(self, caller: Caller, number: int) -> dict[str, Any]:
        self.calls += 1
        return caller(list(self._used.values())[number % len(self._used)])

    def _enough(self, calls: Sequence[Call]) -> bool:
        filled = sum(call.ms for call in calls[1:]) >= ENOUGH_MS
        return calls[0].ms >= LONG_MS or filled or len(calls) >= self._most(MOST_ALONE)

    def _most(self, of_readers: int) -> int:
        return of_readers if self.work.kind == "call" else MOST_OWN

    def fresh(self, count: int) -> list[Any]:
        """Payloads that neither a run nor a call has used, where there are any."""
        found: dict[str, Any] = {}
        for payload in self.work.make_payloads(len(self._used) + count, self._seed):
            if (key := key_of(payload)) not in self._used and len(found) < count:
                found[key] = payload
        self._used |= found
        missing = count - len(found)
        self.repeats |= missing > 0
        again = list(self._used.values())
        return [*found.values(), *(again[number % len(again)] for number in range(missing))]

    def beside(self) -> Beside:
        """Call beside a thread that asks for the GIL.

        The share is found with nobody interrupted: on a busy machine a thread that has just got the GIL keeps it while
        the other has no core. How long it waits at once is found as Python has it, and only of work that holds the GIL.
        """
        # Here, and not on the thread that may never return: it is put back in any case.
        with switch_interval(UNDISTURBED_S):
            undisturbed = self._beside()
        if undisturbed.held <= kinds.LEAST:
            return undisturbed
        return replace(self._beside(FEW_BESIDE), held=undisturbed.held)

    def _beside(self, of_readers: int = MOST_BESIDE) -> Beside:
        most = self._most(of_readers)
        payloads = self.fresh(min(most, max(1, math.ceil(ENOUGH_MS / self.alone.ms))))
        self.calls += len(payloads)
        answers: list[dict[str, Any]] = []

        def call_all() -> Probe:
            with Probe(self._limit_s, whole=False) as probe:
                probe.work_begins()
                answers.extend(self._function({"id": 0, "payload": payload}) for payload in payloads)
            return probe

        probe = call_within(self._limit_s, self.work.name, call_all)
        # So quick, or on so busy a machine, that the probe saw nothing: what computes is then taken for Python.
        held = probe.held if probe.seen_ns >= TELLING_MS * clock.NS_PER_MS else 1 - self.alone.waiting
        # Who holds the GIL and has no core holds it for longer: so much longer as the calls took than alone.
        took_ms = sum(answer["end_ns"] - answer["start_ns"] for answer in answers) / len(answers) / clock.NS_PER_MS
        stretched = max(1.0, took_ms / self.alone.ms)
        return Beside(held, typical_hold_ms(probe.waits_ms) / stretched, tuple(probe.waits_ms))

    def at_once(self, where: str, count: int, real: bool = False, retry: bool = True) -> Shot:
        """Calls at the same time, on threads or greenlets.

        Args:
            where: ``threads`` or ``greenlets``.
            count: how many.
            real: threads are those of gevent's pool.
            retry: should some fail, make two more, with payloads that are known to work alone.
        """
        fire = at_once.on_greenlets if where == GREENLETS else at_once.on_hub_threads if real else at_once.on_threads
        shot = self._fired(fire, where, *self._like(count))
        if retry and shot.found.failed and self._known():
            shot = self._fired(fire, where, *self._again_like(min(count, 2)))
        return shot

    def _fired(self, fire: Callable[..., list[Span]], where: str, payloads: list[Any], alone_ms: list[float]) -> Shot:
        self.calls += len(payloads)
        idle, began_ns, living = _idle_s(), clock.now_ns(), living_ns()
        with Probe(self._limit_s) as probe:
            spans = fire(self._function, payloads, self._limit_s, self.work.name)
        passed_s = (clock.now_ns() - began_ns) / clock.NS_PER_S
        children = (living_ns() - living) / clock.NS_PER_MS / sum(alone_ms)
        self.answer = spans[0].answer.get("result", self.answer)
        # A greenlet's CPU time cannot be told from that of the others on its thread.
        cpu_ms = math.inf if where == GREENLETS else self.alone.cpu_ms
        found = at_once.judged(where, spans, alone_ms, cpu_ms=cpu_ms)
        return Shot(replace(found, idle=max(0.0, _idle_s() - idle) / passed_s), probe.held, max(0.0, children))

    def in_processes(self) -> AtOnce | None:
        """Calls at the same time in processes of their own; None where they did not begin together."""
        each = 2 if self.alone.warms_up else 1
        payloads, alone_ms = self._like(each * IN_PROCESSES)
        self.calls += len(payloads)
        groups = [payloads[i::IN_PROCESSES] for i in range(IN_PROCESSES)]
        idle, began_ns = _idle_s(), clock.now_ns()
        spans, together = apart.in_processes(self._function, groups, self._limit_s, self.work.name)
        passed_s = (clock.now_ns() - began_ns) / clock.NS_PER_S
        found = at_once.judged(PROCESSES, spans, alone_ms[-IN_PROCESSES:], cpu_ms=self.alone.cpu_ms)
        return replace(found, idle=max(0.0, _idle_s() - idle) / passed_s) if together else None

    def _like(self, count: int) -> tuple[list[Any], list[float]]:
        """Payloads with what each takes alone: new ones where all cost alike, else those of which it is known."""
        costs = [call.cost_ms for call in self.alone.counted]
        if max(costs) > ALIKE * min(costs) and not self.state and len(self._known()) >= 2:
            return self._again_like(count)
        return self.fresh(count), [self.alone.ms] * count

    def _again_like(self, count: int) -> tuple[list[Any], list[float]]:
        known = self._known()
        self.repeats = True
        chosen = [known[number % len(known)] for number in range(count)]
        return [payload for payload, _ in chosen], [ms for _, ms in chosen]

    def _known(self) -> list[tuple[Any, float]]:
        """Payloads that were called alone, with what they took."""
        counted = self.alone.counted
        return [(self._used[call.key], call.undisturbed_ms) for call in counted if call.key in self._used]


def typical_hold_ms(waits_ms: Sequence[float]) -> float:
    """How long a wait is, where longer ones and shorter ones make up half of all waiting each.

    Of one hold in one go it is that hold; a single stall among many short ones is none.
    """
    half, above = sum(waits_ms) / 2, 0.0
    for wait in sorted(waits_ms, reverse=True):
        above += wait
        if above >= half:
            return wait
    return 0.0


def most_calls(mode: str = "threading", *, calibrated: bool = True) -> int:
    """How often a diagnosis calls a function of the reader's, at most; mostly it is five to ten times.

    Args:
        mode: of which it is to speak.
        calibrated: the calls of a calibration are given, which has an account of its own.
    """
    alone = 0 if calibrated else MOST_ALONE + 2
    at_once = 2 * BY_LENGTH_MS[0][1]  # the second time where the first is not clear
    pair = 4 if modes.has_greenlets(mode) else 0
    return alone + MOST_BESIDE + FEW_BESIDE + at_once + pair + 2 * IN_PROCESSES


def calls_when_waiting(ms: float) -> int:
    """How many calls at once tell enough of work that takes so long and waits."""
    return next(count for below_ms, count in BY_LENGTH_MS if ms < below_ms)


def _idle_s() -> float:
    """Seconds that the machine's cores had nothing to do, since it began."""
    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))
