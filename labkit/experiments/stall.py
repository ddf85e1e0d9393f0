"""The same stall seen by a client that waits: what many load tools do, here only to be compared with.

A closed loop sends its next event when the one before was answered (and not before it is due). While the server stands
still, it sends nothing, so that the worst moments are hardly sampled: coordinated omission (G. Tene, "How NOT to
measure latency", 2013). Counted from when each event was *due*, the same run tells them after all.
"""

from dataclasses import dataclass

from labkit.base.clock import NS_PER_MS
from labkit.client import process as clients
from labkit.experiments import selftest
from labkit.experiments.known_queue import TruthServer
from labkit.experiments.selftest import Case, Reading
from labkit.runs.summary import Distribution
from labkit.runs.table import Table


@dataclass(frozen=True, eq=False)
class Stall:
    """One stall, three times told; latencies in ms.

    Attributes:
        reading: labkit's own, open loop, beside the truth.
        closed_from_send: closed loop, from the actual send: what such a tool reports.
        closed_from_intended: the same events from when they were due: corrected.
    """

    reading: Reading
    closed_from_send: Distribution
    closed_from_intended: Distribution

    @property
    def true(self) -> Distribution:
        """Of every event of the plan, by Lindley's recursion from its arrival."""
        return Distribution.of(self.reading.true_ms)

    def __repr__(self) -> str:
        told = (
            ("true", self.true),
            ("labkit, open loop", Distribution.of(self.reading.measured_ms)),
            ("closed loop, as it reports", self.closed_from_send),
            ("closed loop, from the intended start", self.closed_from_intended),
        )
        rows = tuple((name, *(f"{d.percentile(p):.1f}" for p in selftest.PERCENTILES)) for name, d in told)
        return Table(("ms", *(f"p{p:g}" for p in selftest.PERCENTILES)), rows).text()


def stall(case: Case = selftest.STALL, client: clients.ClientProcess | None = None) -> Stall:
    """Fire a case of the selftest twice, open loop and closed loop, by the same client process."""
    firing = client or clients.shared()
    opened = selftest.read(case, firing)
    job, queue = selftest.prepared(case)
    with TruthServer(queue, len(case.plan)) as server:
        firing.open(server.url, case.plan.connections, bystander=False, listener=False)
        due_ns, sent_ns, answered_ns = firing.order("closed_loop", job)
        firing.close()
    return Stall(
        opened,
        Distribution.of((answered_ns - sent_ns) / NS_PER_MS),
        Distribution.of((answered_ns - due_ns) / NS_PER_MS),
    )
