"""Calls of the work with nothing beside them, and an account of every one: a call may cost money, or send a mail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.base import clock
from labkit.base.cpu import CpuAccount, ended_ns, others_ns
from labkit.base.time_limit import LIMIT_S, call_within
from labkit.plan import wire
from labkit.plan.work import Calculation, Work


@dataclass(frozen=True)
class Call:
    """One call with nothing beside it.

    Attributes:
        key: its payload, as JSON.
        ms: how long it took.
        cpu_ms: CPU time of its own thread.
        queued_ms: how long that thread was ready to run and had no core; 0 where the system does not say.
        others_ms: CPU time of the process's other threads meanwhile.
        children_ms: CPU time of its child processes that ended meanwhile.
        accounted: the system told waiting from queueing.
    """

    key: str
    ms: float
    cpu_ms: float
    queued_ms: float = 0.0
    others_ms: float = 0.0
    children_ms: float = 0.0
    accounted: bool = True

    @property
    def undisturbed_ms(self) -> float:
        """How long it would have taken on a machine with a core to spare."""
        return max(self.ms - self.queued_ms, self.cpu_ms, 1e-6)

    @property
    def cost_ms(self) -> float:
        """The same, for telling payloads apart: of work that others compute, their CPU time, which queues elsewhere."""
        elsewhere_ms = self.others_ms + self.children_ms
        return self.cpu_ms + elsewhere_ms if elsewhere_ms > self.undisturbed_ms / 2 else self.undisturbed_ms

    @property
    def waiting_ms(self) -> float:
        """How long its thread neither computed nor queued for a core."""
        return max(0.0, self.undisturbed_ms - self.cpu_ms)


class Caller:
    """Calls a work, one call after the other, and keeps the account.

    Args:
        work: which.
        limit_s: of one call, where it is a function of the reader's.
        calculation: what is called in place of the work's own function in its wrapper.

    Attributes:
        calls: every call that was made, in order.
    """

    def __init__(
        self,
        work: Work,
        limit_s: float = LIMIT_S,
        calculation: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self._work = work
        self._limit_s = limit_s
        self._calculation = calculation or Calculation(work.function)
        self.calls: list[Call] = []

    def __call__(self, payload: Any) -> dict[str, Any]:
        """The answer to one payload, with the work's own stamps.

        Raises:
            WorkloadError: a function of the reader's has not returned in time.
        """

        def made() -> dict[str, Any]:
            with CpuAccount() as account:
                before_ns = account.ready_ns(), others_ns(), ended_ns()
                answer = self._calculation({"id": 0, "payload": payload})
                after_ns = account.ready_ns(), others_ns(), ended_ns()
                queued, others, ended = (now - then for then, now in zip(before_ns, after_ns, strict=True))
                self.calls.append(
                    Call(
                        key_of(payload),
                        (answer["end_ns"] - answer["start_ns"]) / clock.NS_PER_MS,
                        answer["cpu_ns"] / clock.NS_PER_MS,
                        max(0, queued) / clock.NS_PER_MS,
                        max(0, others) / clock.NS_PER_MS,
                        max(0, ended) / clock.NS_PER_MS,
                        account.is_complete,
                    )
                )
                return answer

        name = f"{self._work.name} on {short(payload)}"
        return call_within(self._limit_s, name, made) if self._work.kind == "call" else made()


def key_of(payload: Any) -> str:
    """By which two payloads are the same."""
    return wire.text(payload)


def short(payload: Any) -> str:
    """A payload within a sentence."""
    text = wire.text(payload)
    return text if len(text) < 80 else text[:77] + "..."
