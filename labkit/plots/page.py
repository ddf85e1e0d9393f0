"""Figures of a rendering: the advice's table at a glance, INP against staleness, and one run event by event."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.browser.frontier import FRAME_MS, felt
from labkit.browser.passes import Int64, Timed
from labkit.browser.rendering import WORK_OFF, Measured, Rendering, work_said
from labkit.browser.trace.reader import read
from labkit.plots.clicks import inp_parts, seen
from labkit.plots.frontier import frontier
from labkit.plots.nothing import nothing
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
    log_ms,
    message,
    short,
    stage_bars,
    styled,
    wrapped,
)
from labkit.plots.trace import pipeline
from labkit.runs.stages import NEVER
from labkit.runs.summary import BOUNDS_MS

__all__ = [
    "by_rate",
    "few_updates",
    "frontier",
    "headline",
    "inp_parts",
    "nothing",
    "overview",
    "pipeline_of",
    "seen",
    "waterfall",
    "waterfall_of",
]

GREY = "#999999"

#: The stages of a waterfall: label, from, to, colour, hatch (so that it can be read without colours).
UPDATE_BARS = (
    ("late on the server", "intended", "sent", BLACK, ""),
    ("held back by the server", "sent", "emitted", ORANGE, "...."),
    ("server to page", "emitted", "received", GREEN, ""),
    ("waits in the page", "received", "written", YELLOW, "////"),
    ("written, not yet seen", "written", "painted", PURPLE, "xxxx"),
)
CLICK_BARS = (
    ("waits for the page", "intended", "handled", RED, ""),
    ("the page's own handler", "handled", "sent", BLACK, ""),
    ("page to inbox", "sent", "read", SKY, ""),
    ("waits in the inbox", "read", "dispatched", YELLOW, "////"),
    ("waits for its turn", "dispatched", "work_start", ORANGE, "...."),
    ("work", "work_start", "work_end", BLUE, ""),
    ("work done, not yet sent", "work_end", "emitted", GREY, "\\\\\\\\"),
    ("server to page", "emitted", "delivered", GREEN, ""),
    ("answered, not yet seen", "delivered", "painted", PURPLE, "xxxx"),
)


@styled
def overview(result: Rendering, *, title: str | None = None) -> Figure:
    """The advice's table: DOM operations and reflows as counted, task time, INP and staleness as timed.

    Each ring is a run, and the thick bar is their median. Of staleness, the line reaches from the median to the p95.
    An INP that is too short to be told, or below 16 ms, stands at 16.
    """
    if not result.measured:
        return nothing(result)
    rows = range(len(result.measured))
    figure, panels = plt.subplots(1, 4, sharey=True, figsize=(WIDTH_IN, 2.2 + 0.36 * len(result.measured)))
    headings = (
        "DOM operations\nper event, exact",
        "Reflows\nper frame, exact",
        "Main thread\nbusy, ms",
        "INP and staleness\nms",
    )
    for axes, heading in zip(panels, headings, strict=True):
        axes.set_title(heading, linespacing=1.4)
        axes.grid(axis="y", visible=False)
    for row, each in zip(rows, result.measured, strict=True):
        if each.exact is not None:
            events = each.exact.frames * each.exact.events_per_frame
            _count(panels[0], row, each.exact.dom_ops / events, BLUE)
            forced = each.exact.forced_layouts > 0
            _count(panels[1], row, each.exact.layouts / each.exact.frames, RED if forced else BLUE, "forced" * forced)
        _rings(panels[2], row, each.values("task_ms"), ORANGE)
        _felt(panels[3], row, each)
    for axes in panels[:2]:
        _log_counts(axes)
    panels[2].set_xlim(left=0)
    log_ms(panels[3], "x", minimum_decades=1, ticks=5)
    panels[3].axvline(BOUNDS_MS[0], color=GREY, linewidth=1, linestyle=":")
    panels[3].plot([], [], "o", color=BLUE, markerfacecolor="white", label="INP")
    panels[3].plot([], [], "-", color=RED, linewidth=2, label="staleness")
    figure.legend(loc="outside lower right", ncols=2)
    panels[0].set_yticks(rows, [short(each.name) for each in result.measured])
    panels[0].set_ylim(max(1, len(result.measured)) - 0.5, -0.5)
    message(figure, title or headline(result))
    return figure


#: A stage that is shorter than this share of the longest line cannot be seen.
_SLIVER = 0.004


@styled
def waterfall(
    run: Timed,
    *,
    of: str = "updates",
    begin: int = 0,
    first: int = 20,
    title: str | None = None,
    note: str = "",
) -> Figure:
    """From when it was due to when it was seen: a line per update or click, a colour per stage.

    A stage that is nowhere long enough to be seen is neither drawn nor explained.

    Args:
        run: one run.
        of: ``updates`` or ``clicks``.
        begin: the first that is drawn.
        first: so many at most.
        title: instead of the finding.
        note: what has to be known about it, below the axis.
    """
    if of not in ("updates", "clicks"):
        raise UsageError(f"a waterfall is of updates or of clicks, not of {of!r}")
    bars, columns = (UPDATE_BARS, run.updates) if of == "updates" else (CLICK_BARS, run.clicks)
    part = slice(begin, begin + first)
    count = len(columns["intended"][part])
    # With room for a note, whether there is one or not: the same figure in every run, as nbval compares sizes.
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 2.3 + 0.18 * count))
    lines = np.arange(begin, begin + count)
    # Updates share an axis, on which a batch ends together; clicks are far apart, so each begins at 0.
    known = columns["intended"][part]
    zero_ms = (known if of == "clicks" else np.full(count, known.min() if count else 0)) / NS_PER_MS
    drawn = {name: column[part] for name, column in columns.items()}
    stage_bars(axes, lines, drawn, _visible(bars, drawn), zero_ms)
    axes.set_ylim(begin + count - 0.4, begin - 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0)
    since = "ms since the click" if of == "clicks" else "ms since the first of these updates was due"
    axes.set_xlabel("\n".join([since, wrapped(note, 110)]) if note else since)
    total = len(columns["intended"])
    axes.set_ylabel(of[:-1] if count == total else f"{of[:-1]}: {begin} to {begin + count - 1} of {total}")
    axes.grid(axis="y", visible=False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3)
    message(figure, title or _waterfall_finding(run, of))
    return figure


def _visible(
    bars: Sequence[tuple[str, str, str, str, str]], columns: Mapping[str, Int64]
) -> list[tuple[str, str, str, str, str]]:
    """The stages that would be seen: a legend that explains slivers explains nothing."""

    def longest(start: str, end: str) -> int:
        known = (columns[start] != NEVER) & (columns[end] != NEVER)
        return int((columns[end] - columns[start])[known].max(initial=0))

    whole = longest(bars[0][1], bars[-1][2]) or max(longest(start, end) for _, start, end, *_ in bars)
    return [bar for bar in bars if longest(bar[1], bar[2]) >= _SLIVER * whole]


def waterfall_of(result: Rendering, name: str, *, of: str = "updates", first: int = 20) -> Figure:
    """The :func:`waterfall` of a way's first run; of clicks, it says why work took longer or shorter than was asked."""
    runs = result[name].runs if result.measured else ()
    if not runs:
        return nothing(result)
    return waterfall(runs[0], of=of, first=first, note=_work_note(result[name], runs[0]) if of == "clicks" else "")


def _work_note(each: Measured, run: Timed) -> str:
    """Why the bars of the server's work are not as long as the work that was asked for; empty where they are."""
    said = work_said(each)
    notes = [f"{said[0].upper()}{said[1:]}."] if said else []
    took_ms = run.work_ms[~np.isnan(run.work_ms)]
    if run.work_cpu_ms and len(took_ms) and np.median(took_ms) > (1 + WORK_OFF) * max(run.work_cpu_ms, 1.0):
        asked = each.settings.get("work_ms")
        if not asked or run.work_cpu_ms > asked / 10:  # else it waited, and took as long as it was to wait
            span = " to ".join(dict.fromkeys(f"{ms:.0f}" for ms in (took_ms.min(), took_ms.max())))
            notes.append(
                f"The work used {run.work_cpu_ms:.0f} ms of the processor and took {span}: meanwhile others had the "
                "GIL or the processor."
            )
    return " ".join(notes)


def pipeline_of(result: Rendering, name: str, folder: Path) -> Figure:
    """Where a way's traced run spent the main thread's time; `folder` is where its trace was kept."""
    explained = result[name].explained if result.measured else None
    if explained and explained.trace:
        return pipeline(read(folder / explained.trace))
    return nothing(result, f"No trace of {name} was kept: record one (trace=True), and name a folder for it (folder=).")


@styled
def by_rate(rates_hz: Sequence[float], results: Sequence[Rendering], *, title: str | None = None) -> Figure:
    """How long one update keeps the page's main thread busy, by the rate at which they come: a line per way.

    Args:
        rates_hz: of the results.
        results: of each rate, the same ways.
        title: instead of the finding.
    """
    names = [each.name for each in results[0].measured] if results else []
    if not names:
        return nothing(results[0] if results else Rendering(()))
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 3.6))
    for name, colour, mark in zip(names, (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK), "osD^vP*", strict=False):
        busy = [np.median(r[name].values("task_ms")) / r[name].settings["events"] for r in results]
        axes.plot(rates_hz, busy, color=colour, marker=mark, label=name)
    axes.set_xscale("log")
    axes.set_xticks(list(rates_hz), [f"{rate:g}" for rate in rates_hz])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("updates per second (log scale)")
    axes.set_ylabel("main thread busy, ms per update")
    axes.legend(loc="upper right")
    message(figure, title or _rate_finding(axes))
    return figure


def _rate_finding(axes: Axes) -> str:
    """Of the lines that are drawn, from the lowest rate to the highest."""
    lines = [np.asarray(line.get_xydata()) for line in axes.lines]
    if all(line[line[:, 0].argmax(), 1] < line[line[:, 0].argmin(), 1] for line in lines):
        return "An update costs less the more of them share a frame" + (", batched or not" if len(lines) > 1 else "")
    return "What one update costs, by how many come"


@styled
def few_updates(result: Rendering, *, title: str | None = None) -> Figure:
    """Where a frame has one update at most: what each way does for it, and how old what it shows is.

    Args:
        result: from `browser.few_updates`.
        title: instead of the finding.
    """
    counted = [each for each in result.measured if each.exact is not None and each.exact.events_per_frame == 1]
    if not result.measured:
        return nothing(result)
    if not counted:
        return nothing(result, "Nothing was counted with one update in each frame: ask browser.few_updates.")
    figure, (counts, ages) = plt.subplots(1, 2, figsize=(WIDTH_IN, 3.4), width_ratios=(1, 1.35))
    shift = 0.16 * (len(counted) - 1)
    for place, (each, (colour, mark, line)) in enumerate(zip(counted, _TWO_LOOKS, strict=False)):
        values = list(_per_frame(each).values())
        counts.plot(values, np.arange(len(values)) - shift + 0.32 * place, mark, color=colour, markersize=7)
        ages.plot([], [], color=colour, marker=mark, linestyle=line, label=each.name)
        stale = np.sort(np.concatenate([run.staleness_ms for run in each.sound] or [np.zeros(0)]))
        known = stale[~np.isnan(stale)]
        share = np.arange(1, len(known) + 1) / max(1, len(known))
        ages.step(known, share, where="post", color=colour, linestyle=line, linewidth=2)
    counts.set_yticks(range(len(_PER_FRAME)), list(_PER_FRAME))
    counts.set_ylim(len(_PER_FRAME) - 0.5, -0.5)
    counts.set_xlim(0, counts.get_xlim()[1] + 0.2)
    counts.set_xlabel("for one update, exact")
    counts.grid(axis="y", visible=False)
    ages.set_xlim(left=0)
    ages.set_ylim(0, 1)
    ages.set_xlabel("staleness, ms")
    ages.set_ylabel("share of updates")
    figure.legend(loc="outside lower right", ncols=2)
    message(figure, title or _few_finding(counted))
    return figure


_TWO_LOOKS = ((BLUE, "o", "-"), (RED, "s", "--"))
_PER_FRAME = {
    "DOM operations": "dom_ops",
    "layouts": "layouts",
    "style recalculations": "style_recalcs",
    "paints": "paints",
}


def _per_frame(each: Measured) -> dict[str, float]:
    exact = each.exact
    assert exact is not None
    return {name: (getattr(exact, name) or 0) / exact.frames for name in _PER_FRAME.values()}


def _few_finding(counted: Sequence[Measured]) -> str:
    if len(counted) != 2:
        return "What one update in a frame costs"
    first, second = counted
    same = "saves nothing" if _per_frame(first) == _per_frame(second) else "changes the counts"
    said = f"With one update in a frame {second.name} {same}"
    ages_ms = [each.pooled("staleness_ms").p50_ms for each in counted]
    if not all(map(math.isfinite, ages_ms)):
        return said
    later_ms = ages_ms[1] - ages_ms[0]
    if abs(later_ms) < FRAME_MS / 2:
        return f"{said} and costs nothing: the medians of staleness are {abs(later_ms):.1f} ms apart"
    return f"{said}; its updates are {abs(later_ms):.0f} ms {'staler' if later_ms > 0 else 'fresher'}"


def headline(result: Rendering) -> str:
    """What the table says, in a sentence."""
    exact = {each.name: each.exact for each in result.measured if each.exact is not None}
    plain = [e for e in exact.values() if e.layouts and e.forced_layouts == 0]  # a canvas has none at all
    forced = [e for e in exact.values() if e.forced_layouts > 0]
    if plain and forced and all(e.layouts == e.frames for e in plain):
        worst = max(e.layouts / e.frames for e in forced)
        either = ", batched or not" if len(plain) > 1 else ""
        return (
            f"{plain[0].events_per_frame} updates in a frame cost one layout{either}, "
            f"and {worst:g} where the page reads geometry in between"
        )
    busy = {each.name: float(np.median(v)) for each in result.measured if len(v := each.values("task_ms"))}
    if len(busy) > 1:
        least, most = min(busy, key=lambda n: busy[n]), max(busy, key=lambda n: busy[n])
        return f"{least} keeps the page busy for {busy[least] / busy[most]:.0%} of {most}'s time"
    return "What updates do to a page"


def _count(axes: Axes, row: int, value: float, colour: str, note: str = "") -> None:
    if value == 0:  # which a log axis cannot show
        axes.annotate("none", (0, row), (6, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                      va="center", size=8.5)  # fmt: skip
        return
    axes.plot([value], [row], "s", color=colour, markersize=6)
    axes.annotate(f"{value:g} {note}".strip(), (value, row), (6, 0), textcoords="offset points", va="center", size=8.5)


def _log_counts(axes: Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    # Room for the last number, which stands right of its mark.
    axes.set_xlim(low / 1.5, high * 8)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.minorticks_off()


def _rings(axes: Axes, row: int, values: "np.ndarray[tuple[int], np.dtype[np.float64]]", colour: str) -> None:
    known = values[~np.isnan(values)]
    if len(known):
        axes.plot([np.median(known)] * 2, [row - 0.28, row + 0.28], color=colour, linewidth=2.6)
        axes.plot(known, [row] * len(known), "o", color=colour, markersize=6, markerfacecolor="white")


def _felt(axes: Axes, row: int, each: Measured) -> None:
    stale = each.pooled("staleness_ms")
    if len(stale):
        axes.plot([stale.p50_ms, stale.percentile(95)], [row + 0.12] * 2, color=RED, linewidth=2)
        axes.plot([stale.p50_ms] * 2, [row - 0.02, row + 0.26], color=RED, linewidth=2.6)
    inp = [ms for _, ms in map(felt, each.sound) if not math.isnan(ms)]
    axes.plot(inp, [row - 0.16] * len(inp), "o", color=BLUE, markersize=5, markerfacecolor="white")


def _waterfall_finding(run: Timed, of: str) -> str:
    bars: Sequence[tuple[str, str, str, str, str]] = UPDATE_BARS if of == "updates" else CLICK_BARS
    columns = run.updates if of == "updates" else run.clicks
    spent = {}
    for label, start, end, *_ in bars:
        seen = (columns[start] != NEVER) & (columns[end] != NEVER)
        spent[label] = float((columns[end] - columns[start])[seen].sum())
    total = sum(spent.values())
    if total <= 0:
        return f"No {of} were seen"
    most = max(spent, key=lambda label: spent[label])
    return f"Where the time of {of} goes: {most}, {spent[most] / total:.0%}"
