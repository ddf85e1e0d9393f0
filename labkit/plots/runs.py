"""Figures: each takes what was measured and returns a matplotlib Figure whose title says what it shows."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.base.text import ratio, times
from labkit.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    WIDTH_IN,
    YELLOW,
    apart,
    legend,
    log_ms,
    message,
    short,
    stage_bars,
    styled,
)
from labkit.plots.titles import (
    SAME,
    closest,
    headline,
    letters,
    strip_title,
    typical_ms,
    waterfall_title,
)
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import Distribution

if TYPE_CHECKING:
    from labkit.experiments.predict import Prediction

#: The stages of a waterfall: label, from, to, colour, hatch (so that it can be read without colours).
BARS = (
    ("client to inbox", "sent", "read", SKY, ""),
    ("waits in the inbox", "read", "dispatched", YELLOW, "////"),
    ("waits for its turn", "dispatched", "work_start", ORANGE, "...."),
    ("work", "work_start", "work_end", BLUE, ""),
    ("work done, not yet sent", "work_end", "emitted", PURPLE, "xxxx"),
    ("answer queued and on its way", "emitted", "delivered", GREEN, ""),
)


#: Below so many milliseconds of a wait nobody notices a difference.
NOTICED_MS = 10.0

#: No higher than a screen's window of a notebook shows at once.
HIGHEST_IN = 5.2


@styled
def overview(result: Comparison, *, title: str | None = None) -> Figure:
    """The lead figure: handler-blocking time, own latency and bystander latency, one row a strategy, on log axes.

    A ring is a run's median, the bar the median of these, and the thin line reaches to the largest value of all.
    Where advice A and advice B are both there, rows say which is which.
    """
    names, letter = result.strategies, letters(result)
    figure, panels = plt.subplots(1, 3, sharey=True, figsize=(WIDTH_IN, 2.1 + 0.34 * len(names)))
    parts: tuple[tuple[str, str, str, Callable[[Run], Any], str], ...] = (
        ("Handler-blocking time", "how long the handler ran", "time", lambda run: run.handler_blocking_ms, ORANGE),
        ("Own answer", "until its caller was answered", "latency", lambda run: run.own_ms, BLUE),
        ("Bystander", "who only pings", "latency", lambda run: run.bystander_ms, RED),
    )
    rows = np.arange(len(names))
    for axes, (heading, subtitle, what, values, colour) in zip(panels, parts, strict=True):
        for row, name in zip(rows, names, strict=True):
            dots(axes, row, [Distribution.of(values(run)) for run in result.of(name)], colour)
        axes.set_title(f"{heading}\n{subtitle}", linespacing=1.4)
        log_ms(axes, "x", minimum_decades=2, ticks=5)
        axes.set_xlabel(f"{what} (ms, log scale)")
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(rows, [short(f"{letter.get(name) or ''}  {name}".strip()) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    apart(figure)
    message(figure, title or headline(result))
    told = [
        *dict.fromkeys(_what(run) for run in result.runs),
        "Ring: a run's median; bar: the median of these; line: to the largest",
    ]
    if letter:
        told.insert(-1, "A: the handler computes; B: it starts a thread that does")
    figure.supxlabel("\n".join(_lines(told)), fontsize=8.5, color="#555555", x=0.01, ha="left")
    return figure


def _lines(sentences: Sequence[str]) -> list[str]:
    """Sentences in lines of the figure's width, none of them broken."""
    lines: list[str] = []
    for sentence in sentences:
        if lines and len(lines[-1]) + len(sentence) < 125:
            lines[-1] += f" {sentence}."
        else:
            lines.append(f"{sentence}.")
    return lines


def dots(axes: Axes, row: Any, runs: Sequence[Distribution], colour: str) -> None:
    """A row of latencies: a ring is a run's median, the bar the median of these, the line reaches to the largest."""
    values_ms = np.concatenate([d.values_ms for d in runs])
    medians = [d.p50_ms for d in runs if len(d)]
    if not medians:
        return
    finite = values_ms[np.isfinite(values_ms)]
    typical_ms = statistics.median(medians)
    if math.isfinite(typical_ms):
        axes.plot([typical_ms, finite.max()], [row, row], color=colour, alpha=0.45, linewidth=1.4)
        axes.plot([typical_ms] * 2, [row - 0.28, row + 0.28], color=colour, linewidth=2.6)
    rings = [ms for ms in medians if math.isfinite(ms)]
    axes.plot(rings, [row] * len(rings), "o", color=colour, markersize=6, markerfacecolor="white")
    never = len(values_ms) - len(finite)
    if never:
        at_the_edge = axes.get_yaxis_transform()
        axes.text(0.99, row, f"{never} never", transform=at_the_edge, ha="right", va="center", fontsize=8)


@styled
def waterfall(
    run: Run,
    *,
    prediction: "Prediction | None" = None,
    guess_ms: float | None = None,
    first: int = 30,
    title: str | None = None,
) -> Figure:
    """A line an event, a colour a stage; theory's answers and the reader's guess drawn in.

    Args:
        run: what was measured.
        prediction: marks when each event would be answered one after the other (bar) and sharing the processor (ring).
        guess_ms: the reader's guess of when the last is answered.
        first: so many events at most; the axis says so where there are more.
        title: instead of the finding.
    """
    count = min(first, len(run))
    figure, axes = plt.subplots(figsize=(WIDTH_IN, min(HIGHEST_IN, 2.0 + 0.2 * count)))
    rows = np.arange(count)
    stage_bars(axes, rows, {name: column[:count] for name, column in run.events.items()}, BARS)
    unanswered = run.events["delivered"][:count] == NEVER
    if unanswered.any():
        where = run.events["intended"][:count][unanswered] / NS_PER_MS
        axes.plot(where, rows[unanswered], "x", color=BLACK, label="never answered")
    size = min(11.0, 150 / count)  # as high as a row, in points
    if prediction is not None:
        intended_ms = run.events["intended"][:count] / NS_PER_MS
        fifo, sharing = prediction.fifo_ms[:count] + intended_ms, prediction.sharing_ms[:count] + intended_ms
        axes.plot(fifo, rows, "|", color=BLACK, markersize=size, markeredgewidth=2, label="theory: one by one")
        axes.plot(
            sharing, rows, "o", color=BLACK, markerfacecolor="white", markersize=size / 2, label="theory: sharing"
        )
    if guess_ms is not None:
        axes.axvline(guess_ms, color=RED, linestyle="--", linewidth=1.4, label="your guess")
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"time since {_begin(run)} (ms)")
    axes.set_ylabel("event" if count == len(run) else f"event (first {count} of {len(run)})")
    axes.set_yticks(range(0, count, max(1, count // 10)))
    axes.grid(axis="y", visible=False)
    legend(figure, axes)
    message(figure, title or waterfall_title(run))
    return figure


def _begin(run: Run) -> str:
    """From when the time axis counts."""
    return "the burst was due" if len(run) > 1 and run.plan.rate_hz is None else "the first event was due"


@styled
def residual(run: Run, prediction: "Prediction", *, title: str | None = None) -> Figure:
    """Measured minus predicted, event by event: what each model leaves out, as dispatching and the GIL's hand-over.

    Above the line the model was too kind to the server. A point an event, in the order of the plan.
    """
    missed = prediction.missed_ms(run)
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(WIDTH_IN, 3.6))
    for axes, (model, left_out), colour, mark in zip(panels, missed.items(), (BLUE, ORANGE), "os", strict=True):
        seen = np.isfinite(left_out)
        axes.axhline(0, color=BLACK, linewidth=1)
        axes.plot(np.flatnonzero(seen), left_out[seen], mark, color=colour, markersize=4.5, alpha=0.8)
        about_it = "no event was answered"
        if seen.any():
            typical = float(np.median(left_out[seen]))
            axes.axhline(typical, color=colour, linestyle="--", linewidth=1.4)
            about_it = f"median {typical:+.1f} ms, {typical / prediction.service_ms:+.0%} of the work"
        axes.set_title(f"{model}\n{about_it}")
        axes.set_xlabel("event, in the order of the plan")
    panels[0].set_ylabel("measured minus predicted (ms)")
    message(figure, title or f"{run.strategy}: {closest(missed, prediction.service_ms)}")
    return figure


@styled
def bystander_strip(result: Comparison | Run, *, title: str | None = None) -> Figure:
    """Everybody else's latency over time: a point a ping at its intended instant, one strip a strategy.

    The axes are linear, so that the shape shows: a ping that is acknowledged only with the last answer of its run lies
    on a dashed line, on which the later it was due, the less it waits.
    """
    result = Comparison((result,)) if isinstance(result, Run) else result
    names = result.strategies
    shape = (WIDTH_IN, min(9.9, 1.5 + 1.25 * len(names)))
    figure, strips = plt.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False, figsize=shape)
    slowest_ms = NOTICED_MS
    for axes, name in zip(strips[:, 0], names, strict=True):
        for run in result.of(name):
            slowest_ms = max(slowest_ms, _pings(axes, run))
        _until_the_last_answers(axes, result.of(name))
        axes.set_title(name, fontsize=9.5)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_ylabel("ping (ms)")
    strips[0, 0].set_ylim(0, 1.08 * slowest_ms)
    strips[-1, 0].set_xlabel(f"when the ping was due: time since {_begin(result.runs[0])} (ms)")
    legend(figure, max(strips[:, 0], key=lambda axes: len(axes.get_legend_handles_labels()[1])))
    message(figure, title or strip_title(result))
    return figure


def _pings(axes: Axes, run: Run) -> float:
    """Draw a run's pings; returns the longest wait of those that came back."""
    at_ms, latency_ms = run.pings["intended"] / NS_PER_MS, run.bystander_ms
    seen = np.isfinite(latency_ms)
    first = not axes.lines
    axes.plot(
        at_ms[seen], latency_ms[seen], "o", color=RED, markersize=3.6, alpha=0.75, markeredgewidth=0,
        label="a ping" if first and seen.any() else None,
    )  # fmt: skip
    for i, at in enumerate(at_ms[~seen]):
        label = "never acknowledged" if first and i == 0 else None
        axes.axvline(at, color=BLACK, linewidth=0.8, label=label)
    return float(latency_ms[seen].max(initial=0.0))


def _until_the_last_answers(axes: Axes, runs: Sequence[Run]) -> None:
    """The shade of the time in which the server had work, and of each run where pings lie that wait until its end."""
    spans_ms = []
    for run in runs:
        answered = run.events["delivered"][run.events["delivered"] != NEVER]
        if len(answered) == 0:
            continue
        begin_ms, end_ms = run.events["intended"][0] / NS_PER_MS, float(answered.max()) / NS_PER_MS
        waits_ms = run.bystander_ms[np.isfinite(run.bystander_ms)]
        if waits_ms.max(initial=0.0) > 0.25 * (end_ms - begin_ms):  # else no ping comes near the line
            label = (
                None if any(line.get_linestyle() == "--" for line in axes.lines) else "pings that wait for it lie here"
            )
            axes.plot((begin_ms, end_ms), (end_ms - begin_ms, 0), "--", color=BLACK, linewidth=0.9, label=label)
        spans_ms.append((begin_ms, end_ms))
    if spans_ms:
        begins_ms, ends_ms = zip(*spans_ms, strict=True)
        axes.axvspan(min(begins_ms), max(ends_ms), color=SKY, alpha=0.18, linewidth=0, label="until the last answer")


@styled
def two_by_two(computes: Comparison, waits: Comparison, *, title: str | None = None) -> Figure:
    """The first lesson: computing or waiting work, default or serial server; A beside B for its caller and the rest.

    Args:
        computes, waits: `inline` and `thread`, each with default settings and with ``async_handlers=False``, measured
            with work that computes and with work that waits.
        title: instead of the finding.
    """
    names = {
        (kind, serial): tuple(_with_setting(result, strategy, serial) for strategy in ("inline", "thread"))
        for kind, result in (("computes", computes), ("waits", waits))
        for serial in (False, True)
    }
    figure, panels = plt.subplots(2, 2, sharex=True, sharey=True, figsize=(WIDTH_IN, 4.6))
    kinds = (("Work computes", computes), ("Work waits", waits))
    settings = (("default settings", False), ("async_handlers=False", True))
    for line, (kind, result) in zip(panels, kinds, strict=True):
        for axes, (setting, serial) in zip(line, settings, strict=True):
            a, b = names[kind.removeprefix("Work "), serial]
            rows = ((a, "own_ms", BLUE), (b, "own_ms", BLUE), (a, "bystander_ms", RED), (b, "bystander_ms", RED))
            for row, (name, values, colour) in enumerate(rows):
                dots(axes, row, [Distribution.of(getattr(run, values)) for run in result.of(name)], colour)
            axes.set_title(f"{kind}, {setting}\n{_does_b_help(result, a, b)}", linespacing=1.4)
            axes.grid(axis="y", visible=False)
    panels[0, 0].set_yticks(range(4), ("A: own answer", "B: own answer", "A: bystander", "B: bystander"))
    panels[0, 0].set_ylim(3.5, -0.5)
    log_ms(panels[0, 0], "x", minimum_decades=2)
    for axes in panels[1]:
        axes.set_xlabel("latency (ms, log scale)")
    apart(figure)
    helps = {key: _helps(waits if key[0] == "waits" else computes, *pair) for key, pair in names.items()}
    finding = "Does B, the thread, help? See below."
    if [key for key, yes in helps.items() if yes] == [("waits", True)]:
        finding = "Does B, the thread, help? Only where work waits on a server that is serial."
    message(figure, title or finding)
    return figure


def _with_setting(result: Comparison, strategy: str, serial: bool) -> str:
    """Its name among the runs: under default settings, or with async_handlers=False."""
    names = {False: (strategy,), True: (f"{strategy}-serial", f"{strategy}, async_handlers=False")}[serial]
    for name in names:
        if name in result.strategies:
            return name
    raise UsageError(f"this figure needs runs of {names[-1]}: there are {', '.join(result.strategies)}")


def _helps(result: Comparison, a: str, b: str) -> bool:
    a_ms, b_ms = typical_ms(result, a, "own"), typical_ms(result, b, "own")
    return math.isfinite(b_ms) and (math.isinf(a_ms) or ratio(a_ms, b_ms) >= SAME)


def _does_b_help(result: Comparison, a: str, b: str) -> str:
    own = ratio(typical_ms(result, a, "own"), typical_ms(result, b, "own"))
    a_ms, b_ms = typical_ms(result, a, "bystander"), typical_ms(result, b, "bystander")
    harm = ratio(b_ms, a_ms)
    caller = "B answers nobody sooner"
    if _helps(result, a, b):
        caller = "B answers, A does not" if math.isinf(own) else f"B answers {times(own)} sooner"
    if math.isinf(b_ms) and math.isfinite(a_ms):
        return f"{caller}, pings wait for ever"
    return f"{caller}, pings take {times(harm)} as long" if harm >= 2 and b_ms > NOTICED_MS else caller


def _what(run: Run) -> str:
    where = f"at {run.conditions.url}" if run.conditions.url else f"async_mode={run.mode}"
    return f"{run.plan.name}, each {run.work}, {where}"
