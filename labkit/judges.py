"""What each claim compares with which bound: a comparison in, the measured value over its bound out.

1 or more holds. A judge that cannot judge raises :class:`Untestable` with the reason, a sentence for the reader.
"""

import math

import numpy as np
from numpy.typing import NDArray

from labkit import environment
from labkit.comparison import Comparison
from labkit.metrics import Summary
from labkit.records import Run
from labkit.stamps import NEVER

#: Connections that send no event of the plan: the bystander and the listener.
EXTRA_CONNECTIONS = 2


class Untestable(Exception):
    """Why a claim cannot be judged on what was measured."""


def one(result: Comparison, starts_with: str, *, serial: bool) -> Summary:
    """The summary of a strategy under default settings, or of the same with async_handlers=False."""
    for name in result.strategies:
        options = result.of(name)[0].environment.get("server_settings", {})
        is_serial = options.get("SocketIO(async_handlers=...)") == "False"
        if is_serial == serial and (
            name == starts_with or name.startswith((f"{starts_with}-serial", f"{starts_with},"))
        ):
            return result[name]
    settings = "with async_handlers=False" if serial else "with default settings"
    raise Untestable(f"needs runs of {starts_with} {settings}")


def ratio(larger: float, smaller: float) -> float:
    return larger / smaller if smaller > 0 else math.nan


def burst(result: Comparison) -> int:
    """How many events compete: the largest burst of the plan."""
    plan = result.runs[0].plan
    events = max(plan.intended_ns.tolist().count(at) for at in set(plan.intended_ns.tolist()))
    if events < 4:
        raise Untestable("needs at least four events at once: with fewer, nothing competes")
    return int(events)


def pings_meanwhile(run: Run) -> NDArray[np.bool_]:
    """Which of the bystander's pings were due while events were worked on.

    Work that was calibrated on a slowed core is over before its time, and the pings that come then meet nobody.
    """
    due: NDArray[np.bool_] = run.pings["intended"] < run.events["work_end"].max(initial=NEVER)
    return due


def service_ms(result: Comparison) -> float:
    return float(np.mean([run.events["service"].mean() for run in result.runs])) / 1e6


def _cpu_share(result: Comparison) -> float:
    """CPU time of the work over its time alone; of all runs, since one of them may have lost everything."""
    cpu = np.concatenate([run.events["work_cpu"] for run in result.runs])
    cpu = cpu[cpu != NEVER]
    if len(cpu) == 0:
        raise Untestable("needs answers: there is none to tell what kind of work it was")
    return ratio(float(cpu.mean()) / 1e6, service_ms(result))


def work_cpu_ms(result: Comparison, summary: Summary) -> float:
    """CPU time of one event's work as it was in these runs: a core that is slowed down for a while takes more of it."""
    cpu = np.concatenate([run.events["work_cpu"] for run in result.of(summary.strategy)])
    cpu = cpu[cpu != NEVER]
    return float(cpu.mean()) / 1e6 if len(cpu) else math.nan


def later(result: Comparison, b: Summary, a: Summary) -> float:
    """How many times longer b's callers wait than a's, at the median; a core that was slowed down meanwhile apart."""
    slowed = ratio(work_cpu_ms(result, b), work_cpu_ms(result, a)) if _cpu_share(result) > 0.5 else 1.0
    return ratio(b.own.p50_ms, a.own.p50_ms * slowed)


def _in_calculations(result: Comparison, summary: Summary) -> float:
    """A bystander's median wait, in calculations of the same runs."""
    return ratio(summary.bystander.p50_ms, work_cpu_ms(result, summary))


def computes(result: Comparison) -> None:
    """The claim is about work that holds the GIL, on an interpreter that has one."""
    if not environment.gil():
        raise Untestable("needs an interpreter with a GIL")
    if _cpu_share(result) < 0.5:
        raise Untestable("needs work that computes, not work that waits")


def waits(result: Comparison) -> None:
    if _cpu_share(result) > 0.2:
        raise Untestable("needs work that waits, not work that computes")


def alone(result: Comparison) -> float:
    if len(result.runs[0].plan) != 1:
        raise Untestable("needs a plan of one event")
    run = result.runs[0]
    own_ms, work_ms = float(run.own_ms[0]), float(run.service_ms[0])
    return ratio(0.25 * work_ms, max(own_ms - work_ms, 1e-6))


def reads_on(result: Comparison) -> float:
    burst(result)
    a = one(result, "inline", serial=False)
    return ratio(a.handler_blocking.p50_ms, a.connection_blocked.p50_ms) / 3


def neighbours_wait(result: Comparison) -> float:
    burst(result)
    computes(result)
    return _in_calculations(result, one(result, "inline", serial=False)) / 0.5


def serial_spares(result: Comparison) -> float:
    computes(result)
    bound = burst(result) / 4
    a, serial = one(result, "inline", serial=False), one(result, "inline", serial=True)
    return ratio(a.bystander.p50_ms, serial.bystander.p50_ms) / bound


def waiting_flips(result: Comparison) -> float:
    waits(result)
    bound = (burst(result) + 1) / 4
    a, serial = one(result, "inline", serial=False), one(result, "inline", serial=True)
    longer = ratio(serial.own.p50_ms, a.own.p50_ms) / bound
    # numpy's, since they keep NaN: what was not measured must not pass.
    neighbours_ms = float(np.maximum(a.bystander.p50_ms, serial.bystander.p50_ms))
    unnoticed = ratio(service_ms(result) / 2, neighbours_ms)
    return float(np.minimum(longer, unnoticed))


def thread_returns(result: Comparison) -> float:
    burst(result)
    a, b = one(result, "inline", serial=False), one(result, "thread", serial=False)
    return ratio(a.handler_blocking.p50_ms, b.handler_blocking.p50_ms) / 3


def thread_no_sooner(result: Comparison) -> float:
    burst(result)
    a, b = one(result, "inline", serial=False), one(result, "thread", serial=False)
    return later(result, b, a) / 0.6


def thread_neighbours(result: Comparison) -> float:
    burst(result)
    computes(result)
    return _in_calculations(result, one(result, "thread", serial=False)) / 0.5


def thread_worse_on_serial(result: Comparison) -> float:
    computes(result)
    bound = burst(result) / 5
    a, b = one(result, "inline", serial=True), one(result, "thread", serial=True)
    return ratio(b.bystander.p50_ms, a.bystander.p50_ms) / bound


def thread_right(result: Comparison) -> float:
    waits(result)
    bound = (burst(result) + 1) / 4
    a, b = one(result, "inline", serial=True), one(result, "thread", serial=True)
    return ratio(a.own.p50_ms, b.own.p50_ms) / bound


def broadcast(result: Comparison) -> float:
    b = one(result, "thread-broadcast", serial=False)
    others = sum(len(run) * (run.plan.connections - 1 + EXTRA_CONNECTIONS) for run in result.of(b.strategy))
    return 1.0 if b.strays == others else 0.0


def to_sid(result: Comparison) -> float:
    b = one(result, "thread", serial=False)
    return 1.0 if b.strays == 0 and b.outcomes["answered"] == b.events else 0.0


def processes_spare(result: Comparison) -> float:
    burst(result)
    computes(result)
    if environment.cores() < 2:
        raise Untestable("needs two cores: one to compute, one for the server")
    a, pool = one(result, "inline", serial=False), one(result, "process-pool", serial=False)
    return ratio(a.bystander.p50_ms, pool.bystander.p50_ms) / 10


def closed_ledger(result: Comparison) -> float:
    clean = all(
        s.outcomes["answered"] == s.events
        and s.duplicates == s.late == s.unaccounted == 0
        and (s.strays == 0 or s.strategy.startswith("thread-broadcast"))
        for s in result.summaries
    )
    return 1.0 if clean else 0.0
