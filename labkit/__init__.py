"""Measure what Flask-SocketIO event handlers do to the people at the other end.

    import labkit as lab
    from labkit import plots

    plan = lab.burst(events=10)
    result = lab.compare(["inline", "thread", "process-pool"], lab.cpu(ms=100), plan)
    plots.overview(result)

The names below are imported when they are used: ``import labkit`` itself loads nothing. Figures are in
:mod:`labkit.plots`, the page's half in :mod:`labkit.browser`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.base.errors import LabError
    from labkit.claims import check, claims_table
    from labkit.claims.judging import claim
    from labkit.experiments.batching import Batching, batching
    from labkit.experiments.blame import Blame, blame
    from labkit.experiments.capacity import Capacity
    from labkit.experiments.capacity_search import capacity
    from labkit.experiments.compare import compare, compare_modes, vary
    from labkit.experiments.crossover import Crossover
    from labkit.experiments.crossover_runs import crossover
    from labkit.experiments.delivery import delivery
    from labkit.experiments.diagnose import diagnose
    from labkit.experiments.diagnosis import Diagnosis
    from labkit.experiments.eight_cases import EightCases, eight_cases
    from labkit.experiments.fire import fire
    from labkit.experiments.gate import gate
    from labkit.experiments.measure import measure
    from labkit.experiments.one_app import compare_servers
    from labkit.experiments.predict import Prediction, predict
    from labkit.experiments.recommend import recommend
    from labkit.experiments.recommendation import Recommendation
    from labkit.experiments.settings import Settings
    from labkit.experiments.several_servers import SeveralServers, several_servers
    from labkit.experiments.slow_reader import Backlog, slow_reader
    from labkit.experiments.sustained import Sustained
    from labkit.experiments.sustained_runs import sustain
    from labkit.inside.instrument import Inside, instrument
    from labkit.inside.record import Record
    from labkit.plan.link import Link
    from labkit.plan.mix import mix
    from labkit.plan.replay import Replay, replay
    from labkit.plan.schedules import Schedule, burst, constant, poisson, ramp
    from labkit.plan.work import Work, call, cpu, cpu_nogil, io_wait, similar_prices
    from labkit.runs.comparison import Comparison
    from labkit.runs.conditions import Conditions
    from labkit.runs.delivery import Delivery
    from labkit.runs.diff import Diff, diff
    from labkit.runs.difference import Difference
    from labkit.runs.gate import Judgement
    from labkit.runs.one_app import AcrossServers
    from labkit.runs.run import Run
    from labkit.runs.summary import Summary
    from labkit.runs.verdicts import Verdicts, expect, verdicts
    from labkit.scale.network import Network, network
    from labkit.server.serving import Serving, serve
    from labkit.strategies import Strategy, show, strategy
    from labkit.ui.panel import panel
    from labkit.ui.watching import watch

__version__ = "0.1.0"

#: Of each public name the module that has it.
_HOMES = {
    "AcrossServers": "runs.one_app",
    "Backlog": "experiments.slow_reader",
    "Batching": "experiments.batching",
    "Blame": "experiments.blame",
    "Capacity": "experiments.capacity",
    "Comparison": "runs.comparison",
    "Conditions": "runs.conditions",
    "Delivery": "runs.delivery",
    "Crossover": "experiments.crossover",
    "Diagnosis": "experiments.diagnosis",
    "Diff": "runs.diff",
    "Difference": "runs.difference",
    "EightCases": "experiments.eight_cases",
    "Inside": "inside.instrument",
    "Judgement": "runs.gate",
    "LabError": "base.errors",
    "Link": "plan.link",
    "Network": "scale.network",
    "Prediction": "experiments.predict",
    "Recommendation": "experiments.recommendation",
    "Record": "inside.record",
    "Replay": "plan.replay",
    "Run": "runs.run",
    "Schedule": "plan.schedules",
    "Serving": "server.serving",
    "Settings": "experiments.settings",
    "SeveralServers": "experiments.several_servers",
    "Strategy": "strategies",
    "Summary": "runs.summary",
    "Sustained": "experiments.sustained",
    "Verdicts": "runs.verdicts",
    "Work": "plan.work",
    "batching": "experiments.batching",
    "blame": "experiments.blame",
    "burst": "plan.schedules",
    "call": "plan.work",
    "capacity": "experiments.capacity_search",
    "check": "claims",
    "claim": "claims.judging",
    "claims_table": "claims",
    "compare": "experiments.compare",
    "compare_modes": "experiments.compare",
    "compare_servers": "experiments.one_app",
    "constant": "plan.schedules",
    "cpu": "plan.work",
    "cpu_nogil": "plan.work",
    "delivery": "experiments.delivery",
    "crossover": "experiments.crossover_runs",
    "diagnose": "experiments.diagnose",
    "diff": "runs.diff",
    "eight_cases": "experiments.eight_cases",
    "expect": "runs.verdicts",
    "fire": "experiments.fire",
    "gate": "experiments.gate",
    "instrument": "inside.instrument",
    "io_wait": "plan.work",
    "measure": "experiments.measure",
    "mix": "plan.mix",
    "network": "scale.network",
    "panel": "ui.panel",
    "poisson": "plan.schedules",
    "predict": "experiments.predict",
    "ramp": "plan.schedules",
    "recommend": "experiments.recommend",
    "replay": "plan.replay",
    "serve": "server.serving",
    "several_servers": "experiments.several_servers",
    "show": "strategies",
    "similar_prices": "plan.work",
    "slow_reader": "experiments.slow_reader",
    "strategy": "strategies",
    "sustain": "experiments.sustained_runs",
    "vary": "experiments.compare",
    "verdicts": "runs.verdicts",
    "watch": "ui.watching",
}

__all__ = [
    "AcrossServers",
    "Backlog",
    "Batching",
    "Blame",
    "Capacity",
    "Comparison",
    "Conditions",
    "Crossover",
    "Delivery",
    "Diagnosis",
    "Diff",
    "Difference",
    "EightCases",
    "Inside",
    "Judgement",
    "LabError",
    "Link",
    "Network",
    "Prediction",
    "Recommendation",
    "Record",
    "Replay",
    "Run",
    "Schedule",
    "Serving",
    "Settings",
    "SeveralServers",
    "Strategy",
    "Summary",
    "Sustained",
    "Verdicts",
    "Work",
    "batching",
    "blame",
    "burst",
    "call",
    "capacity",
    "check",
    "claim",
    "claims_table",
    "compare",
    "compare_modes",
    "compare_servers",
    "constant",
    "cpu",
    "cpu_nogil",
    "crossover",
    "delivery",
    "diagnose",
    "diff",
    "eight_cases",
    "expect",
    "fire",
    "gate",
    "instrument",
    "io_wait",
    "measure",
    "mix",
    "network",
    "panel",
    "poisson",
    "predict",
    "ramp",
    "recommend",
    "replay",
    "serve",
    "several_servers",
    "show",
    "similar_prices",
    "slow_reader",
    "strategy",
    "sustain",
    "vary",
    "verdicts",
    "watch",
]

#: Functions of version 0.1, and what they are called now.
_RENAMED = {"across": "compare_modes"}

#: Modules of version 0.1 that people imported, and where their contents are now.
_MOVED = {
    "backpressure_plots": "labkit.plots (resources, told, slow_readers, batching_windows)",
    "capacity_plots": "labkit.plots (capacity_curve)",
    "closedloop": "labkit.experiments.stall",
    "diagnosis_plots": "labkit.plots (shares, kinds)",
    "mode_plots": "labkit.plots (by_mode)",
    "modes": "labkit.plan.modes",
    "schedules": "labkit.plan.schedules",
    "selftest": "labkit.experiments.selftest",
    "slow": "labkit.slow_reader",
    "workloads": "labkit.plan.work",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _RENAMED:
        raise AttributeError(f"labkit.{name} is called labkit.{_RENAMED[name]} now")
    if name in _MOVED:
        raise ImportError(f"labkit.{name} has moved: its names are in {_MOVED[name]} now")
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"labkit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
