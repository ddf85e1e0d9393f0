"""The advice's table, filled: pattern, DOM operations, reflows, paint cost, verdict, and the columns that it lacks."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from labkit.base.text import milliseconds
from labkit.runs.summary import verdict
from labkit.runs.table import aligned

if TYPE_CHECKING:
    from labkit.browser.rendering import Measured

#: Below each other where the width is short, so a header is two words at most.
HEADERS = (
    "pattern",
    "DOM ops\nan event",
    "reflows\na frame",
    "of which\nforced",
    "style\nrecalcs",
    "paint cost\nms",
    "verdict\nINP/staleness",
    "layouts",
    "task ms",
    "long\ntasks",
    "INP\nms",
    "staleness\np50",
    "staleness\np95",
    "staleness\nmax",
    "click to\nresult",
    "lost",
)

LEGEND = (
    "DOM ops to style recalcs: counted frame by frame (exact). Paint cost: pre-paint, paint, layerize, commit in one "
    "traced run.\nThe rest: real time, the median of the runs with the smallest and the largest; staleness in ms from "
    "when the server had an update to its paint.\nverdict: up to 200 ms good, above 500 ms poor: INP by definition, "
    "the p95 of staleness by the same bounds, borrowed."
)


def row(each: "Measured") -> tuple[str, ...]:
    """The cells of one way of updating the page, in the order of :data:`HEADERS`."""
    stale = each.pooled("staleness_ms")
    return (
        each.name,
        *_exact(each),
        "-" if each.explained is None else milliseconds(each.explained.paint_ms),
        verdicts(each),
        _spread(each.values("layouts")),
        _spread(each.values("task_ms")),
        _spread(np.array([len(run.long_tasks) for run in each.sound], float)),
        _inp(each),
        milliseconds(stale.p50_ms),
        milliseconds(stale.percentile(95)),
        milliseconds(stale.max_ms),
        milliseconds(each.pooled("click_to_result_ms").p50_ms),
        str(sum(run.lost for run in each.runs)) if each.runs else "-",
    )


def verdicts(each: "Measured") -> str:
    """That of INP and that of staleness: good, needs work, poor or not measured."""
    return f"{inp_verdict(each)}/{verdict(each.pooled('staleness_ms').percentile(95))}"


def inp_verdict(each: "Measured") -> str:
    """In web.dev's words; an INP too short to be told is good, if there was a click at all."""
    clicked = any(len(run.clicks["intended"]) for run in each.sound)
    if math.isnan(each.inp_ms) and clicked:
        return "good"
    return verdict(each.inp_ms)


def _exact(each: "Measured") -> tuple[str, ...]:
    exact = each.exact
    if exact is None:
        return ("-", "-", "-", "-")
    events = exact.frames * exact.events_per_frame
    return (
        f"{exact.dom_ops / events:.2g}",
        f"{exact.layouts / exact.frames:g}",
        f"{exact.forced_layouts / exact.frames:g}",
        f"{exact.style_recalcs / exact.frames:g}",
    )


def _inp(each: "Measured") -> str:
    if math.isnan(each.inp_ms):
        return "<16" if inp_verdict(each) == "good" else "-"
    return _spread(each.values("inp_ms"))


def _spread(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str:
    """The median and, where runs differ, the smallest and the largest."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return "-"
    median, low, high = (f"{value:.0f}" for value in (np.median(known), known.min(), known.max()))
    return median if low == high else f"{median} ({low}-{high})"


def _shown(measured: "Sequence[Measured]") -> list[int]:
    """Columns that say something: one that has no value in any row is left out."""
    rows = [row(each) for each in measured]
    return [i for i in range(len(HEADERS)) if any(cells[i] not in ("-", "not measured/not measured") for cells in rows)]


def render(measured: "Sequence[Measured]", style: str = "simple") -> str:
    """The table as text; `style` is one of tabulate's: ``simple``, ``github``, ``html``."""
    shown = _shown(measured)
    headers = [HEADERS[i] if style == "simple" else HEADERS[i].replace("\n", " ") for i in shown]
    align = ["left" if HEADERS[i].startswith(("pattern", "verdict")) else "right" for i in shown]
    rows = [[row(each)[i] for i in shown] for each in measured]
    if style == "github":
        rows = [[cell.replace("|", "\\|") for cell in cells] for cells in rows]
    return tabulate(rows, headers, tablefmt=style, colalign=align if rows else None, disable_numparse=True)


def plain(measured: "Sequence[Measured]", notes: Sequence[str] = ()) -> str:
    """The table with its legend and its notes."""
    return "\n".join([render(measured), LEGEND, *notes])


def html(measured: "Sequence[Measured]", notes: Sequence[str] = ()) -> str:
    """The same for a notebook; every text in it is escaped."""
    from html import escape

    below = "<br>".join(escape(line) for line in [*LEGEND.splitlines(), *notes])
    return f"{aligned(render(measured, 'html'))}<p><small>{below}</small></p>"
