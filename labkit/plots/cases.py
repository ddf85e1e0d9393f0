"""Does the thread help? A and B side by side in the eight cases."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.experiments.eight_cases import Case, EightCases
from labkit.plan.schedules import senders
from labkit.plots.style import BLUE, ORANGE, WIDTH_IN, message, styled
from labkit.runs.summary import Distribution

#: A gap between work that computes and work that waits, in rows.
_GAP = 0.6


@styled
def eight_cases(found: EightCases, *, title: str | None = None) -> Figure:
    """Own and bystander latency of A and B in each of the eight cases, on linear axes.

    A ring is A's median, a dot is B's, and the line between them is what B changes; where B answers sooner, its factor
    stands beside the dot.
    """
    cases = list(found)
    rows = np.arange(len(cases)) + np.array([_GAP * (case.work != cases[0].work) for case in cases])
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(WIDTH_IN, 4.2), width_ratios=(3, 2))
    for axes, which, heading in (
        (panels[0], "own", "Own answer: how long callers wait"),
        (panels[1], "bystander", "Bystander: who sent nothing"),
    ):
        _pairs(axes, rows, cases, which)
        axes.set_title(heading)
        axes.set_xlabel("median (ms)")
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, axes.get_xlim()[1] * 1.12)
    for row, case in zip(rows, cases, strict=True):
        if case.helps:
            panels[0].axhspan(row - 0.45, row + 0.45, color=ORANGE, alpha=0.18, lw=0)
            last = max(case.a.own.p50_ms, case.b.own.p50_ms)
            panels[0].annotate(
                f"B answers {case.finding}", (last, row), xytext=(9, 0), textcoords="offset points", va="center"
            )
    panels[0].set_xlabel("median (ms); serial: async_handlers=False")
    panels[0].set_yticks(rows, [_label(case) for case in cases])
    panels[0].set_ylim(rows[-1] + 0.6, -0.6)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    message(figure, title or _title(found))
    return figure


def _pairs(axes: Axes, rows: np.ndarray, cases: list[Case], which: str) -> None:
    a, b = (np.array([_p50_ms(getattr(getattr(case, who), which)) for case in cases]) for who in ("a", "b"))
    axes.hlines(rows, a, b, color="#999999", lw=1.5, zorder=1)
    axes.plot(a, rows, "o", ms=9, mfc="none", mec=BLUE, mew=1.8, label="A  inline: calculates in the handler")
    axes.plot(b, rows, "o", ms=5, color=ORANGE, label="B  thread: starts a thread")


def _p50_ms(values: Distribution) -> float:
    return values.p50_ms if np.isfinite(values.p50_ms) else np.nan


def _label(case: Case) -> str:
    return f"{case.work}, {'serial' if case.is_serial else 'default'}, {senders(case.clients)}"


def _title(found: EightCases) -> str:
    helps = found.helps
    if not helps:
        return "B, the thread, answers nobody sooner in any of the cases"
    said = "; ".join(_label(case) for case in helps)
    return f"B, the thread, answers sooner in {len(helps)} of {len(list(found))} cases: {said}"
