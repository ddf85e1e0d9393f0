"""What a measurement says, as a sentence: the titles of figures, computed from what they show."""

import math

from labkit.comparison import Comparison
from labkit.records import Run

#: Ratios nearer to 1 than this are no finding on two shared cores.
SAME = 1.33


def ratio(better: float, worse: float) -> float:
    """How many times `worse` is larger; NaN where it cannot be told."""
    return worse / better if better > 0 and math.isfinite(worse) else math.nan


def times(value: float) -> str:
    """A factor as people say it: 12x, 3.4x."""
    return f"{value:.0f}x" if value >= 10 else f"{value:.1f}x"


def headline(result: Comparison) -> str:
    """The lead figure's title: does returning early answer anybody sooner, and who spares the neighbours?"""
    names = result.strategies
    thread = next((n for n in ("thread-broadcast", "thread", "background-task") if n in names), None)
    sentences = []
    if "inline" in names and thread is not None:
        a, b = result["inline"], result[thread]
        blocking = ratio(b.handler_blocking.p50_ms, a.handler_blocking.p50_ms)
        own = ratio(b.own.p50_ms, a.own.p50_ms)
        if blocking >= SAME:
            answered = "Nobody is answered sooner." if own < SAME else f"Its caller is answered {times(own)} sooner."
            sentences.append(f"{thread} returns {times(blocking)} sooner. {answered}")
    quiet = min(names, key=lambda name: result[name].bystander.p50_ms)
    loud = max(names, key=lambda name: result[name].bystander.p50_ms)
    quiet_ms, loud_ms = result[quiet].bystander.p50_ms, result[loud].bystander.p50_ms
    if ratio(quiet_ms, loud_ms) >= 2:
        sentences.append(f"Neighbours wait {about(loud_ms)} ms under {loud}, {about(quiet_ms)} ms under {quiet}.")
    return "\n".join(sentences) or "No strategy makes a difference that can be told from noise."


def about(value_ms: float) -> str:
    """Milliseconds with as many digits as two noisy cores deserve."""
    return f"{value_ms:.0f}" if value_ms >= 10 else f"{value_ms:.1f}"


def waterfall_title(run: Run) -> str:
    """How long the last answer took, beside the work that one event costs alone."""
    alone_ms = float(run.events["service"].mean()) / 1e6
    last_ms = run.makespan_ms
    if math.isnan(last_ms):
        return f"{run.strategy}: no event was answered"
    if len(run) == 1:
        return f"{run.strategy}: answered after {last_ms:.0f} ms, of which {alone_ms:.0f} ms are work"
    return f"{run.strategy}: {alone_ms:.0f} ms of work each, the last answer after {last_ms:.0f} ms"
