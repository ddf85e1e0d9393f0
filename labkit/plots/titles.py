"""What a measurement says, as a sentence: the titles of figures, computed from what they show."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labkit.base.text import about, ratio, times
from labkit.runs.comparison import Comparison
from labkit.runs.kinds import by_cost, came_during
from labkit.runs.run import Run
from labkit.runs.summary import Distribution

#: Ratios nearer to 1 than this are no finding on two shared cores.
SAME = 1.33


def headline(result: Comparison) -> str:
    """The lead figure's title: does returning early answer anybody sooner, and who spares the neighbours?"""
    names = result.strategies
    thread = next((n for n in ("thread-broadcast", "thread", "background-task") if n in names), None)
    sentences = []
    if "inline" in names and thread is not None:
        a, b = result["inline"], result[thread]
        blocking = ratio(a.handler_blocking.p50_ms, b.handler_blocking.p50_ms)
        if blocking >= SAME:
            sentences.append(
                f"{thread} returns {times(blocking)} sooner. {_answered(a.own.p50_ms, b.own.p50_ms)}".strip()
            )
    elif extremes := _extremes({name: result[name].own.p50_ms for name in names}):
        sentences.append(f"Callers wait {extremes}.")
    if extremes := _extremes({name: result[name].bystander.p50_ms for name in names}):
        sentences.append(f"Neighbours wait {extremes}.")
    return "\n".join(sentences) or "No strategy makes a difference that can be told from noise."


def _answered(a_ms: float, b_ms: float) -> str:
    """Whether B's caller has its answer sooner than A's; nothing where B never answered or nobody looked."""
    if math.isnan(a_ms) or not math.isfinite(b_ms):
        return ""
    if math.isinf(a_ms):
        return "Its caller is answered, inline's is not."
    own = ratio(a_ms, b_ms)
    return f"Its caller is answered {times(own)} sooner." if own >= SAME else "Nobody is answered sooner."


def _extremes(waits_ms: dict[str, float]) -> str:
    """The longest and the shortest wait, where one is at least twice the other; nothing otherwise."""
    known = {name: ms for name, ms in waits_ms.items() if not math.isnan(ms)}
    if len(known) < 2:
        return ""
    longest, shortest = max(known, key=lambda n: known[n]), min(known, key=lambda n: known[n])
    if not known[longest] >= 2 * known[shortest] > 0 or math.isinf(known[shortest]):
        return ""
    return f"{about(known[longest])} under {longest}, {about(known[shortest])} under {shortest}"


def fastest(what: str, medians_ms: dict[str, float]) -> str:
    """Who is fastest and who is slowest, where that can be told."""
    known = {name: ms for name, ms in medians_ms.items() if not math.isnan(ms)}
    if len(known) > 1:
        best, worst = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
        if known[best] > 0 and known[worst] >= SAME * known[best] and math.isfinite(known[best]):
            return f"{what}: {best} is fastest, {worst} slowest at the median"
    return f"{what} by percentile"


def waterfall_title(run: Run) -> str:
    """How long the last answer took, beside the work that one event costs alone."""
    alone_ms = float(run.events["service"].mean()) / 1e6
    last_ms = run.makespan_ms
    if math.isnan(last_ms):
        return f"{run.strategy}: no event was answered"
    if len(run) == 1:
        # Of this very event: beside the calibration of another moment, it could be shorter than its own work.
        return f"{run.strategy}: answered after {last_ms:.0f} ms, of which {run.service_ms[0]:.0f} ms are work"
    return f"{run.strategy}: {alone_ms:.0f} ms of work each, the last answer after {last_ms:.0f} ms"


#: Of fewer events that came during a dear one, nothing is said.
FEWEST_BEHIND = 3


def by_kind_title(result: Comparison) -> str:
    """Of mixed traffic: how long the cheapest kind waits at worst and at best, and what it waits behind."""
    cheap, *_, dear = by_cost(result.runs)
    tails = {name: result[name].of_kind(cheap).own.tail for name in result.strategies}
    worst, best = max(tails, key=lambda n: tails[n][1]), min(tails, key=lambda n: tails[n][1])
    alone = about(result[worst].of_kind(cheap).service_ms)
    tail, worst_ms = tails[worst]
    first = f"A {cheap} of {alone} takes {about(worst_ms)} ({tail}) under {worst}"
    if worst_ms >= 2 * tails[best][1]:
        first += f", {about(tails[best][1])} under {best}"
    behind = {name: _during(result, name, cheap, dear) for name in result.strategies}
    known = {name: both for name, both in behind.items() if min(map(len, both)) >= FEWEST_BEHIND}
    factors = {name: ratio(own.p50_ms, others.p50_ms) for name, (own, others) in known.items()}
    most = max(factors, key=lambda n: factors[n], default=None)
    if most is None or not factors[most] >= 2:
        return f"{first}."
    own, others = (about(each.p50_ms) for each in known[most])
    return f"{first}.\nUnder {most}: {own} during its own client's {dear}, {others} during another's (median)."


def _during(result: Comparison, name: str, cheap: str, dear: str) -> tuple[Distribution, Distribution]:
    """Own latency of cheap events that came while a dear one was worked on: of their own client, or of another only."""
    own_ms: list[NDArray[np.float64]] = []
    others_ms: list[NDArray[np.float64]] = []
    for run in result.of(name):
        own, others = (came_during(run, dear, own_client=whose) >= 0 for whose in (True, False))
        own_ms.append(run.own_ms[run.is_kind(cheap) & own])
        others_ms.append(run.own_ms[run.is_kind(cheap) & others & ~own])
    return Distribution.of(np.concatenate(own_ms)), Distribution.of(np.concatenate(others_ms))


def closest(missed_ms: Mapping[str, NDArray[np.float64]], service_ms: float) -> str:
    """Which model's answers are nearest to the measured ones, and by how much it misses them."""
    known = {model: ms[np.isfinite(ms)] for model, ms in missed_ms.items()}
    off = {model: float(np.median(np.abs(ms))) for model, ms in known.items() if len(ms)}
    if not off:
        return "no event was answered"
    best = min(off, key=lambda model: off[model])
    share = f"{off[best] / service_ms:.0%} of the work"
    return f'"{best}" is the nearer model, off by {about(off[best])} ({share}) at the median'
