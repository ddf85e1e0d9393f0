"""What the judges of several claims share: how evidence is found in runs, and when it cannot be.

A judge takes what was measured and returns the measured value over its bound: 1 or more holds. Where it cannot judge,
it raises :class:`Untestable` with the reason, a sentence for the reader.
"""

import math

import numpy as np
from numpy.typing import NDArray

from labkit.base.text import ratio
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import Summary

#: Connections that send no event of the plan: the bystander and the listener.
EXTRA_CONNECTIONS = 2


class Untestable(Exception):
    """Why a claim cannot be judged on what was measured."""


def one(result: Comparison, starts_with: str, *, serial: bool) -> Summary:
    """The summary of a strategy under default settings, or of the same with async_handlers=False."""
    for name in result.strategies:
        if result.of(name)[0].conditions.is_serial == serial and (
            name == starts_with or name.startswith((f"{starts_with}-serial", f"{starts_with},"))
        ):
            return result[name]
    settings = "with async_handlers=False" if serial else "with default settings"
    raise Untestable(f"needs runs of {starts_with} {settings}")


def burst(result: Comparison) -> int:
    """How many events compete: the largest burst of the plan. A mean of two kinds of work is a bound for neither."""
    if result.kinds:
        raise Untestable("needs events of one kind of work: these are of a mix")
    plan = result.runs[0].plan
    events = int(np.unique(plan.intended_ns, return_counts=True)[1].max())
    if events < 4:
        raise Untestable("needs at least four events at once: with fewer, nothing competes")
    return events


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


def in_calculations(result: Comparison, summary: Summary) -> float:
    """A bystander's median wait, in calculations of the same runs."""
    return ratio(summary.bystander.p50_ms, work_cpu_ms(result, summary))


def computes(result: Comparison) -> None:
    """The claim is about work that holds the GIL, on an interpreter that has one."""
    if not all(run.has_gil for run in result.runs):
        raise Untestable("needs an interpreter with a GIL")
    if _cpu_share(result) < 0.5:
        raise Untestable("needs work that computes, not work that waits")


def waits(result: Comparison) -> None:
    if _cpu_share(result) > 0.2:
        raise Untestable("needs work that waits, not work that computes")
