"""What a measurement says, as a sentence: the titles of figures, computed from what they show."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.base.text import about, milliseconds, ratio, times
from labkit.runs.comparison import Comparison
from labkit.runs.kinds import by_cost, came_during
from labkit.runs.run import Run
from labkit.runs.summary import Distribution
from labkit.strategies import plain_name

#: Ratios nearer to 1 than this are no finding on two shared cores.
SAME = 1.33

#: The two ways of the advice: A computes in the handler, B starts a thread there and returns.
LETTERS = {
    "inline": "A",
    "inline-serial": "A",
    "thread-broadcast": "B",
    "thread": "B",
    "background-task": "B",
}


def letters(result: Comparison) -> dict[str, str]:
    """Which rows are A and which are B; empty where not both were measured, for then it is not what is compared."""
    # A strategy's options and parameters stand behind a comma: "thread, async_handlers=False" is B too.
    found = {n: LETTERS.get(plain_name(result.of(n)[0].strategy), "") for n in result.strategies}
    return found if {"A", "B"} <= set(found.values()) else {}


def typical_ms(result: Comparison, name: str, of: str) -> float:
    """The median of the runs' medians, as figures mark it: inf where most runs have none, NaN without samples.

    Args:
        result: what was measured.
        name: of the strategy, as in ``result.strategies``.
        of: ``own``, ``bystander`` or ``handler_blocking``.
    """
    medians = [Distribution.of(getattr(run, f"{of}_ms")).p50_ms for run in result.of(name)]
    known = [ms for ms in medians if not math.isnan(ms)]
    return statistics.median(known) if known else math.nan


def headline(result: Comparison) -> str:
    """The lead figure's title: does returning early answer anybody sooner, and who spares the bystander?"""
    names = result.strategies
    sentences = [_b_beside_a(result)]
    if not any(sentences) and (waits := _extremes({name: typical_ms(result, name, "own") for name in names})):
        sentences.append(f"Callers wait {waits}.")
    if waits := _extremes({name: typical_ms(result, name, "bystander") for name in names}):
        sentences.append(f"A bystander waits {waits}.")
    return "\n".join(filter(None, sentences)) or "No strategy makes a difference that can be told from noise."


def _b_beside_a(result: Comparison) -> str:
    """What B does for its callers, beside A under the same settings; nothing where it makes no difference to them."""
    pairs = _pairs(result)
    if not pairs:
        return ""
    returns = [
        ratio(typical_ms(result, a, "handler_blocking"), typical_ms(result, b, "handler_blocking")) for a, b in pairs
    ]
    least = "at least " if len(pairs) > 1 else ""
    answers = _answers(result, pairs, least)
    if all(factor >= SAME for factor in returns):
        returned = f"B returns {least}{times(min(returns))} sooner"
        return f"{returned} {answers}." if answers else f"{returned}."
    return f"B {answers.removeprefix('and ')}." if any(_sooner(result, *pair) for pair in pairs) else ""


def _pairs(result: Comparison) -> list[tuple[str, str]]:
    """Each B with the A that was measured under the same settings, with as many clients."""
    found = letters(result)
    first = {name: result.of(name)[0] for name in found}
    settings = {name: (run.mode, run.conditions.is_serial, run.plan.connections) for name, run in first.items()}
    return [(a, b) for a in found for b in found if (found[a], found[b]) == ("A", "B") and settings[a] == settings[b]]


def _sooner(result: Comparison, a: str, b: str) -> bool:
    """Whether B's callers have their answers sooner than A's."""
    a_ms, b_ms = typical_ms(result, a, "own"), typical_ms(result, b, "own")
    return math.isfinite(b_ms) and (math.isinf(a_ms) or ratio(a_ms, b_ms) >= SAME)


def _answers(result: Comparison, pairs: Sequence[tuple[str, str]], least: str) -> str:
    """Whom B answers sooner, to go on with after what it returns; nothing where nobody looked."""
    if any(math.isnan(typical_ms(result, name, "own")) for pair in pairs for name in pair):
        return ""
    if any(math.isinf(typical_ms(result, b, "own")) for _, b in pairs):
        return "but leaves callers without an answer"
    sooner = [pair for pair in pairs if _sooner(result, *pair)]
    if not sooner:
        return "and answers nobody sooner"
    if len(sooner) < len(pairs):
        return f"and answers sooner only as {' and '.join(dict.fromkeys(b for _, b in sooner))}"
    factors = [ratio(typical_ms(result, a, "own"), typical_ms(result, b, "own")) for a, b in sooner]
    if math.isinf(min(factors)):
        return "and answers its callers, which A does not"
    return f"and answers its callers {least}{times(min(factors))} sooner"


def _extremes(waits_ms: Mapping[str, float]) -> str:
    """The longest and the shortest wait, where one is at least twice the other; nothing otherwise."""
    known = {name: ms for name, ms in waits_ms.items() if not math.isnan(ms)}
    if len(known) < 2:
        return ""
    longest, shortest = max(known, key=lambda n: known[n]), min(known, key=lambda n: known[n])
    if not known[longest] >= 2 * known[shortest] > 0 or math.isinf(known[shortest]):
        return ""
    return f"{about(known[longest])} under {longest}, {about(known[shortest])} under {shortest}"


def longest_and_shortest(what: str, medians_ms: Mapping[str, float]) -> str:
    """Whose median is longest and whose is shortest, where that can be told."""
    known = {name: ms for name, ms in medians_ms.items() if not math.isnan(ms)}
    if len(known) > 1:
        best, worst = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
        if known[best] > 0 and known[worst] >= SAME * known[best] and math.isfinite(known[best]):
            return f"{what}: {about(known[best])} under {best}, {about(known[worst])} under {worst} (median)"
    return f"{what} by percentile"


def strip_title(result: Comparison) -> str:
    """How long somebody waits who sent nothing: the longest and the shortest median where they differ."""
    waits = {name: typical_ms(result, name, "bystander") for name in result.strategies}
    known = {name: ms for name, ms in waits.items() if not math.isnan(ms)}
    if not known:
        return "Nobody pinged"
    shortest, longest = (found(known, key=lambda name: known[name]) for found in (min, max))
    who = "A bystander waits"
    if len(known) == 1 or known[longest] >= SAME * known[shortest]:
        rest = f", {about(known[shortest])} under {shortest}" if len(known) > 1 else ""
        return f"{who} {about(known[longest])} under {longest}{rest} (median)"
    low, high = milliseconds(known[shortest]), about(known[longest])
    return f"{who} {high if high.startswith(f'{low} ') else f'{low} to {high}'} (median) under each"


#: The parts of an event's time: from, to, and what it does meanwhile.
_PARTS = (
    ("intended", "read", "on its way to the server"),
    ("read", "dispatched", "waiting in the inbox"),
    ("dispatched", "work_start", "waiting for its turn"),
    ("work_start", "work_end", "at work"),
    ("work_end", "emitted", "done, but not yet sent"),
    ("emitted", "delivered", "answered, but not yet delivered"),
)


def waterfall_title(run: Run) -> str:
    """When the last is answered, and what an event's time goes into."""
    answered = np.isfinite(run.own_ms)
    if not answered.any():
        return f"{run.name}: no event was answered"
    last_ms = float(run.own_ms[answered].max())
    if len(run) == 1 and not math.isnan(run.service_ms[0]):
        # Of this very event: beside the calibration of another moment, it could be shorter than its own work.
        return f"{run.name}: answered after {last_ms:.0f} ms, of which {run.service_ms[0]:.0f} ms are work"
    last = "last" if run.plan.rate_hz is None else "slowest"  # of a burst the one is the other
    when = f"the {last} of {len(run)} is answered after {last_ms:.0f} ms"
    if not answered.all():
        when = f"{answered.sum()} of {len(run)} are answered, the {last} after {last_ms:.0f} ms"
    return f"{run.name}: {when}.\n{_where_time_goes(run, answered)}".rstrip()


def _where_time_goes(run: Run, answered: NDArray[np.bool_]) -> str:
    """The longest part of the answered events' time; nothing where no part was stamped."""
    total_ms = float(run.own_ms[answered].sum())
    parts_ms = {told: float(np.nansum(run.between_ms(start, end)[answered])) for start, end, told in _PARTS}
    longest = max(parts_ms, key=lambda told: parts_ms[told])
    if not parts_ms[longest] > 0:
        return ""
    alone_ms = float(run.events["service"].mean()) / NS_PER_MS
    stretched = ratio(float(np.nanmean(run.service_ms[answered])), alone_ms) if longest == "at work" else 1.0
    if stretched >= SAME:
        return f"Side by side, {about(alone_ms)} of work take {times(stretched)} as long."
    return f"An event spends {parts_ms[longest] / total_ms:.0%} of its time {longest}."


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
