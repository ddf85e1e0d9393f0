"""How every figure of the lab looks: colours, sizes, axes, and the mark on what must not be used.

The style is set inside of the lab's own figures only. Colours are Okabe and Ito's, which people with any kind of colour
vision can tell apart (https://jfly.uni-koeln.de/color/); no figure depends on colour alone.
"""

import base64
import functools
import io
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.base.files import whole
from labkit.experiments.sustained import Sustained
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.strategies import plain_name

P = ParamSpec("P")

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)

#: The width of a figure in a README on GitHub, at 100 dots an inch.
WIDTH_IN = 8.3

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.parse_math": False,  # a name or a message may hold dollars: they are text, and half a formula is an error
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the lab's style, and mark the figure where a run that it shows is invalid."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with plt.rc_context(STYLE):
            figure = draw(*args, **kwargs)
        runs = list(_runs([*args, *kwargs.values()]))
        _tell_networks(figure, runs)
        if invalid := sum(not run.is_valid for run in runs):
            # Across the data, which must not be used.
            worst = max((note for run in runs for note in run.quality if note.invalid), key=lambda note: note.badness)
            text = textwrap.fill(f"INVALID: {invalid} of {len(runs)} runs: {worst.why}", 72)
            box = {"facecolor": "white", "edgecolor": RED, "alpha": 0.9}
            figure.text(0.5, 0.5, text, color=RED, fontsize=11, fontweight="bold", ha="center", va="center", bbox=box)
        return figure

    return drawn


def _tell_networks(figure: Figure, runs: Iterable[Run]) -> None:
    """At the right edge: what the lab put between clients and server, if anything."""
    links = dict.fromkeys(str(run.conditions.link or "loopback alone") for run in runs)
    engine = figure.get_layout_engine()
    if not set(links) - {"loopback alone"} or not isinstance(engine, ConstrainedLayoutEngine):
        return
    # Lines that are no longer than the figure is high, and room for each of them beside the axes.
    lines = textwrap.wrap(f"Between clients and server: {'; '.join(links)}", round(14 * figure.get_figheight()))
    figure.text(0.995, 0.5, "\n".join(lines), rotation=90, fontsize=8, color="#555555", ha="right", va="center")
    engine.set(rect=(0.0, 0.0, 0.985 - 0.15 * len(lines) / figure.get_figwidth(), 1.0))


def _runs(shown: Iterable[Any]) -> Iterable[Run]:
    for thing in shown:
        if isinstance(thing, Run):
            yield thing
        elif isinstance(thing, Comparison | Sustained):
            yield from thing.runs


def stage_bars(
    axes: Axes,
    rows: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.int64]],
    bars: Sequence[tuple[str, str, str, str, str]],
    zero_ms: float | NDArray[np.float64] = 0.0,
) -> None:
    """A line a row, a colour and a hatch a stage, so that it can be read without colours.

    Args:
        axes: where to draw.
        rows: the height of each line.
        columns: of each stage its instants in ns, one a row; NEVER where it was not reached.
        bars: label, from, to, colour, hatch.
        zero_ms: from where each row counts.
    """
    for label, start, end, colour, hatch in bars:
        left, right = columns[start], columns[end]
        seen = (left != NEVER) & (right != NEVER) & (right > left)
        if seen.any():
            axes.barh(
                rows[seen],
                (right - left)[seen] / NS_PER_MS,
                left=(left / NS_PER_MS - zero_ms)[seen],
                height=0.72,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=label,
            )


def legend(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """A legend below of what can be seen, bars first: no bar of less than two dots' width is explained.

    Call it when the limits of the axes are final.
    """
    left, right = axes.get_xlim()
    visible = 2 * (right - left) / (figure.get_figwidth() * figure.dpi)
    entries = [
        (mark, label)
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
        if not isinstance(mark, BarContainer) or max(bar.get_width() for bar in mark.patches) >= visible
    ]
    if entries:
        entries.sort(key=lambda entry: not isinstance(entry[0], BarContainer))
        figure.legend(*zip(*entries, strict=True), loc="outside lower center", ncols=columns)


def apart(figure: Figure) -> None:
    """Room between panels, so that the last tick label of one does not touch the first of the next."""
    figure.get_layout_engine().set(wspace=0.07)  # type: ignore[union-attr, call-arg]


def message(figure: Figure, text: str) -> None:
    """The message, above everything else."""
    figure.suptitle(wrapped(text, 76), x=0.01, ha="left", fontsize=12, fontweight="bold")


def without_display() -> None:
    """From here on, this process draws into files only: for commands, which need neither a window nor a display."""
    mpl.use("Agg")


def save(draw: Callable[[], Figure], path: Path) -> Path:
    """Draw a figure without a display, write it whole or not at all, and close it; returns its path.

    Args:
        draw: makes the figure; it is called here, so that no window is made for it.
        path: its ending says the kind, such as ``.png`` or ``.svg``; PNG where there is none.

    Raises:
        UsageError: the file cannot be written, or matplotlib knows no such kind.
    """
    without_display()
    figure = draw()
    try:
        with whole(path) as half:
            figure.savefig(half, format=path.suffix.removeprefix(".") or "png")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be written: {error}") from None
    finally:
        plt.close(figure)
    return path


def embedded(figure: Figure, told: str) -> str:
    """The figure as an HTML image that needs no file, closed: a notebook would show it once more under the next cell.

    Args:
        figure: which.
        told: what it says, for those who don't see it.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png")
    plt.close(figure)
    source = base64.b64encode(png.getvalue()).decode("ascii")
    return f'<img alt="{escape(told)}" style="max-width: 100%" src="data:image/png;base64,{source}">'


def wrapped(text: str, width: int = 66) -> str:
    """Lines that fit the figure's width in the size of a heading."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.splitlines())


def log_ms(axes: Axes, which: str, minimum_decades: int, ticks: int = 12) -> None:
    """A log axis of whole decades in plain numbers, never so narrow that noise fills it."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    getattr(axes, f"set_{which}scale")("log")
    low, high = getattr(axes, f"get_{which}lim")()
    low, high = max(low, 1e-3), max(high, 1e-2)  # without data, and for linear limits below 0
    low_decade, high_decade = math.floor(math.log10(low)), math.ceil(math.log10(high))
    low_decade -= max(0, minimum_decades - (high_decade - low_decade))
    getattr(axes, f"set_{which}lim")(10**low_decade, 10**high_decade)
    axis.set_major_locator(LogLocator(numticks=ticks))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())


def shortest(name: str, names: Sequence[str]) -> str:
    """A strategy's name without its parameters, where no other has the same."""
    plain = plain_name(name)
    return plain if sum(plain_name(other) == plain for other in names) == 1 else name


def short(name: str) -> str:
    """A strategy's name in two lines at most."""
    lines = textwrap.wrap(name, 26)
    return "\n".join(lines if len(lines) <= 2 else [lines[0], lines[1][:25] + "…"])
