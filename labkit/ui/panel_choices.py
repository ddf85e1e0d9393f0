"""What a reader chooses in the control panel: the same as values, as a sentence where it can't go together, as code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import LabError, UsageError
from labkit.experiments.compare import Ordered, ordered
from labkit.plan import schedules, work
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work

#: The kinds of work, in the order of the lab, with what people read.
KINDS: Mapping[str, str] = {
    "cpu": "computes (cpu)",
    "io_wait": "waits (io_wait)",
    "cpu_nogil": "computes without the GIL (cpu_nogil)",
}

#: The plans, with what people read. Those after the first have a rate.
PLANS: Mapping[str, str] = {
    "burst": "all at once (burst)",
    "constant": "evenly spaced (constant)",
    "poisson": "random arrivals (poisson)",
}


@dataclass(frozen=True)
class Choices:
    """A comparison that has not been measured yet.

    Attributes:
        strategies: by name.
        mode: how the server runs: one of :data:`labkit.plan.modes.MODES`.
        kind: of work: one of :data:`KINDS`.
        work_ms: its size.
        plan: one of :data:`PLANS`.
        events: how many.
        rate_hz: events per second over all clients; a burst has none.
        connections: clients that send, in turn.
        repeats: runs of each strategy.
    """

    strategies: tuple[str, ...] = ("inline", "thread", "process-pool")
    mode: str = "threading"
    kind: str = "cpu"
    work_ms: float = 100
    plan: str = "burst"
    events: int = 10
    rate_hz: float = 20
    connections: int = schedules.CLIENTS
    repeats: int = 3

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("plan", self.plan, PLANS)):
            if value not in known:
                raise UsageError(f"{name} is {value!r}: choose from {', '.join(known)}")

    @property
    def work(self) -> Work:
        """What an event costs; WorkloadError if that makes no sense."""
        make: Callable[..., Work] = getattr(work, self.kind)
        return make(ms=self.work_ms)

    @property
    def schedule(self) -> Schedule:
        """What is sent when; ScheduleError if it cannot be fired."""
        make: Callable[..., Schedule] = getattr(schedules, self.plan)
        return make(**self._plan_arguments)

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of ``lab.compare``: the repeats, and the mode where it is not the usual one."""
        return {"repeats": self.repeats} | ({} if self.mode == "threading" else {"mode": self.mode})

    @property
    def runs(self) -> int:
        """How many runs that makes."""
        return len(self.strategies) * self.repeats

    @property
    def run_s(self) -> float:
        """About how long one run takes, in seconds: the plan's span, and the work of one server; not its start."""
        return self.schedule.span_s + self.events * self.work_ms / 1000

    def ordered(self) -> Ordered:
        """What will be measured, in which order; LabError if it cannot be. The work is not called."""
        return ordered(self.strategies, self.work, self.schedule, **self.settings)

    @property
    def problem(self) -> str:
        """Why this cannot be measured, in a sentence; empty if it can."""
        try:
            self.ordered()
        except LabError as error:
            return str(error)
        return ""

    @property
    def _plan_arguments(self) -> dict[str, Any]:
        rate = {} if self.plan == "burst" else {"rate_hz": self.rate_hz}
        # The plan's own default makes do with as many clients as there are events.
        clients = {} if self.connections == schedules.CLIENTS else {"connections": self.connections}
        return {**rate, "events": self.events, **clients}

    @property
    def code(self) -> str:
        """The same as a notebook's cell: measure, draw, show the table."""
        names = ", ".join(f'"{name}"' for name in self.strategies)
        lines = [
            f"[{names}],",
            f"lab.{self.kind}(ms={_literal(self.work_ms)}),",
            f"lab.{self.plan}({_written(self._plan_arguments)}),",
            f"{_written(self.settings)},",
        ]
        body = "\n".join(f"    {line}" for line in lines)
        return (
            "import labkit as lab\nfrom labkit import plots\n\n"
            f"result = lab.compare(\n{body}\n)\n"
            "figure = plots.overview(result)\nresult\n"
        )


def _written(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_literal(value)}" for name, value in arguments.items())


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    whole = isinstance(value, float) and value.is_integer()  # a widget's 100.0 is what people write as 100
    return repr(int(value) if whole else value)
