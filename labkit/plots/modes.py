"""The matrix: who waits how long under which strategy, in which mode, for which kind of work."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from labkit.base.errors import UsageError
from labkit.base.text import about, milliseconds
from labkit.plan.modes import MODES
from labkit.plots.style import BLACK, WIDTH_IN, message, styled
from labkit.runs.comparison import Comparison
from labkit.strategies import NAMES

#: Colours from here up; below it nobody notices anything.
LOWEST_MS = 1.0

#: What the title lets pass: so much, or twice the least of the panel.
NOTICED_MS = 10.0


@styled
def matrix(*results: Comparison, of: str = "bystander", title: str | None = None) -> Figure:
    """Median latency by strategy (rows) and mode (columns), a panel for each kind of work; the number in each cell.

    Args:
        results: one for each kind of work, of several modes each.
        of: ``bystander`` or ``own``.
        title: instead of the finding.

    Raises:
        UsageError: no comparison is given, or two are of the same work.
    """
    works = [result.runs[0].work for result in results if result.runs]
    if not works or len(set(works)) < len(results):
        raise UsageError("a matrix takes comparisons, each of another kind of work: give at least one")
    modes = [mode for mode in MODES if any(mode in result.modes for result in results)]
    rows = _rows(results)
    medians = [_medians(result, rows, modes, of) for result in results]
    figure, panels = plt.subplots(
        1, len(results), sharey=True, squeeze=False, figsize=(WIDTH_IN, max(3.3, 1.9 + 0.36 * len(rows)))
    )
    known = np.concatenate([cells[np.isfinite(cells)] for cells in medians])
    scale = LogNorm(LOWEST_MS, max(10 * LOWEST_MS, float(known.max(initial=0.0))))
    for axes, work, cells in zip(panels[0], works, medians, strict=True):
        image = _panel(axes, cells, scale)
        axes.set_title(work)
        axes.set_xticks(range(len(modes)), modes, rotation=25, ha="right", rotation_mode="anchor")
    panels[0, 0].set_yticks(range(len(rows)), rows)
    bar = figure.colorbar(image, ax=panels[0].tolist(), pad=0.01, aspect=30)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_label(f"{_WHO[of]}, median, ms (log scale)")
    message(figure, title or _finding(works, rows, modes, medians))
    return figure


_WHO = {"bystander": "bystander", "own": "own answer"}


def _family(name: str) -> str:
    """What is the same handling in several modes stands in one row: that of the event loop beside the others."""
    return name.removeprefix("asgi-")


def _rows(results: Sequence[Comparison]) -> list[str]:
    found = dict.fromkeys(run.strategy for result in results for run in result.runs)
    ranked = sorted(found, key=lambda name: NAMES.index(name) if name in NAMES else len(NAMES))
    return list(dict.fromkeys(_family(name) for name in ranked))


def _medians(result: Comparison, rows: Sequence[str], modes: Sequence[str], of: str) -> "np.ndarray":
    """A row a strategy, a column a mode; NaN where it was not measured, inf where no answer came."""
    if of not in _WHO:
        raise UsageError(f"a matrix is of {', '.join(_WHO)}, not of {of!r}")
    cells = np.full((len(rows), len(modes)), math.nan)
    for mode in result.modes:
        within = result.within(mode)
        for name in within.strategies:
            cells[rows.index(_family(name)), modes.index(mode)] = getattr(within[name], of).p50_ms
    return cells


def _panel(axes: Axes, cells: "np.ndarray", scale: LogNorm) -> AxesImage:
    shown = np.where(np.isfinite(cells), np.maximum(cells, LOWEST_MS), np.nan)
    image = axes.imshow(shown, norm=scale, cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        text = "" if math.isnan(value) else milliseconds(value)
        dark = math.isfinite(value) and scale(max(value, LOWEST_MS)) < 0.55
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else BLACK, fontsize=9)
    axes.grid(visible=False)
    axes.set_xticks(np.arange(cells.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(cells.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    return image


def _finding(works: Sequence[str], rows: Sequence[str], modes: Sequence[str], medians: Sequence["np.ndarray"]) -> str:
    """Of each kind of work the handlings that let nobody wait, or those that do, whichever are fewer."""
    sentences = []
    for work, cells in zip(works, medians, strict=True):
        known = cells[np.isfinite(cells)]
        limit_ms = max(NOTICED_MS, 2 * float(known.min(initial=math.inf))) if len(known) else NOTICED_MS
        quick = cells <= limit_ms
        slow = cells > limit_ms  # neither is true of what was not measured
        if not slow.any():
            sentences.append(f"{work}: at most {about(float(np.nanmax(cells)))} everywhere")
        elif not quick.any():
            sentences.append(f"{work}: nobody was answered")
        elif quick.sum() < slow.sum():
            sentences.append(f"{work}: {about(limit_ms)} or less only under {_cells(quick, slow, rows, modes)}")
        else:
            sentences.append(f"{work}: {about(limit_ms)} or less except under {_cells(slow, quick, rows, modes)}")
    return "\n".join(sentences)


def _cells(these: "np.ndarray", others: "np.ndarray", rows: Sequence[str], modes: Sequence[str]) -> str:
    """Rows by name, with their modes where it is not so in all of them."""
    named = []
    for row, name in enumerate(rows):
        where = ", ".join(mode for mode, yes in zip(modes, these[row], strict=True) if yes)
        if where:
            named.append(f"{name} ({where})" if others[row].any() else name)
    return " and ".join(named)
