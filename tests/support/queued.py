"""Load that lasts, without a server: runs that a queueing model generates, of many clients, event by event.

::

    queued.sustained()                                       # four strategies at three loads, as theory has them
    queued.sustained({"ack-first": queued.shedding})         # a strategy that behaves as another does
"""

import dataclasses
import heapq
import math

import numpy as np

from labkit.experiments.offered import arrivals
from labkit.experiments.sustained import Sustained
from labkit.plan import queueing
from labkit.runs.comparison import Comparison
from tests.support import simulated

#: A pool of two, work of 20 ms, twelve that may wait: what notebook 03 measures.
SERVERS, SERVICE_MS, WAITING = 2, 20.0, 12


def unbounded(plan, service_ms=SERVICE_MS, servers=SERVERS):
    """First in, first out, and nobody is refused."""
    due_s = plan.intended_ns / 1e9
    return queueing.fifo(due_s, service_ms / 1000, servers).latencies_s(due_s) * 1000, ["answered"] * len(plan)


def bounded(plan, service_ms=SERVICE_MS, servers=SERVERS, waiting=WAITING):
    """First in, first out; whoever comes when `waiting` wait already is refused at once."""
    busy, own_ms, outcomes = [], [], []  # of those that are here: when each will be done
    for due_ms in plan.intended_ns / 1e6:
        while busy and busy[0] <= due_ms:
            heapq.heappop(busy)
        if len(busy) >= servers + waiting:
            own_ms.append(0.5)
            outcomes.append("shed")
            continue
        # One of the servers is free when all but servers - 1 of those before it are done.
        ends = sorted(busy)
        begins = due_ms if len(busy) < servers else ends[len(ends) - servers]
        heapq.heappush(busy, begins + service_ms)
        own_ms.append(begins + service_ms - due_ms)
        outcomes.append("answered")
    return np.array(own_ms), outcomes


def nobody(plan):
    """Nobody is ever answered."""
    return np.full(len(plan), math.inf), ["timed out"] * len(plan)


#: As theory has the strategies of the notebook.
USUAL = {"ack-first": unbounded, "load-shedding": bounded}


def sustained(
    strategies=USUAL, loads=(0.5, 0.9, 1.5), seconds=2.5, servers=SERVERS, repeats=1, work_cpu=0, parameters=None, **run
):
    """What `lab.sustain` would have measured of strategies that behave as these models do.

    Args:
        strategies: of each name a model, plan -> (own_ms, outcomes).
        loads, seconds, servers, repeats: as of `lab.sustain`.
        work_cpu: ns of CPU time of an event's work; 0 for work that waits.
        parameters: what the runs say of their strategies; None for those of the notebook.
        run: further arguments of `simulated.run`.
    """
    told = {"workers": SERVERS, "waiting": WAITING} if parameters is None else parameters
    results = []
    for load in loads:
        plan = arrivals(load * servers / SERVICE_MS * 1000, seconds, connections=10, seed=0)
        runs = []
        for name, model in list(strategies.items()) * repeats:
            own_ms, outcomes = model(plan)
            about = {"plan": plan, "own_ms": own_ms, "outcomes": outcomes, "service_ms": SERVICE_MS}
            one = simulated.run(name, **{**about, "conditions": {"parameters": told}, **run})
            cpu = {"work_cpu": np.where(one.events["work_start"] >= 0, work_cpu, one.events["work_cpu"])}
            runs.append(dataclasses.replace(one, events={**one.events, **cpu}))
        results.append(Comparison(tuple(runs), names=tuple(strategies)))
    return Sustained(tuple(loads), tuple(results), servers, seconds)
