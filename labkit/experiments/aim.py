"""A firing at a Socket.IO server that is not the lab's, settled: connect, fire, close the books.

What of it can be asked, and how, is :mod:`labkit.experiments.at_url`'s.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from labkit.base import clock
from labkit.base.errors import ConnectFailed
from labkit.client import probe
from labkit.client import process as clients
from labkit.client.firing import Job
from labkit.client.fleet import ClientFleet
from labkit.client.process import Client, ClientProcess
from labkit.experiments.confounders import ServerCost, spare_cpu
from labkit.experiments.listening_process import pid_of
from labkit.plan.address import Address
from labkit.plan.exchange import BY_EVENT, BY_NOTHING, BY_ORDER, Exchange
from labkit.plan.link import Link
from labkit.plan.modes import NOT_KNOWN
from labkit.plan.schedules import Schedule
from labkit.plan.visit import Visit
from labkit.runs import close, environment
from labkit.runs.conditions import NO_BYSTANDER, Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.runs.stages import NEVER, SERVER_COLUMNS
from labkit.scale import network

Int64 = NDArray[np.int64]

#: Within which everybody has to be let in, where nobody says.
CONNECT_S = 10.0


def no_tick() -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True)
class Aim:
    """What is to be fired at whom; everything that can be refused was refused when it was made.

    Attributes:
        address: of the server.
        plan: what is sent when, and by how many clients.
        exchange: how events are asked and answered.
        visit: how clients come.
        job: what is fired.
        warm_up: what the events before the plan carry.
        bystander: the event that it sends, :data:`HEARTBEAT` or :data:`NO_BYSTANDER`.
        ping_hz, window_s, connect_s: of the bystander and of connecting.
        client: who fires; the session's client process where None.
        link: what lies between clients and server; nothing where None.
        way: the URL of a network that runs and leads there; empty where there is none.
    """

    address: Address
    plan: Schedule
    exchange: Exchange
    visit: Visit
    job: Job
    warm_up: tuple[Any, ...]
    bystander: str
    ping_hz: float
    window_s: float
    connect_s: float = CONNECT_S
    client: Client | None = None
    link: Link | None = None
    way: str = ""

    @property
    def has_listener(self) -> bool:
        """Whether somebody only watches an inbox: answers that can be matched might reach a stranger."""
        is_told = self.exchange.fan_out or self.exchange.match not in (BY_ORDER, BY_NOTHING)
        return self.exchange.answer == BY_EVENT and is_told

    @property
    def clients(self) -> int:
        """Connections of all kinds."""
        return self.plan.connections + self.has_listener + self.exchange.listeners + (self.bystander != NO_BYSTANDER)

    def fire(self, tick: Callable[[], object] = no_tick) -> tuple[Run, KeyboardInterrupt | None]:
        """Connect, fire, disconnect.

        Args:
            tick: called some times a second while the plan is fired.

        Returns:
            The run; and the interrupt that has cut it short, which the caller raises when the run is kept.

        Raises:
            ConnectFailed: the sentence says who listens there instead.
            ClientError: the scenario got no answer, or the client ended.
        """
        with network.between(self.address, None if self.way else self.link) as url:
            return self._fire(self.way or url, tick)

    def _fire(self, url: str, tick: Callable[[], object]) -> tuple[Run, KeyboardInterrupt | None]:
        client = self.client or clients.shared()
        pid = pid_of(self.address)
        try:
            came = self._connected(client, url)
            spare = [spare_cpu(client)]
            answered = client.warm(list(self.warm_up), self._timeout_s) if self.warm_up else 0
            cost, parted = _Cost(pid, client), clock.parting()
            fired, interrupt = self._fired(client, replace(self.job, watch_pid=pid), tick)
            told: dict[str, Any] = {**cost.told(), "clocks_parted_s": parted()}
        finally:
            client.close()
        spare.append(spare_cpu(client))
        told |= {"warm_up_asked": len(self.warm_up), "warm_up_answered": answered, "client": client.place}
        told["spare_cpu"] = tuple(share for share in spare if share is not None)
        if interrupt is not None and not _due_before_cut(self.plan, fired):
            raise interrupt
        return self._closed(fired, came, told), interrupt

    @property
    def _timeout_s(self) -> float:
        return self.job.timeout_ns / clock.NS_PER_S

    def _connected(self, client: Client, url: str) -> list[tuple[int, int, int, int, int]]:
        try:
            client.open(
                url,
                self.plan.connections,
                self.bystander != NO_BYSTANDER,
                self.has_listener,
                self.connect_s,
                self.exchange,
                self.visit,
            )
        except ConnectFailed as error:
            raise probe.explained(self.address.url, self.visit.handshake, error) from None
        return client.arrivals()

    def _fired(self, client: Client, job: Job, tick: Callable[[], object]) -> tuple[Fired, KeyboardInterrupt | None]:
        if isinstance(client, ClientProcess | ClientFleet):
            return client.fire_watched(job, tick)
        return client.fire(job), None

    def _closed(self, fired: Fired, came: Sequence[tuple[int, int, int, int, int]], told: Mapping[str, Any]) -> Run:
        plan, ping_ns = self.plan, self.job.ping_ns
        kinds = tuple(dict.fromkeys(self.job.names))
        if fired.cut_ns:
            plan, ping_ns, fired = _cut(plan, ping_ns, fired)
        return close.close(
            fired,
            dict.fromkeys(SERVER_COLUMNS, np.zeros(len(plan), np.int64)),
            strategy=self.address.name,
            work=self.exchange.event,
            mode=NOT_KNOWN,
            plan=plan,
            ping_ns=ping_ns,
            timeout_s=self._timeout_s,
            service_ms=[None] * len(plan),
            machine=environment.describe(),
            conditions=self._conditions(fired, told),
            arrivals=_arrivals(came),
            kinds=kinds if len(kinds) > 1 else (),
            kind=[kinds.index(name) for name in self.job.names[: len(plan)]],
        )

    def _conditions(self, fired: Fired, told: Mapping[str, Any]) -> Conditions:
        return Conditions(
            measured=clock.utc_stamp(),
            start_ns=fired.start_ns,
            stock=True,
            instrumented=False,
            client_collections=fired.collections,
            client_cpu_s=fired.cpu_ns / clock.NS_PER_S,
            duration_s=(fired.end_ns - fired.start_ns) / clock.NS_PER_S,
            clock_resolution_s=clock.resolution_s(),
            heartbeats=fired.heartbeats,
            closings=counted(fired.closings),
            rounded=fired.rounded,
            closed_senders=int(np.count_nonzero(fired.closed_ns[: self.plan.connections])),
            closed_others=int(np.count_nonzero(fired.closed_ns[self.plan.connections :])),
            exchange=self.exchange.to_dict(),
            ping_hz=self.ping_hz,
            window_s=self.window_s,
            url=self.address.url,
            network={} if self.link is None else self.link.to_dict(),
            bystander=self.bystander,
            ramp_s=self.visit.ramp_s,
            is_cut_short=fired.cut_ns > 0,
            **told,
        )


class _Cost:
    """What the server's process spends from now on, where it is known; else nothing is told of it."""

    def __init__(self, pid: int | None, client: Client) -> None:
        self._cost: ServerCost | None = None
        if pid is not None:
            try:
                self._cost = ServerCost(pid, client)
            except psutil.Error:
                return

    def told(self) -> dict[str, Any]:
        """Fields of :class:`labkit.runs.conditions.Conditions`."""
        try:
            return (
                {} if self._cost is None else {"server_cpu_s": self._cost.cpu_s, "server_switches": self._cost.switches}
            )
        except psutil.Error:  # it has ended meanwhile
            return {}


def _due_before_cut(plan: Schedule, fired: Fired) -> int:
    """How many events were due when somebody had enough; all of them where nobody had."""
    if not fired.cut_ns:
        return len(plan)
    return int(np.searchsorted(plan.intended_ns, fired.cut_ns - fired.start_ns, side="right"))


def _cut(plan: Schedule, ping_ns: Int64, fired: Fired) -> tuple[Schedule, Int64, Fired]:
    """What was due before the cut; what was not is no part of the books."""
    events = _due_before_cut(plan, fired)
    pings = int(np.searchsorted(ping_ns, fired.cut_ns - fired.start_ns, side="right"))
    name = f"{plan.name}, cut short after {(fired.cut_ns - fired.start_ns) / clock.NS_PER_S:.1f} s"
    shorter = Schedule(name, plan.intended_ns[:events], plan.connection[:events], plan.connections, plan.seed)
    kept = replace(
        fired,
        sent_ns=fired.sent_ns[:events],
        acked_ns=fired.acked_ns[:events],
        ping_sent_ns=fired.ping_sent_ns[:pings],
        ping_acked_ns=fired.ping_acked_ns[:pings],
    )
    return shorter, ping_ns[:pings], kept


def _arrivals(came: Sequence[tuple[int, int, int, int, int]]) -> dict[str, Int64]:
    """The columns of :attr:`labkit.runs.run.Run.arrivals`, in ns from the first connection's beginning."""
    stamps = np.array(came, np.int64).reshape(-1, 5)
    first = stamps[:, 0].min(initial=np.iinfo(np.int64).max)
    columns = np.where(stamps == 0, NEVER, stamps - first)
    return dict(zip(("began", "opened", "upgraded", "greeted", "set_up"), columns.T.copy(), strict=True))


def counted(closings: Sequence[str]) -> tuple[str, ...]:
    """Each once, with its number."""
    numbers = Counter(closing for closing in closings if closing)
    return tuple(f"{closing} ({number} connection{'s'[: number > 1]})" for closing, number in numbers.most_common())
