"""The diagnosis as a small figure: where a call's time goes, and how long another thread waits at once."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.text import about
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.kinds import HOLDS
from labkit.plots.style import BLUE, GREEN, ORANGE, RED, SKY, WIDTH_IN, apart, log_ms, message, styled, wrapped


@styled
def shares(diagnosis: Diagnosis, *, title: str | None = None) -> Figure:
    """Left: the shares of waiting and computing, and below them that of GIL held. Right: another thread's waits."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH_IN, 2.6), width_ratios=(3, 2))
    _shares(left, diagnosis)
    _waits(right, diagnosis)
    figure.suptitle(wrapped(title or diagnosis.sentence, 88), x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@styled
def kinds(*found: Diagnosis, title: str | None = None) -> Figure:
    """Several kinds of work, one row each. Left: what its time goes into. Right: the GIL, and its holds at once."""
    figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(WIDTH_IN, 1.7 + 0.5 * len(found)))
    for row, one in enumerate(found):
        _bar(left, row, 0.0, one.waiting, SKY, "", "waits")
        _bar(left, row, one.waiting, one.computing, BLUE, "", "computes")
        if one.gil:
            _bar(right, row, 0.0, one.gil_held, RED, "////", f"{about(one.hold_ms)} at once, held")
            _bar(right, row, one.gil_held, 1 - one.gil_held, GREEN, "", "free")
    for axes, heading in ((left, "its own thread"), (right, "the GIL, for another thread")):
        axes.set_title(heading)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
        axes.set_xlabel("of a call's time")
        axes.grid(axis="y", visible=False)
    left.set_yticks(range(len(found)), [one.work.rpartition(":")[2] for one in found])
    left.set_ylim(len(found) - 0.4, -0.6)
    apart(figure)
    message(figure, title or _who_holds(found))
    return figure


def _who_holds(found: Sequence[Diagnosis]) -> str:
    """Which of them keep the GIL for themselves, and which of those in one go."""
    holding = [one for one in found if one.kind == HOLDS]
    if not holding:
        return "None of them holds the GIL"
    names = [one.work.rpartition(":")[2] for one in holding]
    longest = max(holding, key=lambda one: one.hold_ms)
    who = "" if len(names) == 1 else f"{longest.work.rpartition(':')[2]} "
    at_once = f", {who}for {about(longest.hold_ms)} at once" if longest.in_one_go else ""
    return f"{' and '.join(names)} {'holds' if len(names) == 1 else 'hold'} the GIL{at_once}"


def _shares(axes: Axes, found: Diagnosis) -> None:
    _bar(axes, 0, 0.0, found.waiting, SKY, "", "waits")
    _bar(axes, 0, found.waiting, found.computing, BLUE, "", "computes")
    if found.gil:
        _bar(axes, 1, 0.0, found.gil_held, RED, "////", "GIL held")
        _bar(axes, 1, found.gil_held, 1 - found.gil_held, GREEN, "", "free for other threads")
    axes.set_yticks((0, 1), ("its thread", "the GIL" if found.gil else "(no GIL here)"))
    axes.set_ylim(1.6, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    axes.set_xlabel(f"of a call's time; {found.service.p50_ms:.3g} ms alone (p50)")
    axes.grid(axis="y", visible=False)


def _bar(axes: Axes, row: int, left: float, width: float, colour: str, hatch: str, label: str) -> None:
    axes.barh(row, width, left=left, height=0.8, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    if width >= 0.12:  # below, the text would not fit
        text = f"{label} {width:.0%}"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text(left + width / 2, row, text, ha="center", va="center", fontsize=8.5, bbox=box)


def _waits(axes: Axes, found: Diagnosis) -> None:
    waits_ms = found.other_thread_waits.values_ms
    waits_ms = waits_ms[waits_ms > 0]
    axes.set_title("another thread waits at once")
    if len(waits_ms) == 0:
        axes.text(0.5, 0.5, "never as much as 0.1 ms", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.plot(waits_ms, np.linspace(0, 1, len(waits_ms)), "o", color=ORANGE, markersize=4, markerfacecolor="white")
    axes.axvline(found.switch_interval_ms, color=RED, linestyle="--", linewidth=1.2)
    axes.text(found.switch_interval_ms, 1.08, " switch interval", fontsize=8, color=RED, ha="left", va="center")
    axes.set_ylim(-0.1, 1.2)
    axes.set_yticks([])
    axes.set_ylabel("its waits, sorted")
    log_ms(axes, "x", minimum_decades=2)
    axes.set_xlabel("wait (ms, log scale)")
