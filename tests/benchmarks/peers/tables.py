"""Rounds to rows, rows to a table; a peer that is not there is a row that says why. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tabulate import tabulate

from tests.benchmarks.peers.cost import Cost
from tests.benchmarks.peers.reports import PERCENTILES, Report
from tests.benchmarks.peers.stall import Stall

COST_HEADERS = (
    "client",
    "acks per client CPU s",
    "range",
    "us an event",
    "client's cores",
    "server's cores",
    "rounds",
)
STALL_HEADERS = (
    "client",
    "constant rate by",
    "events",
    *(f"p{p:g} ms" for p in PERCENTILES),
    "range of p99",
    "p99 of truth",
    "rounds",
)

WAYS = {"loop": "a loop that waits for each answer", "timer": "a timer, waiting for nobody"}

Rows = list[tuple[str, ...]]


def spread(values: Sequence[float], write: Callable[[float], str]) -> tuple[str, str]:
    """Median and range, as text."""
    return write(float(np.median(values))), f"{write(min(values))} to {write(max(values))}"


def _thousands(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}"


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def absent(name: str, reason: str, columns: int) -> tuple[str, ...]:
    """The row of a peer of which there is no figure."""
    return (name, reason, *[""] * (columns - 2))


def _rounds(good: int, failures: Sequence[str]) -> str:
    return f"{good}" if not failures else f"{good} of {good + len(failures)} ({failures[0]})"


def cost_rows(rounds: Mapping[str, Sequence[Cost]], failures: Mapping[str, Sequence[str]]) -> Rows:
    """Most acknowledgements first; those without a round at the end."""
    rows: Rows = []
    for name, costs in sorted(rounds.items(), key=lambda item: -_median_rate(item[1])):
        failed = failures.get(name, [])
        if not costs:
            rows.append(absent(name, failed[0] if failed else "not measured", len(COST_HEADERS)))
            continue
        rates = [c.acks_per_cpu_s for c in costs]
        rows.append(
            (
                name,
                *spread(rates, _thousands),
                f"{1e6 / float(np.median(rates)):.0f}",
                f"{np.median([c.client_busy for c in costs]):.2f}",
                f"{np.median([c.server_busy for c in costs]):.2f}",
                _rounds(len(costs), failed),
            )
        )
    return rows


def _median_rate(costs: Sequence[Cost]) -> float:
    return float(np.median([c.acks_per_cpu_s for c in costs])) if costs else 0.0


def stall_rows(
    truth: Report,
    rounds: Mapping[tuple[str, str], Sequence[Stall]],
    failures: Mapping[tuple[str, str], Sequence[str]],
) -> Rows:
    """Truth first, then everybody in the order given; the last figure column is reported p99 over true p99."""
    p99 = PERCENTILES.index(99.0)
    rows: Rows = [
        ("truth (Lindley)", "intended arrivals", f"{truth.acks:,}", *map(_ms, truth.percentiles_ms), "", "100%", "")
    ]
    for (name, way), stalls in rounds.items():
        failed = failures.get((name, way), [])
        if not stalls:
            rows.append(absent(name, failed[0] if failed else "not measured", len(STALL_HEADERS)))
            continue
        columns = list(zip(*(s.report.percentiles_ms for s in stalls), strict=True))
        medians = [float(np.median(column)) for column in columns]
        rows.append(
            (
                name,
                WAYS[way],
                _thousands(float(np.median([s.events for s in stalls]))),
                *map(_ms, medians),
                spread(columns[p99], _ms)[1],
                f"{medians[p99] / truth.percentiles_ms[p99]:.0%}",
                _rounds(len(stalls), failed),
            )
        )
    return rows


def render(headers: Sequence[str], rows: Rows, *, markdown: bool = False) -> str:
    """As text, or as GitHub's Markdown."""
    right = ["left" if i < 1 else "right" for i in range(len(headers))]
    if markdown:
        rows = [tuple(cell.replace("|", "\\|") for cell in cells) for cells in rows]
    return tabulate(rows, headers, tablefmt="github" if markdown else "simple", colalign=right, disable_numparse=True)
