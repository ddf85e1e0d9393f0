"""The advice's table, filled: pattern, DOM operations, reflows, paint cost, verdict, and the columns that it lacks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.base.text import milliseconds
from labkit.browser.page.patterns import NOT_COUNTED
from labkit.browser.passes import INTERACTION_PARTS, SHORTEST_MS, Float64, in_three
from labkit.browser.trace.main_thread import LONG_MS
from labkit.runs.summary import BOUNDS_MS, WORDS, verdict
from labkit.runs.table import Table

if TYPE_CHECKING:
    from labkit.browser.rendering import Measured

#: Below each other where the width is short, so a header is two words at most.
HEADERS = (
    "pattern",
    "DOM ops\nper event",
    "reflows\nper frame",
    "of which\nforced",
    "style\nrecalcs",
    "paints\nper frame",
    "paint\nms/frame",
    "verdict\nINP/staleness",
    "layouts",
    "task ms",
    "long\ntasks",
    "long\nframes",
    "INP\nms",
    "staleness\np50",
    "staleness\np95",
    "staleness\nmax",
    "click to\nresult",
    "never\nshown",
    "lost",
)

LEGEND = (
    "DOM ops to paint: counted frame by frame (exact). Paint ms/frame: pre-paint, paint and layerize, the median of "
    "those frames; inflated by a trace.\nThe rest: real time, the median of the runs with the smallest and the "
    "largest; staleness in ms from when the server had an update to its paint.\nverdict: up to "
    f"{BOUNDS_MS[0]:g} ms good, above {BOUNDS_MS[1]:g} ms poor: INP by definition, the p95 of staleness by the same "
    "bounds, borrowed."
)

#: The columns whose cells are text.
_TEXT = ("pattern", "verdict\nINP/staleness")

#: What a cell holds where there is no value.
_NO_VALUE = ("-", "not measured/not measured")


def of_measured(measured: "Sequence[Measured]", notes: Sequence[str] = ()) -> Table:
    """One row per way of updating the page, with the legend and the notes; a column without any value is left out."""
    rows = [row(each) for each in measured]
    shown = [i for i in range(len(HEADERS)) if any(cells[i] not in _NO_VALUE for cells in rows)]
    headers = tuple(HEADERS[i] for i in shown)
    left = tuple(place for place, header in enumerate(headers) if header in _TEXT)
    below = (LEGEND, *_never_shown(measured), *_not_counted(measured), *_interactions(measured), *notes)
    return Table(headers, tuple(tuple(cells[i] for i in shown) for cells in rows), left, below)


def _never_shown(measured: "Sequence[Measured]") -> Iterator[str]:
    if any(run.superseded for each in measured for run in each.sound):
        yield "never shown: updates that newer ones replaced before they were written; staleness is of the others."


def _not_counted(measured: "Sequence[Measured]") -> Iterator[str]:
    """What the counts of a way leave out."""
    pages = dict.fromkeys(str(each.settings.get("page")) for each in measured)
    yield from (NOT_COUNTED[page] for page in pages if page in NOT_COUNTED)


def _interactions(measured: "Sequence[Measured]") -> Iterator[str]:
    """The longest interaction in its three parts, and the script that held a frame longest, of those above 50 ms."""
    for each in measured:
        told = [said for said in (in_parts(each.longest), script_said(each.longest_script)) if said]
        if told:
            yield f"{each.name}, the longest: {'; '.join(told)}."


def in_parts(interaction: Mapping[str, Any] | None) -> str:
    """A long interaction's duration as the sum of its three parts; empty where they are not known."""
    if interaction is None or interaction["duration_ms"] <= LONG_MS or not in_three(interaction):
        return ""
    parts = " + ".join(f"{interaction[key]:.0f} {name}" for name, key in INTERACTION_PARTS.items())
    return f"{interaction['type']} {interaction['duration_ms']:.0f} ms = {parts}"


def script_said(script: Mapping[str, Any] | None) -> str:
    """A script of a long animation frame, by name; empty for None."""
    if script is None:
        return ""
    name = script["invoker"] or script["function"] or "a script without a name"
    where = f" ({script['source']})" if script["source"] and script["source"] not in name else ""
    return (
        f"long animation frame: {name}{where} {script['duration_ms']:.0f} ms, of which {script['forced_ms']:.0f} ms "
        "forced style and layout"
    )


def row(each: "Measured") -> tuple[str, ...]:
    """The cells of one way of updating the page, in the order of :data:`HEADERS`."""
    stale = each.pooled("staleness_ms")
    return (
        each.name,
        *_exact(each),
        verdicts(each),
        _spread(each.values("layouts")),
        _spread(each.values("task_ms")),
        _spread(np.array([len(run.long_tasks) for run in each.sound], float)),
        _spread(np.array([len(run.long_frames) for run in each.sound if run.tells_long_frames], float)),
        _inp(each),
        milliseconds(stale.p50_ms),
        milliseconds(stale.percentile(95)),
        milliseconds(stale.max_ms),
        milliseconds(each.pooled("click_to_result_ms").p50_ms),
        _spread(superseded) if (superseded := each.values("superseded")).any() else "-",
        str(sum(run.lost for run in each.runs)) if each.runs else "-",
    )


def verdicts(each: "Measured") -> str:
    """That of INP and that of staleness, as ``good/poor``; see :func:`~labkit.runs.summary.verdict`."""
    return f"{inp_verdict(each)}/{verdict(each.pooled('staleness_ms').percentile(95))}"


def inp_verdict(each: "Measured") -> str:
    """A word for INP; one that is too short to be told is good, if there was a click at all."""
    clicked = any(len(run.clicks["intended"]) for run in each.sound)
    if math.isnan(each.inp_ms) and clicked:
        return WORDS[0]
    return verdict(each.inp_ms)


def _exact(each: "Measured") -> tuple[str, ...]:
    exact = each.exact
    if exact is None:
        return ("-",) * 6
    events = exact.frames * exact.events_per_frame
    return (
        f"{exact.dom_ops / events:.2g}",
        f"{exact.layouts / exact.frames:g}",
        f"{exact.forced_layouts / exact.frames:g}",
        f"{exact.style_recalcs / exact.frames:g}",
        "-" if exact.paints is None else f"{exact.paints / exact.frames:g}",
        "-" if exact.paint_ms is None else f"{exact.paint_ms:.2f}",
    )


def _inp(each: "Measured") -> str:
    if math.isnan(each.inp_ms):
        return f"<{SHORTEST_MS}" if inp_verdict(each) == WORDS[0] else "-"
    return _spread(each.values("inp_ms"))


def _spread(values: Float64) -> str:
    """The median and, where runs differ, the smallest and the largest."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return "-"
    median, low, high = (f"{value:.0f}" for value in (np.median(known), known.min(), known.max()))
    return median if low == high else f"{median} ({low}-{high})"
