"""Several servers of one app behind a proxy: what a broadcast costs across processes, and what clients feel of an end.

All servers, the proxy, the Redis and the clients share this machine. So the figures hold for what crossing a process
costs where cores are to be had; more servers than cores take turns here, which machines of their own would not.
"""

import contextlib
import functools
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labkit.base import clock, interrupts
from labkit.base.errors import LabError, UsageError
from labkit.base.files import whole
from labkit.base.text import about, milliseconds
from labkit.client.audience import Audience, Manners, Sending
from labkit.runs import environment
from labkit.runs.deliveries import Deliveries, Order
from labkit.runs.summary import Distribution
from labkit.runs.table import Table
from labkit.scale import redis_server
from labkit.scale.servers import Servers

#: Sent before anything counts: a server's first message makes its connection to Redis.
WARM_UP = 10

#: How many pairs of messages ask about order.
PAIRS = 40

#: When the server is killed, and for how long it stays away, in seconds, as under a supervisor that looks each second.
KILL_AT_S, AWAY_S = 1.0, 1.0

#: For how long messages are sent after it is back, in seconds.
AFTER_S = 3.0

#: What the restart of one server takes, in seconds, or a little less; messages are sent for so long for each.
ROLL_S = 3.0

#: How long clients may take to come back, in seconds.
BACK_S = 12.0

#: Of each phase what it is called in tables and figures.
PHASES = {
    "steady": "nothing happens",
    "back_to_back": "two events back to back",
    "one_handler": "two emits of one handler",
    "killed": "one server killed",
    "rolled": "rolling restart",
}


@dataclass(frozen=True, eq=False)
class SeveralServers:
    """What was measured with several servers.

    Attributes:
        app: the reader's, or empty for the lab's own.
        count: how many servers.
        receivers: how many clients listen, dealt out in turn.
        rate_hz: of messages, of all senders together; there is one sender a server.
        manners: how clients behave; their reconnection is what they feel most of.
        threads: of each server.
        phases: what became of the messages, by the names of :data:`PHASES`.
        machine: machine and versions, as JSON.
    """

    app: str
    count: int
    receivers: int
    rate_hz: float
    manners: Manners
    threads: int
    phases: dict[str, Deliveries]
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def steady(self) -> Deliveries:
        """While nothing happened."""
        return self.phases["steady"]

    @property
    def crossing_ms(self) -> float:
        """What another process costs over the sender's own, at the median; NaN where one of both had no receivers."""
        own, other = (self.steady.waits_ms(each).p50_ms for each in (self.steady.own, self.steady.other))
        return other - own if math.isfinite(own) and math.isfinite(other) else math.nan

    def order(self, phase: str) -> tuple[Order, Order]:
        """Of messages at the same instant, whether receivers had them in order: on the sender's server, on others."""
        found = self.phases[phase]
        return found.order(found.own, at_once=True), found.order(found.other, at_once=True)

    @property
    def table(self) -> Table:
        """A row a phase."""
        rows = tuple(_row(PHASES[name], found) for name, found in self.phases.items())
        headers = (
            "phase",
            "sent",
            "first",
            "half",
            "last",
            "own\nserver",
            "other\nserver",
            "lost",
            "missed",
            "twice",
            "over-\ntaken",
            "away\np50/max",
        )
        return Table(headers, rows, notes=tuple(self.notes))

    @property
    def notes(self) -> Iterator[str]:
        """What the figures mean, and for whom they hold."""
        yield (
            f"{self.count} servers of {self.app or 'the lab'}, {self.receivers} receivers, one sender a server, "
            f"{self.rate_hz:g} messages/s in all, {self.manners.transport}."
        )
        yield (
            "Times are medians in ms, from when a message was due until the first, half and the last of the receivers, "
            "and each on its sender's server and on another, had it."
        )
        yield (
            "lost: the receiver was connected when it was sent; missed: it was not, and nobody keeps it; one for each "
            "receiver. overtaken: a later message of the same sender came first."
        )
        if "killed" in self.phases or "rolled" in self.phases:
            yield (
                f"away: as a client noticed it, which tries again after {self.manners.reconnect_s:g} s, more or less "
                "by half at random (the default of python-socketio's and the browser's client)."
            )
        for phase in ("back_to_back", "one_handler"):
            if phase in self.phases:
                own, other = self.order(phase)
                why = " (each event has a thread of its own: async_handlers)" if phase == "back_to_back" else ""
                yield f"{PHASES[phase]}{why}: overtaken {own} on the sender's server, {other} on others."
        for phase in ("killed", "rolled"):
            if phase in self.phases:
                there = ", ".join(f"{name} {many}" for name, many in self.phases[phase].there_at_the_end().items())
                yield f"{PHASES[phase]}: receivers afterwards: {there}. Nobody moves back by itself."
        cores = self.machine.get("cores", "unknown")
        yield (
            f"Servers, HAProxy, Redis and clients share {cores} cores of one machine, and one event loop decodes for "
            "all receivers: on machines of their own the last has it sooner, and a network comes on top."
        )

    def __repr__(self) -> str:
        return self.table.text()

    def _repr_html_(self) -> str:
        return self.table.html()

    def to_dict(self) -> dict[str, Any]:
        """All figures, as JSON; null where unknown or never."""
        order = {phase: self.order(phase) for phase in ("back_to_back", "one_handler") if phase in self.phases}
        return {
            "schema_version": 1,
            "app": self.app or None,
            "servers": self.count,
            "receivers": self.receivers,
            "rate_hz": self.rate_hz,
            "threads": self.threads,
            "transport": self.manners.transport,
            "reconnect_s": self.manners.reconnect_s,
            "crossing_ms": round(self.crossing_ms, 3) if math.isfinite(self.crossing_ms) else None,
            "phases": {name: found.to_dict() for name, found in self.phases.items()},
            "order": {
                phase: {
                    where: {"pairs": one.pairs, "overtaken": one.overtaken}
                    for where, one in zip(("own", "other"), both, strict=True)
                }
                for phase, both in order.items()
            },
            "notes": list(self.notes),
            "environment": self.machine,
        }

    def save(self, path: Path) -> Path:
        """Write :meth:`to_dict` to a file, whole or not at all."""
        with whole(path) as half:
            half.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False), encoding="utf-8")
        return path


def _row(name: str, found: Deliveries) -> tuple[str, ...]:
    waits = (
        found.nth_ms(0),
        found.nth_ms(0.5),
        found.nth_ms(1),
        found.waits_ms(found.own),
        found.waits_ms(found.other),
    )
    away = found.away_ms
    return (
        name,
        f"{len(found) - found.unsent} of {len(found)}" if found.unsent else f"{len(found)}",
        *(milliseconds(each.p50_ms) for each in waits),
        f"{found.lost}",
        f"{found.missed}",
        f"{found.duplicates}",
        f"{found.order().overtaken}",
        f"{milliseconds(away.p50_ms)}/{milliseconds(away.max_ms)}" if len(away) else "-",
    )


@interrupts.kept()
def several_servers(
    app: str = "",
    *,
    count: int = 2,
    receivers: int = 20,
    rate_hz: float = 20.0,
    seconds: float = 5.0,
    queue: str = "",
    manners: Manners | None = None,
    threads: int = 100,
    folder: Path | None = None,
    ends: bool = True,
    progress: Callable[[str], None] | None = None,
    keep: Callable[[SeveralServers], None] | None = None,
) -> SeveralServers:
    """Start several servers, and measure broadcasts to clients that are spread over them.

    Args:
        app: as for :class:`labkit.scale.servers.Servers`. Of yours, each client has to be in the room that its event
            goes to: by your ``connect`` handler, or by ``Manners(join=("join", {...}))``.
        count: how many servers.
        receivers: how many clients listen.
        rate_hz: of messages, all senders together.
        seconds: for how long while nothing happens.
        queue: of a Redis that runs; empty for LABKIT_REDIS_URL, or one of the lab's own.
        manners: names of events, transport, and how soon clients come back.
        threads: of each server. All clients have to find room when one server is away.
        folder: of the app's code.
        ends: also kill one server, and restart all in turn.
        progress: told what begins.
        keep: given what there is after each phase, so that an early end loses nothing of it.

    Raises:
        UsageError: there is nothing to measure, or not room for all clients.
        MissingExtra: HAProxy, gunicorn, aiohttp or a Redis is missing.
        NotStarted: a server does not start.
        ConnectFailed: a client cannot connect.
    """
    manners = manners or Manners()
    Servers(app, count=count, queue="", threads=threads)  # refuses what makes no sense, and starts nothing
    _refuse(count, receivers, rate_hz, seconds, threads, ends)
    tell = progress or (lambda _: None)
    with contextlib.ExitStack() as stack:
        audience = stack.enter_context(Audience())
        tell(f"starting {count} servers")
        url = stack.enter_context(redis_server.redis_url(queue))
        servers = stack.enter_context(Servers(app, count=count, queue=url, threads=threads, folder=folder))
        machine = {**environment.describe(), "redis": redis_server.require_answer(url)}
        gather = functools.partial(audience.connect, servers.url, receivers, count, manners)
        measuring = _Measuring(servers, audience, gather, rate_hz, tell)
        result = SeveralServers(app, count, receivers, rate_hz, manners, threads, {}, machine)
        for name, found in interrupts.each(measuring.phases(seconds, own=not app, ends=ends and count > 1)):
            result = replace(result, phases={**result.phases, name: found})
            if keep is not None:
                keep(result)
    return result


def _refuse(count: int, receivers: int, rate_hz: float, seconds: float, threads: int, ends: bool) -> None:
    if receivers < 1:
        raise UsageError(f"receivers must be 1 or more, not {receivers}")
    if not 0 < rate_hz <= 1000 or not 0 < seconds <= 3600:
        raise UsageError("rate_hz must be above 0 and at most 1000, seconds above 0 and at most 3600")
    left = count - 1 if ends and count > 1 else count
    if receivers + count > 0.9 * threads * left:
        room = f"{threads * left}{' while one is away' if left < count else ''}"
        raise UsageError(
            f"{receivers} receivers and {count} senders need a thread each, and the servers have {room}: ask for fewer "
            "receivers, or more servers"
        )


class _Measuring:
    """The phases, one after the other, with the same servers and clients."""

    def __init__(
        self,
        servers: Servers,
        audience: Audience,
        gather: Callable[[], object],
        rate_hz: float,
        tell: Callable[[str], None],
    ) -> None:
        self.servers, self.audience, self.gather, self.rate_hz, self.tell = servers, audience, gather, rate_hz, tell
        self.senders = len(servers.names)

    def phases(self, seconds: float, *, own: bool, ends: bool) -> Iterator[tuple[str, Deliveries]]:
        self.gather()
        self.audience.fire(self.even(WARM_UP / self.rate_hz))
        self.tell(f"broadcasts for {seconds:g} s")
        yield "steady", self.audience.fire(self.even(seconds))
        self.tell("order")
        yield "back_to_back", self.audience.fire(self.pairs(twice=True))
        if own:
            yield "one_handler", self.audience.fire(self.pairs(event="say_each", count=2))
        if ends:
            self.tell("one server killed")
            yield "killed", self.meanwhile(KILL_AT_S + AWAY_S + AFTER_S, self.kill_one)
            self.tell("rolling restart")
            self.gather()  # dealt out anew: where one was killed, nobody is
            yield "rolled", self.meanwhile(KILL_AT_S + ROLL_S * self.senders, self.roll)

    def even(self, seconds: float) -> list[Sending]:
        """Messages at even distances, the senders in turn."""
        events = max(1, round(seconds * self.rate_hz))
        return [Sending(number * 1000 / self.rate_hz, number % self.senders) for number in range(events)]

    def pairs(self, *, twice: bool = False, event: str = "", count: int = 1) -> list[Sending]:
        """Pairs with room between them."""
        apart_ms = max(50.0, 1000 / self.rate_hz)
        each = 2 if twice else 1
        return [
            Sending(number * apart_ms, number % self.senders, event, count)
            for number in range(PAIRS)
            for _ in range(each)
        ]

    def meanwhile(self, seconds: float, act: Callable[[], None]) -> Deliveries:
        """Messages for so long, while something is done to the servers."""
        self.audience.begin(self.even(seconds), back_s=BACK_S)
        failed: list[LabError] = []

        def acting() -> None:
            try:
                act()
            except LabError as error:
                failed.append(error)

        thread = threading.Thread(target=acting)
        thread.start()
        try:
            found = self.audience.finish()
        finally:
            thread.join()
        if failed:
            raise failed[0]
        return found

    def kill_one(self) -> None:
        clock.sleep(KILL_AT_S)
        name = self.servers.names[0]
        self.servers.kill(name)
        clock.sleep(AWAY_S)
        self.servers.restart(name)

    def roll(self) -> None:
        clock.sleep(KILL_AT_S)
        for name in self.servers.names:
            self.servers.drain(name)
            self.servers.restart(name)


def finding(result: SeveralServers) -> str:
    """What was found, in a sentence or two."""
    steady = result.steady
    own, other = (steady.waits_ms(each) for each in (steady.own, steady.other))
    elsewhere = int(steady.other.sum())
    if elsewhere and steady.lost_among(steady.other) == elsewhere:
        said = "No broadcast reaches another server: this app has no message queue at LABKIT_REDIS_URL"
    elif not len(other):
        said = f"A broadcast reaches half of {result.receivers} clients after {about(steady.nth_ms(0.5).p50_ms)}"
    else:
        said = (
            f"A broadcast takes {about(own.p50_ms)} to the sender's server, {about(other.p50_ms)} to another (median)"
        )
    lines = [f"{said}."]
    for phase, what in (("killed", "A server is killed"), ("rolled", "All are restarted in turn")):
        if phase in result.phases:
            lines.append(f"{what}: {_felt(result.phases[phase])}.")
    return "\n".join(lines)


def _felt(found: Deliveries) -> str:
    away: Distribution = found.away_ms
    gone = found.lost + found.missed
    if not len(away):
        return "no client notices"
    clients = len({each.receiver for each in found.absences})
    told = f"{clients} of {found.receivers} clients are away for {about(away.p50_ms)} (median)"
    if len(away) > clients:
        told += f", {len(away)} times in all"
    total = found.expected + found.missed
    return f"{told}, {gone} of {total} deliveries never come"
