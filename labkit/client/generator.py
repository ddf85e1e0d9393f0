"""The clients of one server, and what they do: connect, warm up, fire."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import ClientError, UsageError
from labkit.base.event_loop import Loop
from labkit.client import closed_loop, packets, polling, scenario
from labkit.client.connection import connect_all, hang_up
from labkit.client.firing import GRACE_MS, QUIET_S, Firing, Job
from labkit.client.listening import Listening
from labkit.plan.exchange import BY_ACK, BY_EVENT, BY_VALUE, OWN_ID, POLLING, UPGRADE, USUAL, Exchange
from labkit.plan.payloads import arguments
from labkit.plan.visit import AT_ONCE, Visit
from labkit.runs.fired import Fired

Int64 = NDArray[np.int64]

#: The most sockets of one process: a common limit is 1,024 descriptors, and some of them are Python's own.
MAX_SOCKETS = 900

#: By which a warm-up's events are acknowledged: beyond those of any plan, since one may be late.
FIRST_NUMBER = 2**40


def require_sockets(count: int) -> None:
    """Raise `UsageError` where these are more than one client process drives."""
    if count > MAX_SOCKETS:
        raise UsageError(
            f"one client process drives {MAX_SOCKETS} sockets and {count} are asked for: give "
            f"client=labkit.client.fleet.ClientFleet({-(-count // MAX_SOCKETS)})"
        )


@dataclass
class Generator:
    """Clients of one server, each on its own connection: the senders, and where asked a bystander and a listener.

    A bystander only pings. A listener only reads: what comes to it was meant for somebody else.

    Attributes:
        senders: how many there are.
        connections: the senders', then the bystander's, then the listeners'.
        bystander: the number of its connection; -1 where there is none.
        loop: on which all of it runs.
        firing: what was prepared and not yet fired.
        running: what is being fired.
        exchange: how events are asked and answered.
        seen: how the events of the last warm-up were answered: by what of :data:`labkit.plan.exchange.ANSWERS`, and
            ``value`` where an acknowledgement carried something else.
    """

    senders: int = 0
    connections: list[Listening] = field(default_factory=list)
    bystander: int = -1
    loop: Loop = field(default_factory=Loop)
    firing: Firing | None = None
    running: Firing | None = None
    exchange: Exchange = USUAL
    seen: frozenset[str] = frozenset()

    def open(
        self,
        url: str,
        senders: int,
        bystander: bool = True,
        listener: bool = True,
        timeout_s: float = 10,
        exchange: Exchange = USUAL,
        visit: Visit = AT_ONCE,
    ) -> None:
        """Connect everybody, and leave the server of before.

        Args:
            url: of the server.
            senders: how many.
            bystander, listener: whether there is one.
            timeout_s: within which all have to be greeted by the server.
            exchange: in which namespace, over which transport, with how many more that only read.
            visit: with what they introduce themselves, whether all come at once, and what they do first.

        Raises:
            UsageError: these are more than :data:`MAX_SOCKETS`.
            ConnectFailed: no Socket.IO server answers there, or it refuses.
            ClientError: what they do first did not get its answer.
        """
        self.close()
        self.senders, self.exchange, self.seen = senders, exchange, frozenset()
        self.bystander = senders if bystander else -1
        listeners = listener + exchange.listeners
        require_sockets(senders * exchange.sockets + bystander + listeners)
        others = [exchange.bystander_namespace] * bystander + [exchange.namespace] * listeners
        own = [visit.namespace_of(place, exchange.namespace) for place in range(senders)]
        self.loop.run_until_complete(self._connect(url, own, others, timeout_s, visit))

    def warm(self, payloads: list[Any], timeout_s: float) -> int:
        """Send events that no plan has, all at once, the senders in turn; how many were answered in time."""
        return self.loop.run_until_complete(self._warm(payloads, timeout_s))

    def seen_answers(self) -> frozenset[str]:
        """How the events of the last warm-up were answered; see :attr:`seen`."""
        return self.seen

    def fire(self, job: Job) -> Fired:
        """Fire the plan, wait for its answers until the time limit, decode them."""
        self.prepare(job)
        return self.start()

    def prepare(self, job: Job) -> None:
        """Encode the plan and be ready to fire it."""
        self.firing = Firing(self.loop, self.connections, self.bystander, job)

    def start(self, start_ns: int | None = None) -> Fired:
        """Fire what was prepared; at `start_ns` on the common clock, where several processes start together."""
        firing, self.firing = self.firing, None
        if firing is None:
            raise ClientError("nothing was prepared: give the plan first")
        self.running = firing
        try:
            return self.loop.run_until_complete(firing.run(start_ns))
        finally:
            self.running = None

    def cut(self) -> None:
        """From another thread: send nothing more of what is being fired, and wait for the answers to what was sent."""
        if (running := self.running) is not None:
            self.loop.call_soon_threadsafe(running.cut)

    def closed_loop(self, job: Job) -> tuple[Int64, Int64, Int64]:
        """Fire the plan as a client does that waits for each answer; see :func:`labkit.client.closed_loop.run`."""
        return self.loop.run_until_complete(closed_loop.run(self.loop, self.connections[: self.senders], job))

    def close(self) -> None:
        """Say goodbye and disconnect everybody."""
        if self.connections:
            self.loop.run_until_complete(self._disconnect())
        self.connections = []

    def arrivals(self) -> list[tuple[int, int, int, int, int]]:
        """When each connection came, in ns (:attr:`labkit.client.listening.Listening.arrival`)."""
        return [connection.arrival for connection in self.connections]

    async def _connect(self, url: str, senders: list[str], others: list[str], timeout_s: float, visit: Visit) -> None:
        visit = replace(visit, is_upgraded=self.exchange.transport == UPGRADE)
        if self.exchange.transport == POLLING:
            self.connections = [*await polling.connect_all(url, senders, timeout_s, visit)]
        try:
            left = others if self.connections else senders + others
            self.connections += await connect_all(url, left, timeout_s, visit)
            if visit.scenario:
                await scenario.play(self.connections, visit)
        except BaseException:
            await self._disconnect()
            self.connections = []
            raise

    async def _disconnect(self) -> None:
        hang_up(self.connections)
        await polling.finish_all(self.connections)
        await asyncio.sleep(0)

    async def _warm(self, payloads: list[Any], timeout_s: float) -> int:
        senders = self.connections[: self.senders]
        exchange, place = self.exchange, packets.where(self.exchange.namespace)
        hearing = _WarmUp(exchange)
        for connection in self.connections:
            connection.frames.clear()
        sent = 0
        for i, payload in enumerate(payloads):
            # Ids below -1 (an answer without an id) have no place in the plan, so the server stamps nothing.
            own = [{"id": -2 - i, "payload": payload}] if exchange.match == OWN_ID else arguments(payload)
            data = [exchange.event, *own]
            number = None if exchange.answer not in (None, BY_ACK) else FIRST_NUMBER + i
            sent += senders[i % len(senders)].send(packets.message(data, number, place))
        deadline_ns = now_ns() + round(timeout_s * NS_PER_S)
        answered = 0
        asked = senders[: len(payloads)]  # where all of these have closed, nobody is left who could be answered
        while now_ns() < deadline_ns and any(not c.closed_ns for c in asked):
            for connection in senders:
                hearing.take(connection.heard())
            answered = len(hearing.answered)
            if answered >= sent:
                break
            await asyncio.sleep(0.01)
        # What may still be under way belongs to a broadcast. Its ids have no place in a plan, so it disturbs none.
        await asyncio.sleep(QUIET_S if answered >= sent else GRACE_MS / 1000)
        for connection in senders:
            hearing.take(connection.heard())
        for connection in self.connections:
            connection.frames.clear()
        self.seen = frozenset(hearing.seen)
        return answered


class _WarmUp:
    """What came of the events of a warm-up.

    Attributes:
        answered: the ids of those that were answered, however.
        seen: by what; see :attr:`Generator.seen`.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.answered: set[int] = set()
        self.seen: set[str] = set()

    def take(self, frames: list[tuple[int, bytes]]) -> None:
        for _, frame in frames:
            number, values, _ = packets.acknowledged_with(frame)
            if number >= FIRST_NUMBER:
                self._acknowledged(FIRST_NUMBER - 2 - number, values)
            elif number < 0 and self.exchange.match != OWN_ID:
                # Nobody tells whose it is; nothing else is under way yet.
                if packets.is_event(frame, self.exchange.answer_event):
                    self._answered(BY_EVENT, {-2 - len(self.answered)})
            elif number < 0 and not self.exchange.by_ack:
                self._answered(BY_EVENT, {a.event for a in packets.answers(frame, self.exchange.answer_event)})

    def _acknowledged(self, event: int, values: Any) -> None:
        """Nobody said so: then it counts as an answer only where it cannot be anything else."""
        if self.exchange.by_ack or packets.is_answer_to(event, values):
            self._answered(BY_ACK, {event})
        elif values != []:
            self.seen.add(BY_VALUE)

    def _answered(self, by: str, events: set[int]) -> None:
        found = {event for event in events if event < -1}
        self.answered |= found
        self.seen |= {by} if found else set()
