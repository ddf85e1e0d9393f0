"""What kind of work a function is, as :func:`labkit.diagnose` has found it: the figures, and what they say."""

from dataclasses import dataclass, field
from typing import Any

from labkit.base.text import about, milliseconds, times
from labkit.experiments import follows
from labkit.experiments.at_once import GREENLETS, AtOnce
from labkit.experiments.kinds import ELSEWHERE, LEAST
from labkit.plan import modes
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


def _shown(found: AtOnce) -> str:
    """Calls at once within a note."""
    return f"{found.calls} calls {_WHERE[found.where]} gained {times(found.gain)}, {found.width} got on together"


_WHERE = {"threads": "on threads", "greenlets": "in greenlets", "processes": "in processes"}
