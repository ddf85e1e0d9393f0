"""Measure what Flask-SocketIO event handlers do to the people at the other end.

    import labkit as lab
    from labkit import plots

    plan = lab.burst(events=10)
    result = lab.compare(["inline", "thread", "process-pool"], lab.cpu(ms=100), plan)
    plots.overview(result)

The names below are imported when they are used: ``import labkit`` itself loads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.across_modes import across
    from labkit.capacity_search import capacity
    from labkit.claims import check, claim, claims_table
    from labkit.comparison import Comparison
    from labkit.control_panel import panel
    from labkit.diagnosis import diagnose
    from labkit.errors import LabError
    from labkit.experiment import compare, measure, vary
    from labkit.prediction import predict
    from labkit.recommendation import recommend
    from labkit.records import Run
    from labkit.schedules import burst, constant, poisson, ramp
    from labkit.strategies import show, strategy
    from labkit.workloads import call, cpu, cpu_nogil, io_wait, similar_prices

__version__ = "0.1.0"

_HOMES = {
    "across": "across_modes",
    "Comparison": "comparison",
    "LabError": "errors",
    "Run": "records",
    "burst": "schedules",
    "call": "workloads",
    "capacity": "capacity_search",
    "check": "claims",
    "claim": "claims",
    "claims_table": "claims",
    "compare": "experiment",
    "constant": "schedules",
    "cpu": "workloads",
    "cpu_nogil": "workloads",
    "diagnose": "diagnosis",
    "io_wait": "workloads",
    "measure": "experiment",
    "panel": "control_panel",
    "poisson": "schedules",
    "predict": "prediction",
    "ramp": "schedules",
    "recommend": "recommendation",
    "show": "strategies",
    "similar_prices": "workloads",
    "strategy": "strategies",
    "vary": "experiment",
}

__all__ = [
    "Comparison",
    "LabError",
    "Run",
    "across",
    "burst",
    "call",
    "capacity",
    "check",
    "claim",
    "claims_table",
    "compare",
    "constant",
    "cpu",
    "cpu_nogil",
    "diagnose",
    "io_wait",
    "measure",
    "panel",
    "poisson",
    "predict",
    "ramp",
    "recommend",
    "show",
    "similar_prices",
    "strategy",
    "vary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"labkit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
