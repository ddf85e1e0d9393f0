"""What ``labkit fire`` was asked for: which plan, payloads and clients that means."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base.errors import UsageError

if TYPE_CHECKING:
    from labkit.client.fleet import ClientFleet
    from labkit.experiments.aim import Aim
    from labkit.experiments.settings import FireSettings, UrlSettings
    from labkit.plan.schedules import Schedule

#: What is fired where nobody says: gentle, and long enough for a p98.
RATE_HZ, SECONDS = 20.0, 10.0


@dataclass(frozen=True)
class Asked:
    """What was asked for, by the names of the options; None where an option was not given."""

    url: str
    event: str
    data: str | None
    response: str
    match: str | None
    replay: str | None
    speed: float | None
    copies: int | None
    rate: float | None
    poisson: bool
    seconds: float | None
    events: int | None
    burst: int | None
    every: float | None
    connections: int | None
    ramp: float
    scenario: str | None
    namespace: str
    auth: str | None
    header: tuple[str, ...]
    cookie: tuple[str, ...]
    query: tuple[str, ...]
    path: str
    ca: str | None
    transport: str
    bystander: str
    bystander_data: str | None
    ping_rate: float | None
    fan_out: bool
    listeners: int
    timeout: float | None
    connect_timeout: float | None
    warm_up: int | None
    seed: int
    i_own_this_server: bool
    network: str | None = None

    @contextlib.contextmanager
    def client(self) -> "Iterator[ClientFleet | None]":
        """Several client processes where one does not drive so many sockets; None where the session's one does."""
        from labkit.client.fleet import ClientFleet
        from labkit.client.generator import MAX_SOCKETS
        from labkit.plan.exchange import POLLING

        senders = self.plan.connections * (2 if self.transport == POLLING else 1)
        room = MAX_SOCKETS - self.listeners - 2  # all listeners are in the first process, and the bystander
        if senders <= room or room <= 0:
            yield None
            return
        with ClientFleet(-(-senders // room)) as fleet:
            yield fleet

    def aim(self, client: "ClientFleet | None") -> "Aim":
        """Everything that was asked for, checked.

        Args:
            client: who fires; the session's client process where None.

        Raises:
            UsageError: it makes no sense.
        """
        from labkit.experiments.at_url import aimed

        firing: FireSettings = self._firing
        if client is not None:
            firing["client"] = client
        return aimed(self.url, self.plan, self._settings, firing)

    @property
    def told(self) -> list[str]:
        """What is in the recording that is replayed, and what of it is not; nothing where none is."""
        from labkit.plan.replay import Replay

        return [f"{repr(self.plan).strip('<>')}."] if isinstance(self.plan, Replay) else []

    @cached_property
    def plan(self) -> "Schedule":
        """What is sent when, and by how many clients."""
        from labkit.plan import schedules

        if self.replay is not None:
            return self._recorded(self.replay)
        if self.speed is not None or self.copies is not None:
            raise UsageError("--speed and --copies are of a recording: give --replay FILE")
        if self.burst is not None:
            return self._bursts(self.burst)
        if self.every is not None:
            raise UsageError("--every is the time between two bursts: give --burst, and --events for several")
        if self.seconds is not None and self.events is not None:
            raise UsageError("--seconds and --events both say how long: give one of them")
        make = schedules.poisson if self.poisson else schedules.constant
        seconds = None if self.events is not None else SECONDS if self.seconds is None else self.seconds
        rate_hz = RATE_HZ if self.rate is None else self.rate
        return make(rate_hz, seconds=seconds, events=self.events, connections=self.connections, seed=self.seed)

    def _recorded(self, file: str) -> "Schedule":
        from labkit.plan.replay import replay

        said: dict[str, Any] = {
            "--rate": self.rate,
            "--seconds": self.seconds,
            "--events": self.events,
            "--burst": self.burst,
        }
        said |= {"--every": self.every, "--clients": self.connections, "--data": self.data}
        wrong = [name for name, value in said.items() if value is not None] + ["--poisson"] * self.poisson
        if wrong:
            raise UsageError(f"--replay sends what was recorded, when it was: leave out {wrong[0]}")
        speed = 1.0 if self.speed is None else self.speed
        return replay(file, speed=speed, copies=1 if self.copies is None else self.copies)

    def _bursts(self, burst: int) -> "Schedule":
        from labkit.plan import schedules

        if self.rate is not None or self.poisson or self.seconds is not None:
            raise UsageError("--burst sends all at one instant: leave out --rate, --poisson and --seconds")
        if burst < 1:
            return schedules.burst(burst)  # which says what is wrong with it
        times, rest = divmod(burst if self.events is None else self.events, burst)
        if rest or times < 1:
            raise UsageError(f"{self.events} events are not a whole number of bursts of {burst}: change one of them")
        if self.every is not None and times == 1:
            raise UsageError("--every is the time between two bursts: give --events for several")
        connections = self.connections
        if connections is not None and connections > burst * times:
            raise UsageError(f"{connections} clients cannot send {burst * times} events: raise --burst, or --listeners")
        return schedules.burst(burst, every_s=self.every, times=times, connections=connections, seed=self.seed)

    @property
    def _settings(self) -> "UrlSettings":
        from labkit.plan.payloads import NOTHING

        found: UrlSettings = {
            "response": self.response,
            "match": self.match,
            "bystander": self.bystander,
            "auth": parsed_json("--auth", self.auth),
            "headers": pairs("--header", self.header, ":"),
            "cookies": pairs("--cookie", self.cookie, "="),
            "query": pairs("--query", self.query, "="),
            "path": self.path,
            "ca_file": self.ca or "",
            "ramp_s": self.ramp,
            "scenario": _scenario(self.scenario),
            "i_own_this_server": self.i_own_this_server,
            "bystander_payload": NOTHING
            if self.bystander_data is None
            else parsed_json("--bystander-data", self.bystander_data),
        }
        if self.data is not None:
            from labkit.plan import payloads

            found["payloads"] = payloads.named(self.data)
        if self.connect_timeout is not None:
            found["connect_s"] = self.connect_timeout
        return found

    @property
    def _firing(self) -> "FireSettings":
        from labkit.plan.link import Link

        return {
            "event": self.event,
            "namespace": self.namespace,
            "transport": self.transport,
            "fan_out": self.fan_out,
            "listeners": self.listeners,
            "ping_hz": self.ping_rate,
            "timeout_s": self.timeout,
            "warm_up": self.warm_up,
            "network": Link.of(self.network, self.seed),
        }


def parsed_json(option: str, text: str | None) -> Any:
    """What an option says in JSON; None where it was not given."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f'{option} is no JSON ({error}): quote it, as \'{{"token": "..."}}\'') from None


def pairs(option: str, texts: tuple[str, ...], between: str) -> dict[str, str]:
    """What an option that may be given several times says: names and values."""
    found = {}
    for text in texts:
        name, there, value = text.partition(between)
        if not name.strip() or not there:
            raise UsageError(f"{option} is NAME{between}VALUE, not {text!r}")
        found[name.strip()] = value.strip()
    return found


def _scenario(text: str | None) -> Any:
    if text is None or Path(text).exists():
        return text
    function = re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", text)
    if function is None:
        return text  # a file that is not there is told as one
    from labkit.plan import targets

    return targets.imported(*function.groups())
