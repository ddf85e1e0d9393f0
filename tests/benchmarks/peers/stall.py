"""Does a client tell of a stall? 100 events/s for 10 s at a server that answers nothing for one second of them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.experiments.known_queue import Queue
from labkit.plan.schedules import constant
from labkit.runs.summary import Distribution
from tests.benchmarks.peers.contenders import Peer, Task, begin
from tests.benchmarks.peers.install import Packages
from tests.benchmarks.peers.reports import PERCENTILES, Report
from tests.benchmarks.peers.server import EchoServer

#: The stall begins between two arrivals: at the very instant of one, a jitter of microseconds would decide on which
#: side it falls, and with it over 10 ms of every percentile.
SOCKETS, RATE_HZ, SECONDS, STALL_S = 4, 100.0, 10.0, (3.995, 5.0)
PAYLOAD = {"id": -1, "payload": "small"}

#: Starting a process and ending it; Artillery takes its time for both.
BESIDE_S = 45.0


def queue() -> Queue:
    """The server: no service time, and one stall since the first arrival."""
    start_s, end_s = STALL_S
    return Queue(np.zeros(1, np.int64), (round(start_s * NS_PER_S), round(end_s * NS_PER_S)))


@dataclass(frozen=True)
class Stall:
    """One round of one peer.

    Attributes:
        report: what it says.
        events: how many reached the server; the plan has 1,000.
    """

    report: Report
    events: int


def truth() -> Report:
    """What everybody waits who comes when planned: Lindley's recursion from the intended arrivals."""
    plan = constant(RATE_HZ, seconds=SECONDS, connections=SOCKETS)
    server = queue()
    arrivals_ns = plan.intended_ns + 1  # the queue takes 0 for "nobody came yet"
    released_ns = np.array([server.release_ns(0, at) for at in arrivals_ns.tolist()])
    distribution = Distribution.of((released_ns - arrivals_ns) / NS_PER_MS)
    return Report(len(plan), tuple(distribution.percentile(p) for p in PERCENTILES))


def measure(peer: Peer, way: str, packages: Packages) -> Stall:
    """One round. Raises `Failed`."""
    with EchoServer(queue()) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = Task(way, server.url, SOCKETS, SECONDS, RATE_HZ, PAYLOAD)
        with begin(peer, packages, task, folder) as client:
            output = client.output(SECONDS + BESIDE_S)
            return Stall(peer.read(output, folder), server.count)
