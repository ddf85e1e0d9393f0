"""What an acknowledged event costs each client: a closed loop, its CPU read from outside in a window of the middle."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from labkit.base.clock import NS_PER_S, now_ns
from tests.benchmarks.peers.contenders import Peer, Task, begin
from tests.benchmarks.peers.install import Packages
from tests.benchmarks.peers.processes import Failed
from tests.benchmarks.peers.server import EchoServer

SOCKETS, PAYLOAD = 8, {"id": -1, "payload": "small"}

#: From the first event to the window, in which everybody connects and interpreters warm up; and what follows it.
WARM_S, AFTER_S = 2.0, 1.5

#: From the start of the process to its first event, and from the end of its time to its own end.
START_LIMIT_S, END_LIMIT_S = 40.0, 30.0

#: The peer's own count and the server's may differ by what was under way at the end, and by so much.
COUNTS_SHARE = 0.02


@dataclass(frozen=True)
class Cost:
    """One round of one peer, within the window.

    Attributes:
        acks: answers that the server gave.
        client_cpu_s, server_cpu_s: CPU seconds of the client's processes, and of the server's.
        wall_s: how long the window was.
    """

    acks: int
    client_cpu_s: float
    server_cpu_s: float
    wall_s: float

    @property
    def acks_per_cpu_s(self) -> float:
        """Acknowledged events for one CPU second of the client."""
        return self.acks / self.client_cpu_s

    @property
    def client_busy(self) -> float:
        """Cores that the client kept busy; near 1 for one thread that never waits."""
        return self.client_cpu_s / self.wall_s

    @property
    def server_busy(self) -> float:
        """The same of the server: well below 1, or it is the bottleneck."""
        return self.server_cpu_s / self.wall_s


def measure(peer: Peer, packages: Packages, seconds: float) -> Cost:
    """One round. Raises `Failed`, also where the peer's own count is not the server's."""
    with EchoServer() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = Task("cost", server.url, SOCKETS, WARM_S + seconds + AFTER_S, payload=PAYLOAD)
        with begin(peer, packages, task, folder) as client:
            limit_ns = now_ns() + round(START_LIMIT_S * NS_PER_S)
            while not server.first_ns:
                if not client.is_alive or now_ns() > limit_ns:
                    raise Failed(f"no event came: {client.last_words()}")
                time.sleep(0.02)
            time.sleep(WARM_S)
            before = now_ns(), server.count, client.cpu_s(), server.cpu_s()
            time.sleep(seconds)
            after = now_ns(), server.count, client.cpu_s(), server.cpu_s()
            if not client.is_alive:
                raise Failed(f"ended within the window: {client.last_words()}")
            output = client.output(AFTER_S + END_LIMIT_S)
            report = peer.read(output, folder)
        if abs(report.acks - server.count) > SOCKETS + COUNTS_SHARE * server.count:
            raise Failed(f"counts {report.acks} answers where the server gave {server.count}")
    wall_ns, acks, client_cpu_s, server_cpu_s = (b - a for a, b in zip(before, after, strict=True))
    if not acks or client_cpu_s <= 0:
        raise Failed("nothing happened within the window")
    return Cost(acks, client_cpu_s, server_cpu_s, wall_ns / NS_PER_S)
