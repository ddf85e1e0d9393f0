"""The clients of one server, and what they do: connect, warm up, fire."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.errors import ClientError, UsageError
from labkit.client import closed_loop, packets
from labkit.client.connection import Connection, Loop, connect_all, hang_up
from labkit.client.firing import GRACE_MS, QUIET_S, Firing, Job
from labkit.runs.fired import Fired

Int64 = NDArray[np.int64]

#: The most sockets of one process: a common limit is 1,024 descriptors, and some of them are Python's own.
MAX_SOCKETS = 900


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
        connections: the senders', then the bystander's, then the listener's.
        bystander: the number of its connection; -1 where there is none.
        loop: on which all of it runs.
        firing: what was prepared and not yet fired.
    """

    senders: int = 0
    connections: list[Connection] = field(default_factory=list)
    bystander: int = -1
    loop: Loop = field(default_factory=Loop)
    firing: Firing | None = None

    def open(
        self, url: str, senders: int, bystander: bool = True, listener: bool = True, timeout_s: float = 10
    ) -> None:
        """Connect everybody, and leave the server of before.

        Args:
            url: of the server.
            senders: how many.
            bystander, listener: whether there is one.
            timeout_s: within which all have to be greeted by the server.

        Raises:
            UsageError: these are more than :data:`MAX_SOCKETS`.
            ConnectFailed: no Socket.IO server answers there, or it refuses.
        """
        self.close()
        self.senders = senders
        self.bystander = senders if bystander else -1
        count = senders + bystander + listener
        require_sockets(count)
        self.connections = self.loop.run_until_complete(connect_all(url, count, timeout_s))

    def warm(self, payloads: list[Any], timeout_s: float) -> int:
        """Send events that no plan has, all at once, the senders in turn; how many were answered in time."""
        return self.loop.run_until_complete(self._warm(payloads, timeout_s))

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
        return self.loop.run_until_complete(firing.run(start_ns))

    def closed_loop(self, job: Job) -> tuple[Int64, Int64, Int64]:
        """Fire the plan as a client does that waits for each answer; see :func:`labkit.client.closed_loop.run`."""
        return self.loop.run_until_complete(closed_loop.run(self.loop, self.connections[: self.senders], job))

    def close(self) -> None:
        """Say goodbye and disconnect everybody."""
        if self.connections:
            self.loop.run_until_complete(self._disconnect())
        self.connections = []

    async def _disconnect(self) -> None:
        hang_up(self.connections)
        await asyncio.sleep(0)

    async def _warm(self, payloads: list[Any], timeout_s: float) -> int:
        senders = self.connections[: self.senders]
        for connection in self.connections:
            connection.frames.clear()
        sent = 0
        for i, payload in enumerate(payloads):
            # Ids below -1 (an answer without an id) have no place in the plan, so the server stamps nothing.
            sent += senders[i % len(senders)].send(packets.event(-2 - i, payload))
        deadline_ns = now_ns() + round(timeout_s * NS_PER_S)
        answered = 0
        asked = senders[: len(payloads)]  # where all of these have closed, nobody is left who could be answered
        while now_ns() < deadline_ns and any(not c.closed_ns for c in asked):
            answered = sum(
                len({a.event for _, frame in c.frames for a in packets.answers(frame) if a.event < -1}) for c in senders
            )
            if answered >= sent:
                break
            await asyncio.sleep(0.01)
        # What may still be under way belongs to a broadcast. Its ids have no place in a plan, so it disturbs none.
        await asyncio.sleep(QUIET_S if answered >= sent else GRACE_MS / 1000)
        for connection in self.connections:
            connection.frames.clear()
        return answered
