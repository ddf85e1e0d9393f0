"""A machine for crossover maps in which it is known who holds: ``survey(...).measure(measured=World().measured)``.

Events go through the queues of :mod:`labkit.plan.hop`, whose costs are the world's. What the calibration sees of them
can be made another thing, so that the model is wrong on purpose.
"""

from dataclasses import dataclass, field

import numpy as np

from labkit.base.clock import NS_PER_S
from labkit.experiments.crossover import Crossover
from labkit.experiments.crossover_grid import Alone, Grid
from labkit.plan.hop import Hop
from labkit.strategies import plain_name
from tests.support import simulated

HOPS = {
    "inline": Hop(1.0, 0.5),
    "process-pool": Hop(2.0, 0.8, 0.2),
    "celery": Hop(5.0, 1.0, 1.5),
}


@dataclass
class World:
    """What handling costs.

    Attributes:
        hops: of each strategy.
        slower: so many times longer than its calibration the work takes under load.
        bystander_ms: of each ping of a strategy that works in the server, and of any other.
        loses: of each cell so many events are never answered.
        asked: every call: strategy, workers, work, plan.
    """

    hops: dict = field(default_factory=lambda: dict(HOPS))
    slower: float = 1.0
    bystander_ms: tuple = (300.0, 2.0)
    loses: int = 0
    asked: list = field(default_factory=list)

    def measured(self, strategy, work, plan, **settings):
        """Stands in for :func:`labkit.measure`."""
        name = plain_name(strategy.name)
        workers = strategy.parameters.get("workers", 0)
        hop = self.hops[name]
        self.asked.append((name, workers, work.name, plan, settings))
        if "expected" not in settings:
            return self._alone(strategy, plan, hop)
        service_ms = settings["expected"].mean_service_ms
        due_s = plan.intended_ns / NS_PER_S
        elsewhere = workers if name != "inline" else 0
        own_ms = hop.latencies_s(due_s, self.slower * service_ms / 1000, elsewhere) * 1000
        own_ms[np.argsort(plan.intended_ns)[len(plan) - self.loses :]] = np.inf
        return simulated.run(
            strategy.name, plan=plan, own_ms=own_ms, service_ms=service_ms, work=work.name,
            bystander_ms=self.bystander_ms[bool(elsewhere)], pings=round(50 * settings["window_s"]),
            timeout_s=settings["timeout_s"], conditions={"parameters": dict(strategy.parameters)},
        )  # fmt: skip

    def _alone(self, strategy, plan, hop):
        cpu_ns = hop.server_ms * 1e6 * len(plan)
        return simulated.run(
            strategy.name, plan=plan, own_ms=hop.path_ms, service_ms=0.01,
            samples=[(0, 9, 5e7, 0), (1000, 9, 5e7, cpu_ns)],
            conditions={"server_cpu_s": (hop.server_ms + hop.worker_ms) * len(plan) / 1000},
        )  # fmt: skip


def crossover():
    """A map of four cells, of which one is not measured."""
    grid = Grid(
        ("inline", "process-pool"), ("process-pool",), ("process-pool",), (20.0,), (0.6, 1.5), (1,), bound_ms=200.0,
        events=160, least_s=3.0, most_s=60.0, connections=10, mode="threading", seed=0,
    )  # fmt: skip
    runs = {}
    for cell in grid.cells[:-1]:
        plan = grid.plan(cell, 20.0)
        due_s = plan.intended_ns / NS_PER_S
        own_ms = HOPS[cell.strategy].latencies_s(due_s, 0.02, cell.workers) * 1000
        runs[cell] = simulated.run(cell.strategy, plan=plan, own_ms=own_ms, service_ms=20, pings=150)
    return Crossover(grid, Alone({20.0: 20.0}, HOPS, {}), runs)
