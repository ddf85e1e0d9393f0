"""The crossover map: who holds the bound at which service time, load and number of workers; and the model's borders."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labkit.experiments.crossover import Crossover
from labkit.experiments.crossover_grid import Cell
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, apart, message, styled
from labkit.runs.holding import BREAKS, HOLDS

#: Of each strategy, in the order of the map: colour, mark, and the line of the model's border.
_LOOKS = (
    (BLUE, "o", "-"),
    (ORANGE, "s", "--"),
    (GREEN, "^", ":"),
    (PURPLE, "D", "-."),
    (RED, "v", (0, (5, 1, 1, 1))),
    (SKY, "P", (0, (1, 1))),
    (BLACK, "X", (0, (3, 3))),
)

#: So much of a cell's width its marks take, side by side; and how far the borders of two strategies lie apart.
_MARKS, _BORDERS = 0.62, 0.055

#: At most so many panels beside each other.
_ACROSS = 2


@styled
def crossover(result: Crossover, *, title: str | None = None) -> Figure:
    """A panel for each number of workers, service time by load; in each cell a mark for each strategy.

    A full mark holds the bound for callers and bystander, an open one for callers alone, as far as was seen; a cross
    does not hold it, a question mark says that nobody can tell. What was not measured has no mark. Lines are the
    model's: below its line a strategy should hold, and a ring is where it was seen otherwise.
    """
    grid = result.grid
    rows = -(-len(grid.workers) // _ACROSS)
    across = min(_ACROSS, len(grid.workers))
    height_in = 0.9 + rows * (0.75 + 0.55 * len(grid.loads)) + 0.5
    figure, panels = plt.subplots(
        rows, across, sharex=True, sharey=True, squeeze=False, figsize=(WIDTH_IN, max(3.4, height_in))
    )
    apart(figure)
    for axes in panels.flat[len(grid.workers) :]:
        axes.set_visible(False)
    for axes, workers in zip(panels.flat, grid.workers, strict=False):
        _panel(axes, result, workers)
    for axes in panels[:, 0]:
        axes.set_ylabel("load (of one core)")
    figure.legend(handles=_explained(result), loc="outside lower center", ncols=3)
    message(figure, title or result.finding)
    return figure


def _look(number: int) -> tuple[str, str, object]:
    return _LOOKS[number % len(_LOOKS)]


def _panel(axes: Axes, result: Crossover, workers: int) -> None:
    grid = result.grid
    count = len(grid.strategies)
    places = (np.arange(count) - (count - 1) / 2) * (_MARKS / max(1, count - 1) if count > 1 else 0)
    size = 9 if count <= 3 else 6.5
    for number, name in enumerate(grid.strategies):
        for column, service_ms in enumerate(grid.service_ms):
            for row, load in enumerate(grid.loads):
                _mark(
                    axes, result, grid.cell(name, service_ms, load, workers), number, column + places[number], row, size
                )
        apart_by = (number - (count - 1) / 2) * _BORDERS
        _border(axes, result, name, workers, number, apart_by)
    axes.set_xticks(range(len(grid.service_ms)), [f"{ms:g}" for ms in grid.service_ms])
    axes.set_yticks(range(len(grid.loads)), [f"{load:.0%}" for load in grid.loads])
    axes.set_xticks(np.arange(len(grid.service_ms) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(grid.loads) + 1) - 0.5, minor=True)
    axes.grid(visible=False, which="major")
    axes.grid(visible=True, which="minor")
    axes.tick_params(which="both", length=0)
    axes.set_xlim(-0.5, len(grid.service_ms) - 0.5)
    axes.set_ylim(-0.58, len(grid.loads) - 0.42)
    axes.set_xlabel("service time (ms)")
    axes.set_title(f"{workers} worker{'s' * (workers > 1)}")


def _mark(axes: Axes, result: Crossover, cell: Cell, number: int, x: float, y: float, size: float) -> None:
    colour, mark, _ = _look(number)
    word = result.word(cell)
    if word == HOLDS:
        face = colour if result.bystander[cell].word == HOLDS else "white"
        axes.plot(x, y, mark, ms=size, mfc=face, mec=colour, mew=1.6, ls="none")
    elif word == BREAKS:
        axes.plot(x, y, "x", ms=size * 0.6, mec=colour, mew=1.2, alpha=0.75, ls="none")
    elif word:
        axes.text(x, y, "?", color=colour, ha="center", va="center", fontweight="bold")
    if cell in result.differing:
        axes.plot(x, y, "o", ms=size * 1.7, mfc="none", mec=BLACK, mew=0.9, ls="none")


def _border(axes: Axes, result: Crossover, name: str, workers: int, number: int, apart_by: float) -> None:
    """A step line: at each service time it lies above the highest load up to which the model says that all hold."""
    grid = result.grid
    heights = []
    for service_ms in grid.service_ms:
        holds = [result.predicted(grid.cell(name, service_ms, load, workers)) == HOLDS for load in grid.loads]
        heights.append((holds.index(False) if False in holds else len(holds)) - 0.5)
    colour, _, line = _look(number)
    edges = np.arange(len(heights) + 1) - 0.5
    axes.stairs(
        np.array(heights) + apart_by,
        edges,
        baseline=None,
        color=colour,
        ls=line,
        lw=1.6,
        zorder=1.5,
    )


def _explained(result: Crossover) -> list[Line2D]:
    entries = []
    for number, name in enumerate(result.grid.strategies):
        colour, mark, line = _look(number)
        entries.append(Line2D([], [], color=colour, marker=mark, ms=7, ls=line, label=f"{name} (line: the model)"))
    grey = "#555555"
    holds = f"holds {result.grid.bound_ms:g} ms"
    entries += [
        Line2D([], [], color=grey, marker="o", ms=7, ls="none", label=f"{holds}, bystander too"),
        Line2D([], [], color=grey, marker="o", ms=7, mfc="white", mew=1.6, ls="none", label=f"{holds}, callers only"),
        Line2D([], [], color=grey, marker="x", ms=5, ls="none", label="does not hold (?: cannot tell)"),
    ]
    if result.differing:
        ring = {"marker": "o", "ms": 12, "mfc": "none", "mec": BLACK, "mew": 0.9}
        entries.append(Line2D([], [], ls="none", label="the model says otherwise", **ring))  # type: ignore[arg-type]
    return entries
