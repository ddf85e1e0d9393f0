"""Figures of a rendering: the advice's table at a glance, INP against staleness, and one run event by event."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.browser.frontier import FRAME_MS, Point, best, felt, points
from labkit.browser.passes import INTERACTION_PARTS, SHORTEST_MS, Int64, Timed, in_three
from labkit.browser.rendering import WORK_OFF, Measured, Rendering, work_said
from labkit.browser.table import inp_verdict
from labkit.browser.trace.reader import read
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
def inp_parts(result: Rendering, *, first: int = 4, title: str | None = None) -> Figure:
    """What a click waits for: a bar per interaction, stacked of its three parts, way by way.

    Input delay: the main thread is busy with something else. Processing: the handlers run. Presentation delay: from
    their end to the frame that shows what they did. https://web.dev/articles/inp

    Args:
        result: ways that were clicked, as from `interact_each`.
        first: so many interactions of each way at most, the longest ones.
        title: instead of the finding.
    """
    if not result.measured:
        return nothing(result)
    told = {each.name: _told(each) for each in result.measured}
    # By what was clicked, not by what the browser told of it: the same figure in every run, as nbval compares sizes.
    clicked = [sum(len(run.clicks["intended"]) for run in each.sound) for each in result.measured]
    rows = sum(max(1, min(first, clicks)) for clicks in clicked)
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.7 + 0.26 * rows + 0.16 * len(told)))
    ends = [sum(each[key] for key in INTERACTION_PARTS.values()) for known in told.values() for each in known]
    row, places = 0.0, list[float]()
    for each in result.measured:
        drawn = sorted(told[each.name], key=lambda one: -float(one["duration_ms"]))[:first]
        for place, interaction in enumerate(drawn):
            _in_parts(axes, row + place, interaction)
        if not drawn:
            axes.text(0, row, f" {_untold(each)}", va="center", fontsize=8.5)
        places.append(row + max(0, len(drawn) - 1) / 2)
        row += max(1, len(drawn)) + 0.6
    for name, (colour, hatch) in zip(INTERACTION_PARTS, _PART_LOOKS, strict=True):
        axes.barh(0, 0, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=name)
    axes.set_xlim(0, max(ends, default=0) * 1.12 or SHORTEST_MS)
    dotted = [bound for bound in BOUNDS_MS if bound < axes.get_xlim()[1]]
    for bound in dotted:
        axes.axvline(bound, color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(places, [_group(each.name, len(told[each.name]), first) for each in result.measured])
    axes.set_ylim(row - 0.9, -0.7)
    axes.grid(axis="y", visible=False)
    where = f" (dotted: {' and '.join(f'{bound:g}' for bound in dotted)})" if dotted else ""
    axes.set_xlabel(f"ms from the input to the next paint, a bar per interaction{where}")
    figure.legend(loc="outside lower right", ncols=3)
    message(figure, title or _parts_finding(told))
    return figure


_PART_LOOKS = ((RED, ""), (BLACK, ""), (PURPLE, "xxxx"))


def _told(each: Measured) -> list[Mapping[str, Any]]:
    """The interactions whose three parts are known."""
    found = [one for run in each.sound for one in run.interactions if in_three(one)]
    return [one for one in found if one["duration_ms"] >= SHORTEST_MS]


def _untold(each: Measured) -> str:
    """Why there is no bar."""
    clicks = sum(len(run.clicks["intended"]) for run in each.sound)
    if not clicks:
        return "nobody clicked"
    if any(not in_three(one) for run in each.sound for one in run.interactions):
        return "an older labkit recorded this: it kept no parts"
    return f"{clicks} clicks, each below {SHORTEST_MS} ms: the browser tells no more of them"


def _group(name: str, count: int, first: int) -> str:
    return f"{short(name)}\n({first} longest of {count})" if count > first else short(name)


def _in_parts(axes: Axes, row: float, interaction: Mapping[str, Any]) -> None:
    left = 0.0
    for key, (colour, hatch) in zip(INTERACTION_PARTS.values(), _PART_LOOKS, strict=True):
        axes.barh(
            row, interaction[key], left=left, height=0.78, color=colour, hatch=hatch, edgecolor="white", linewidth=0
        )
        left += interaction[key]
    axes.text(left, row, f" {interaction['duration_ms']:.0f}", va="center", fontsize=8.5)


def _parts_finding(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    known = [(float(one["duration_ms"]), name, one) for name, interactions in told.items() for one in interactions]
    if not known:
        return f"No interaction took {SHORTEST_MS} ms or more"
    duration_ms, name, one = max(known, key=lambda each: each[0])
    parts = {part: float(one[key]) for part, key in INTERACTION_PARTS.items()}
    most = max(parts, key=lambda part: parts[part])
    share = parts[most] / sum(parts.values())
    return f"The longest interaction, {duration_ms:.0f} ms under {name}, is {share:.0%} {most}"


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


GREY = "#999999"
_MARKS = "osD^vPX*<>hd"
_COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK, "#8C8C00")


@styled
def frontier(result: Rendering, *, title: str | None = None) -> Figure:
    """INP against staleness, a panel per number of rows: low and left is good, and either alone can mislead.

    Each way has a colour and a shape, each rate a size. Filled marks are on the frontier: nothing under the same load
    is as good in both and better in one. Where there are several runs, small rings show each. A few marks are named
    where they are; many have a legend.
    """
    found = points(result)
    if not result.measured:
        return nothing(result)
    ways = list(dict.fromkeys(point.way for point in found))
    rates = sorted({point.rate_hz for point in found})
    many = sorted({point.rows for point in found}) or [0]
    figure, panels = plt.subplots(1, len(many), sharex=True, sharey=True, squeeze=False, figsize=(WIDTH_IN, 4.6))
    first_best = best(found)
    size = {rate: 6 + 5.0 * place / max(1, len(rates) - 1) for place, rate in enumerate(rates)}
    for axes, rows in zip(panels[0], many, strict=True):
        axes.set_title(f"{rows} rows" if len(many) > 1 else "")
        for bound in BOUNDS_MS:
            axes.axvline(bound, color=GREY, linewidth=1, linestyle=":")
            axes.axhline(bound, color=GREY, linewidth=1, linestyle=":")
        for point in reversed(found):  # the first way on top: a circle over a square shows both
            if point.rows == rows:
                _mark(axes, point, ways.index(point.way), size[point.rate_hz], filled=point in first_best)
        axes.set_xlabel("staleness p95, ms")
    log_ms(panels[0][0], "x", minimum_decades=2)
    log_ms(panels[0][0], "y", minimum_decades=2)
    panels[0][0].set_ylabel(f"INP, ms (drawn at {SHORTEST_MS} where shorter)")
    if found and len(found) <= _FEW and len(rates) == 1:
        for axes, rows in zip(panels[0], many, strict=True):
            _name_marks(axes, [point for point in found if point.rows == rows])
        figure.supxlabel(
            "filled: no other way is as good in both and better in one (dotted: {:g} and {:g} ms)".format(*BOUNDS_MS),
            fontsize=8.5,
        )
    elif found:
        figure.legend(handles=_legend(ways, rates, size), loc="outside right center")
    message(figure, title or _frontier_finding(result, found, first_best))
    return figure


#: So many marks have room for their names.
_FEW = 6


def _name_marks(axes: Axes, found: Sequence[Point]) -> None:
    """Beside each mark its name, where it covers neither another mark nor another name."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # else nobody knows where the marks come to lie
    pixels = axes.figure.dpi / 72
    places = axes.transData.transform([(point.staleness_ms, point.inp_ms) for point in found] or np.zeros((0, 2)))
    taken = [_Box(x - 6 * pixels, y - 6 * pixels, x + 6 * pixels, y + 6 * pixels) for x, y in places]
    inside = _Box(*axes.bbox.extents)
    for point, (x, y) in sorted(zip(found, places, strict=True), key=lambda each: float(each[1][0])):
        wide, high = 6.2 * len(point.way) * pixels, 12 * pixels
        boxes = {
            (side, up): _Box.beside(x + side * 8 * pixels, y + up * pixels, side * wide, high)
            for up in (0, 10, -10, 20, -20, 30, -30)
            for side in (1, -1)
        }
        side, up = min(boxes, key=lambda place: (boxes[place].outside(inside), sum(map(boxes[place].meets, taken))))
        taken.append(boxes[side, up])
        axes.annotate(
            point.way,
            (point.staleness_ms, point.inp_ms),
            (side * 8, up),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=9,
        )


class _Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    low: float
    right: float
    high: float

    @classmethod
    def beside(cls, x: float, y: float, wide: float, high: float) -> Self:
        """From x to the right by `wide`, to the left where it is negative, and around y."""
        return cls(min(x, x + wide), y - high / 2, max(x, x + wide), y + high / 2)

    def meets(self, other: "_Box") -> bool:
        """Whether they have a point in common."""
        return self.left < other.right and other.left < self.right and self.low < other.high and other.low < self.high

    def outside(self, other: "_Box") -> bool:
        """Whether a part of it lies outside of the other."""
        return self.left < other.left or self.right > other.right or self.low < other.low or self.high > other.high


def _mark(axes: Axes, point: Point, place: int, size: float, *, filled: bool) -> None:
    colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
    if len(point.repeats) > 1:
        x, y = np.array(point.repeats).T
        axes.plot(x, y, mark, color=colour, markerfacecolor="none", markersize=3.5, alpha=0.6)
    face = colour if filled else "white"
    axes.plot(point.staleness_ms, point.inp_ms, mark, color=colour, markerfacecolor=face, markersize=size, zorder=3)


def _legend(ways: Sequence[str], rates: Sequence[float], size: dict[float, float]) -> list[Line2D]:
    def entry(mark: str, colour: str, label: str, points: float = 7, face: str | None = None) -> Line2D:
        return Line2D([], [], linestyle="", marker=mark, color=colour, markersize=points, label=label,
                      markerfacecolor=face or colour)  # fmt: skip

    shown = [entry(_MARKS[i % 12], _COLOURS[i % 8], short(way)) for i, way in enumerate(ways)]
    shown += [entry("o", GREY, f"{rate:g} updates/s", size[rate]) for rate in rates] if len(rates) > 1 else []
    shown.append(entry("o", BLACK, "on the frontier\nof its load"))
    shown.append(entry("o", BLACK, "another way is\nbetter", face="white"))
    return shown


def _frontier_finding(result: Rendering, found: Sequence[Point], on_it: Sequence[Point]) -> str:
    good, old = BOUNDS_MS
    worst = max((p for p in found if p.inp_ms <= good), key=lambda p: p.staleness_ms, default=None)
    if worst is not None and worst.staleness_ms > old:
        return f"{worst.way} has a good INP, and what it shows is {worst.staleness_ms / 1000:.1f} s old"
    if found and all(p.inp_ms <= good for p in found):
        return "Every way has a good INP here; staleness tells them apart"
    return "INP and staleness, way by way"


@styled
def seen(result: Rendering, *, guess_ms: float | None = None, title: str | None = None) -> Figure:
    """From the click to its result, a ring per click; and INP, a diamond per run. Dotted: the bounds of INP.

    Args:
        result: ways that were clicked, as from `tour` or `interact`.
        guess_ms: the reader's guess of INP.
        title: instead of the finding.
    """
    if not result.measured:
        return nothing(result)
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.9 + 0.5 * len(result.measured)))
    for row, each in enumerate(result.measured):
        results_ms = np.concatenate([run.click_to_result_ms for run in each.sound] or [np.zeros(0)])
        inp_ms = [max(SHORTEST_MS, run.inp_ms or 0) for run in each.sound if len(run.clicks["intended"])]
        known = results_ms[~np.isnan(results_ms)]
        axes.plot(known, [row + 0.14] * len(known), "o", color=ORANGE, markerfacecolor="white", markersize=6)
        axes.plot(inp_ms, [row - 0.14] * len(inp_ms), "D", color=BLUE, markersize=8)
    axes.plot([], [], "D", color=BLUE, label=f"INP (drawn at {SHORTEST_MS} where shorter)")
    axes.plot([], [], "o", color=ORANGE, markerfacecolor="white", label="click to result, each click")
    log_ms(axes, "x", minimum_decades=2)
    for bound in BOUNDS_MS:
        axes.axvline(bound, color=GREY, linewidth=1, linestyle=":")
    if guess_ms is not None:
        axes.axvline(guess_ms, color=RED, linestyle="--", linewidth=1.4, label="your guess")
    axes.set_yticks(range(len(result.measured)), [short(each.name) for each in result.measured])
    axes.set_ylim(len(result.measured) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms (log scale; dotted: {:g} and {:g})".format(*BOUNDS_MS))
    figure.legend(loc="outside lower right", ncols=3)
    message(figure, title or _seen_finding(result))
    return figure


def _seen_finding(result: Rendering) -> str:
    by_verdict: dict[str, list[str]] = {}
    for each in result.measured:
        by_verdict.setdefault(inp_verdict(each), []).append(each.name)
    told = ", ".join(f"{verdict} under {' and '.join(names)}" for verdict, names in by_verdict.items())
    last_s = [each.pooled("click_to_result_ms").max_ms / 1000 for each in result.measured]
    if not all(map(math.isfinite, last_s)):
        return f"INP is {told}"
    between = " to ".join(dict.fromkeys(f"{s:.{1 if s >= 0.1 else 2}f}" for s in (min(last_s), max(last_s))))
    return f"INP is {told}; the last result comes after {between} s"


@styled
def nothing(result: Rendering, otherwise: str = "Nothing was measured.") -> Figure:
    """A figure that says why there is none: what the result says of it, else `otherwise`."""
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.4))
    axes.axis("off")
    why = " ".join(result.problems) or otherwise
    axes.text(0, 0.5, wrapped(why, 100), va="center", fontsize=10)
    message(figure, "There is no figure")
    return figure
