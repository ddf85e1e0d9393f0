"""Figures of clicks in a page: what each waits for, and what a person sees of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.browser.passes import INTERACTION_PARTS, SHORTEST_MS, in_three
from labkit.browser.rendering import Measured, Rendering
from labkit.browser.table import inp_verdict
from labkit.plots.nothing import nothing
from labkit.plots.style import BLACK, BLUE, ORANGE, PURPLE, RED, WIDTH_IN, log_ms, message, short, styled
from labkit.runs.summary import BOUNDS_MS

_GREY = "#999999"


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
        axes.axvline(bound, color=_GREY, linewidth=1, linestyle=":")
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
        axes.axvline(bound, color=_GREY, linewidth=1, linestyle=":")
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
