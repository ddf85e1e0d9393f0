"""Runs of a small queueing model of a server: what a claim says can be made true or false in it.

A world says how a server behaves. The world as measured is ``World()``; each of its fields can be changed so that some
claim is false::

    modelled.run("inline", World(), clients=10)                      # ten threads that share the GIL
    modelled.run("inline", World(gil=False), clients=10)             # nobody waits for anybody
    modelled.run("inline-serial", World(in_turn="server"))           # one event at a time of the whole server

The bystander's pings take a turn of the GIL at each of their steps behind every thread that computes just then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.experiments.eight_cases import EightCases
from labkit.plan import queueing
from labkit.plan.schedules import burst
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.strategies import plain_name
from tests.support import simulated

B_SERIAL = "thread, async_handlers=False"
TURN_MS, STEPS, TRANSPORT_MS = 5.0, 4, 0.5
EVENTS, PINGS = 10, 50


@dataclass(frozen=True)
class World:
    """How a server behaves.

    Attributes:
        gil: all threads of the server's process share one core's worth of Python.
        in_turn: whose events a serial server handles one at a time: each ``client``'s, or all of the ``server``.
        default_in_turn: with default settings, too.
        helps: how many times more slowly work goes in a handler than in a thread that the handler started.
        holds_pings: pings wait for what handlers hold, and not for the GIL.
        pool_spares: work of another process leaves the server's GIL alone.
        to_sender: the answer of a thread goes to its caller; else to everybody.
        broadcasts: without to=sid the answer of a thread goes to everybody.
        returns: a handler that starts a thread returns at once.
        reads_on: the connection reads on while a handler runs.
        beside_ms: what everything but the work takes.
        loses: an event of each run is never answered.
    """

    gil: bool = True
    in_turn: str = "client"
    default_in_turn: bool = False
    helps: float = 1.0
    holds_pings: bool = False
    pool_spares: bool = True
    to_sender: bool = True
    broadcasts: bool = True
    returns: bool = True
    reads_on: bool = True
    beside_ms: float = 0.5
    loses: bool = False


def run(
    strategy: str, world: World = World(), *, clients: int = EVENTS, computes: bool = True, events: int = EVENTS,
    work_ms: float = 100.0, mode: str = "threading",
) -> Run:  # fmt: skip
    """A burst, as the world has it."""
    plan = burst(events, connections=clients)
    base = plain_name(strategy)
    is_serial = "serial" in strategy or "async_handlers=False" in strategy
    in_handler = base in ("inline", "inline-serial")
    pool = base == "process-pool"
    line = _line(world, is_serial, in_handler, plan.connection)
    service_ms = work_ms * (world.helps if in_handler else 1.0)
    ends_ms, waits_ms = _worked(line, service_ms, shared=computes and world.gil, pool=pool)
    own_ms = ends_ms + world.beside_ms
    handler_ms = ends_ms - waits_ms if in_handler or not world.returns else np.full(events, 0.3)
    blocked_ms = handler_ms if (is_serial and in_handler) or not world.reads_on else np.full(events, 0.3)
    sent = np.concatenate([own_ms[:-1], [np.inf]]) if world.loses else own_ms
    found = simulated.run(
        strategy,
        plan=plan,
        own_ms=sent,
        handler_ms=handler_ms,
        blocked_ms=blocked_ms,
        bystander_ms=_pings(world, ends_ms, waits_ms, computes, pool, work_ms),
        strays=0,
        service_ms=work_ms,
        mode=mode,
        conditions={"options": {"async_handlers": False} if is_serial else {}},
    )
    if not computes:
        found.events["work_cpu"].setflags(write=True)
        found.events["work_cpu"][:] = np.where(found.events["work_cpu"] > 0, 50_000, found.events["work_cpu"])
    thread = base.startswith("thread")
    if thread and (world.broadcasts if base == "thread-broadcast" else not world.to_sender):
        return _broadcast(found)
    return found


def _line(world: World, is_serial: bool, in_handler: bool, connection: np.ndarray) -> np.ndarray:
    """Which events wait for each other: those with the same number are worked on one after the other."""
    if not in_handler or not (is_serial or world.default_in_turn):
        return np.arange(len(connection))
    return connection if is_serial and world.in_turn == "client" else np.zeros(len(connection), int)


def _worked(line: np.ndarray, service_ms: float, *, shared: bool, pool: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of each event when its work ended and how long it waited in line before, in ms; all arrive at once."""
    count = len(line)
    if pool:
        served = queueing.fifo(np.zeros(count), service_ms / 1000)
        return served.ends_s * 1000, served.starts_s * 1000
    # As many lines as there are move on at once, and share the processor if there is a GIL.
    place = np.array([int(np.count_nonzero(line[:i] == line[i])) for i in range(count)])
    ends_ms, waits_ms, began = np.zeros(count), np.zeros(count), 0.0
    for turn in range(int(place.max()) + 1):
        here = place == turn
        took = service_ms * (int(here.sum()) if shared else 1)
        waits_ms[here], ends_ms[here] = began, began + took
        began += took
    return ends_ms, waits_ms


def _pings(
    world: World, ends_ms: np.ndarray, waits_ms: np.ndarray, computes: bool, pool: bool, work_ms: float
) -> Sequence[float]:
    due_ms = (np.arange(PINGS) + 0.5) * 20
    competing = np.array([int(np.count_nonzero((waits_ms <= at) & (at < ends_ms))) for at in due_ms])
    if world.holds_pings:
        return [TRANSPORT_MS + max(0.0, float(ends_ms.max()) - at) for at in due_ms]
    waits = world.gil and computes and (not pool or not world.pool_spares)
    return (TRANSPORT_MS + STEPS * TURN_MS * competing * waits).tolist()


def _broadcast(found: Run) -> Run:
    """The same, with each answer also at everybody else's."""
    from dataclasses import replace

    answers = {name: np.array(column) for name, column in found.deliveries.items()}
    everybody = np.arange(found.plan.connections + 2)
    rows = [answers]
    for other in everybody:
        strangers = answers["connection"] != other
        rows.append({
            "event": answers["event"][strangers],
            "connection": np.full(int(strangers.sum()), other),
            "at": answers["at"][strangers],
            "kind": np.full(int(strangers.sum()), int(simulated.Delivery.STRAY)),
        })  # fmt: skip
    return replace(found, deliveries={name: np.concatenate([row[name] for row in rows]) for name in answers})


def comparison(
    strategies: Sequence[str], world: World = World(), *, clients: int = EVENTS, computes: bool = True
) -> Comparison:
    """One run of each."""
    return Comparison(tuple(run(name, world, clients=clients, computes=computes) for name in strategies))


FOUR = ("inline", "thread", "inline-serial", B_SERIAL)


def eight_cases(world: World = World()) -> EightCases:
    """A and B in all eight cases."""
    return EightCases(
        *(
            comparison(FOUR, world, clients=1, computes=computes) + comparison(FOUR, world, computes=computes)
            for computes in (True, False)
        )
    )
