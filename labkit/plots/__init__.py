"""Every figure of the lab: each takes what was measured and returns a matplotlib Figure whose title says what it shows.

::

    from labkit import plots

    plots.processes_and_threads()                   # a drawing: what runs where
    plots.overview(result)                          # the lead figure of a comparison
    plots.page.overview(rendering)                  # of what a browser measured; plots.trace of one recording

Names are imported when they are used, and matplotlib with the first of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.plots import page as page
    from labkit.plots import trace as trace
    from labkit.plots.app import blame, event_times, packets, unsent
    from labkit.plots.at_url import by_server, over_time
    from labkit.plots.audience import fan_out
    from labkit.plots.bars import thumbnail
    from labkit.plots.capacity import capacity_curve
    from labkit.plots.cases import eight_cases
    from labkit.plots.claims import advice_lines
    from labkit.plots.deliveries import delivery, delivery_times
    from labkit.plots.diagnosis import kinds, shares
    from labkit.plots.differences import diff
    from labkit.plots.holders import crossover
    from labkit.plots.load import batching_windows, resources, slow_readers, told
    from labkit.plots.mixed import by_kind
    from labkit.plots.modes import by_mode
    from labkit.plots.percentiles import distribution
    from labkit.plots.processes import processes_and_threads
    from labkit.plots.runs import bystander_strip, overview, residual, two_by_two, waterfall
    from labkit.plots.servers import several_servers
    from labkit.plots.utilisation import sustained

_HOMES = {
    "advice_lines": "claims",
    "batching_windows": "load",
    "blame": "app",
    "by_kind": "mixed",
    "by_mode": "modes",
    "by_server": "at_url",
    "bystander_strip": "runs",
    "capacity_curve": "capacity",
    "delivery": "deliveries",
    "delivery_times": "deliveries",
    "crossover": "holders",
    "diff": "differences",
    "distribution": "percentiles",
    "eight_cases": "cases",
    "event_times": "app",
    "fan_out": "audience",
    "kinds": "diagnosis",
    "over_time": "at_url",
    "overview": "runs",
    "packets": "app",
    "processes_and_threads": "processes",
    "residual": "runs",
    "resources": "load",
    "several_servers": "servers",
    "shares": "diagnosis",
    "slow_readers": "load",
    "sustained": "utilisation",
    "thumbnail": "bars",
    "told": "load",
    "two_by_two": "runs",
    "unsent": "app",
    "waterfall": "runs",
}

__all__ = [
    "advice_lines",
    "batching_windows",
    "blame",
    "by_kind",
    "by_mode",
    "by_server",
    "bystander_strip",
    "capacity_curve",
    "crossover",
    "delivery",
    "delivery_times",
    "diff",
    "distribution",
    "eight_cases",
    "event_times",
    "fan_out",
    "kinds",
    "over_time",
    "overview",
    "packets",
    "page",
    "processes_and_threads",
    "residual",
    "resources",
    "several_servers",
    "shares",
    "slow_readers",
    "sustained",
    "thumbnail",
    "told",
    "trace",
    "two_by_two",
    "unsent",
    "waterfall",
]


def __getattr__(name: str) -> Any:
    if name in ("page", "trace"):
        return importlib.import_module(f"labkit.plots.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.plots' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"labkit.plots.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
