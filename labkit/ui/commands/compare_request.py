"""What ``labkit compare`` was asked for, and which plan, work and strategies that means."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from labkit.base.errors import UsageError
from labkit.ui.commands import expecting, session

if TYPE_CHECKING:
    from labkit.experiments.offered import Offered
    from labkit.experiments.settings import Settings
    from labkit.plan.schedules import Schedule
    from labkit.plan.work import Work
    from labkit.strategies import Strategy

#: With --load: for how long events arrive, and from how many clients where nobody says.
SECONDS, CLIENTS = 5.0, 10


@dataclass(frozen=True)
class Request:
    """What was asked for, by the names of the options; None where an option was not given."""

    target: str | None
    events: int | None
    burst: int | None
    every: float | None
    rate: float | None
    poisson: bool
    load: float | None
    seconds: float | None
    strategies: str | None
    repeats: int | None
    connections: int | None
    mix: tuple[str, ...]
    apart: bool
    app: str | None
    data: str | None
    mode: str
    seed: int
    answers_differ: bool = False
    calls: bool = False
    ping_interval: float | None = None
    ping_timeout: float | None = None
    option: tuple[str, ...] = ()
    network: str | None = None
    expected: expecting.Asked = field(default_factory=expecting.Asked)

    def require_sense(self) -> None:
        """UsageError where options do not go together, or name what there is not."""
        if self.repeats is not None and self.repeats < 1:
            raise UsageError(f"--repeats must be 1 or more, not {self.repeats}")
        self._require_load()
        if self.poisson and self.rate is None:
            raise UsageError("--poisson needs --rate: give the mean events per second")
        if self.rate is not None and (self.burst is not None or self.every is not None):
            raise UsageError("--rate excludes --burst and --every: give one or the other")
        one_burst = self.burst is None or self.events is None or self.events <= self.burst
        if self.every is not None and one_burst:
            raise UsageError("--every is the time between two bursts: give --burst, and --events for several")
        if self.mix and (self.target, self.app, self.data) != (None, None, None):
            raise UsageError("--mix takes the place of TARGET, --app and --data: give one or the other")
        if self.apart and not self.mix:
            raise UsageError("--apart is about the kinds of a mix: give --mix")
        _ = self.load or self.plan, self.work, self.chosen, self.serving
        self.expected.require_sense([one.name for one in self.chosen])

    def _require_load(self) -> None:
        """UsageError where a load makes no sense, or stands beside what it decides itself."""
        from labkit.experiments.offered import require_load, require_seconds

        if self.load is None:
            if self.seconds is not None:
                raise UsageError("--seconds is how long a load lasts: give --load, or --events with --rate")
            return
        require_load(self.load, "--load")
        if self.seconds is not None:
            require_seconds(self.seconds, "--seconds")
        for name, given, instead in (
            ("--rate", self.rate, "the rate follows from the load and from what an event costs"),
            ("--burst", self.burst, "events arrive at random, not at once"),
            ("--every", self.every, "events arrive at random, not in bursts"),
            ("--events", self.events, "how many there are follows from the load; --seconds says for how long"),
        ):
            if given is not None:
                raise UsageError(f"--load excludes {name}: {instead}")
        if self.poisson:
            raise UsageError("--load excludes --poisson: its arrivals are random anyway")

    def offered(self, work: "Work") -> "Offered":
        """With --load: the plan that follows from it and from what an event of this work costs alone."""
        from labkit.experiments import offered

        assert self.load is not None
        clients = CLIENTS if self.connections is None else self.connections
        seconds = SECONDS if self.seconds is None else self.seconds
        return offered.offered(work, self.load, seconds=seconds, connections=clients, seed=self.seed)

    @cached_property
    def serving(self) -> "Settings":
        """How the servers are started: the mode, and what else was named."""
        from labkit.plan.link import Link
        from labkit.ui.commands.server_options import parsed

        beats = {"ping_interval_s": self.ping_interval, "ping_timeout_s": self.ping_timeout}
        for name, seconds in beats.items():
            if seconds is not None and not 0 < seconds < 1e6:
                raise UsageError(f"--{name[:-2].replace('_', '-')} must be above 0, not {seconds:g}")
        named: Settings = {"mode": self.mode, "options": parsed(self.option)}
        if self.network is not None:
            named["network"] = Link.of(self.network, self.seed)
        return {**named, "ping_interval_s": self.ping_interval, "ping_timeout_s": self.ping_timeout}

    @cached_property
    def plan(self) -> "Schedule":
        """What is sent when, and by how many clients; with --load it follows from the work (:meth:`offered`)."""
        return self._plan_of(self.connections)

    @cached_property
    def greedy(self) -> "list[Strategy]":
        """What is measured with one greedy client as well, since for it the answer may be another: `inline`, and those
        that handle the events of a client in turn. Nothing where the number of clients was asked for."""
        serial = [one for one in self.chosen if one.options.get("async_handlers") is False]
        is_decided = self.connections is not None or self.load is not None or bool(self.mix)
        if is_decided or self.plan.connections == 1 or not serial:
            return []
        return [one for one in self.chosen if one.name == "inline" or one in serial]

    @cached_property
    def greedy_plan(self) -> "Schedule":
        """The same plan, all of it sent by one client."""
        return self._plan_of(1)

    def _plan_of(self, connections: int | None) -> "Schedule":
        from labkit.plan import schedules

        if self.rate is not None:
            make = schedules.poisson if self.poisson else schedules.constant
            events = self._usual(20) if self.events is None else self.events
            return make(self.rate, events=events, connections=connections, seed=self.seed)
        burst = self.burst
        if burst is None:
            burst = self._usual(10) if self.events is None else self.events
        if burst < 1:
            return schedules.burst(burst)  # which says what is wrong with it
        times, rest = divmod(burst if self.events is None else self.events, burst)
        if rest or times < 1:
            raise UsageError(f"{self.events} events are not a whole number of bursts of {burst}: change one of them")
        return schedules.burst(burst, every_s=self.every, times=times, connections=connections, seed=self.seed)

    @cached_property
    def work(self) -> "Work | None":
        """What an event costs; None for the example job, which has yet to be sized."""
        from labkit.plan import targets

        if self.mix:
            return targets.mixed(self.mix, apart=self.apart, parsed=partial(session.named, mode=self.mode))
        if self.target is None and self.app is None and self.data is None:
            return None
        return session.named(self.target or "prices", self.payloads, self.app, mode=self.mode)

    @cached_property
    def payloads(self) -> "list[Any] | None":
        """What events carry, as it was given; None where it was not."""
        from labkit.plan import targets

        return None if self.data is None else targets.read(self.data)

    def _usual(self, events: int) -> int:
        """So many events where nobody says; no more than there are payloads, so that none is sent twice."""
        several = self.payloads is not None and len(self.payloads) > 1
        return min(events, len(self.payloads)) if several and self.payloads else events

    def counted_calls(self, work: "Work") -> str:
        """How often a function of the reader's is called, as a sentence; empty for a mix and for the lab's own work."""
        if work.kind != "call":
            return ""
        from labkit.experiments import capacity_search, sampling
        from labkit.experiments.fire import WARM_UP
        from labkit.plan.calibration import calls_needed
        from labkit.plan.schedules import burst

        plan = self.plan if self.load is None else burst(capacity_search.PAYLOADS, connections=1)
        before, most = calls_needed(work, plan), sampling.most_calls(self.mode)
        each = f"{len(self.plan)} times" if self.load is None else "as often as the load asks for"
        return (
            f"{work.name} is called up to {before} times for its answers and what it costs, up to {most} times to find "
            f"out what kind of work it is (mostly 5 to 10), then in each run {WARM_UP} times to warm up and {each}."
        )

    def repeated(self, events: int) -> str:
        """That payloads are sent more than once, as a sentence; empty where they are not, or are all one."""
        if self.payloads is None or not 1 < len(self.payloads) < events:
            return ""
        return f"The {len(self.payloads)} payloads are sent again in turn: {events} events carry them."

    @cached_property
    def chosen(self) -> "list[Strategy]":
        """The strategies, each of which can run in the mode."""
        from labkit.strategies import default_in, strategy

        names = self.strategies.split(",") if self.strategies else default_in(self.mode)
        chosen = [strategy(name.strip()) for name in names]
        for one in chosen:
            one.require_mode(self.mode)
        return chosen
