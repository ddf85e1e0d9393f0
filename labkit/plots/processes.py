"""A drawing, of no measurement: which process and which thread an event passes, and what they share."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, RED, SKY, WIDTH_IN, YELLOW, message, styled

#: The drawing's own units: as wide and as high as the paper, so that nothing is stretched.
WIDE, HIGH = 100.0, 50.0

PALE = "#F4F4F4"


@styled
def processes_and_threads(*, title: str | None = None) -> Figure:
    """What runs where in mode ``threading``: the lab's client, the server with its threads and their GIL, the pool.

    Args:
        title: instead of the lab's sentence.
    """
    figure, axes = plt.subplots(figsize=(WIDTH_IN, WIDTH_IN * HIGH / WIDE + 0.3))
    axes.set_xlim(0, WIDE)
    axes.set_ylim(0, HIGH)
    axes.set_aspect("equal")
    axes.axis("off")
    _client(axes)
    _server(axes)
    _pool(axes)
    message(figure, title or "All threads of the server share one GIL: one of them runs Python at a time")
    return figure


def _client(axes: Axes) -> None:
    _process(axes, (0.5, 1, 23, 47), "the lab's client", "a process of its own")
    _thread(axes, (2.5, 20, 19, 20), "clients\n\nten people,\none event each;\nor a browser", SKY)
    _thread(axes, (2.5, 4, 19, 12), "bystander\n\nonly pings", RED)


def _server(axes: Axes) -> None:
    _process(axes, (30, 1, 43, 47), "the server", "one process, many threads")
    _thread(axes, (32, 34, 26.5, 6.5), "writer of a connection\nsends its answers", GREEN)
    _thread(axes, (32, 19, 12, 12), "reader of a\nconnection\n\nfills its inbox", YELLOW)
    _thread(axes, (46, 19, 12.5, 12), "its receive\nloop\n\nempties it", YELLOW)
    # One thread an event: several sheets behind each other.
    for shift in (1.6, 0.8):
        _box(axes, (60.5 + shift, 19 - shift, 10, 12), BLUE, 0.45)
    _thread(axes, (60.5, 19, 9.5, 12), "handler of\nan event\n\ncomputes", BLUE)
    _box(axes, (32, 4, 39.5, 7), ORANGE, 1.0)
    axes.text(
        51.75, 7.5, "the GIL\na thread must hold it to run Python code", ha="center", va="center", linespacing=1.3
    )
    for x in (38, 52.25, 65.25):
        _arrow(axes, (x, 11.1), (x, 18.9 if x < 60 else 17.3), "<->", ":")
    axes.text(45.1, 15, "each waits for it", ha="center", va="center", fontsize=8.5)
    _arrow(axes, (21.6, 25), (31.9, 25), "->")
    axes.text(26.75, 25.6, "event", ha="center", va="bottom", fontsize=8.5)
    _arrow(axes, (21.6, 10), (31.9, 20.5), "->")
    axes.text(24.4, 16.6, "ping", ha="left", va="center", fontsize=8.5)
    _arrow(axes, (44.1, 25), (45.9, 25), "->")
    _arrow(axes, (58.6, 25), (60.4, 25), "->")
    _arrow(axes, (65.25, 31.1), (58.6, 37.25), "->", "-", "angle,angleA=90,angleB=0,rad=4")
    _arrow(axes, (31.9, 37.25), (21.6, 37.25), "->")
    axes.text(26.75, 37.9, "answer", ha="center", va="bottom", fontsize=8.5)


def _pool(axes: Axes) -> None:
    _process(axes, (79, 1, 20.5, 47), "process pool", "of some strategies")
    for top in (23.5, 4):
        _box(axes, (81, top, 16.5, 14.5), "white", 1.0)
        axes.text(89.25, top + 12.2, "a worker process", ha="center", va="center", fontsize=8.5)
        _thread(axes, (82.2, top + 5.6, 14.1, 4.6), "computes", BLUE)
        _thread(axes, (82.2, top + 0.9, 14.1, 3.7), "a GIL of its own", ORANGE)
    _arrow(axes, (72.1, 27), (80.9, 30), "<->", "--")
    _arrow(axes, (72.1, 22), (80.9, 13), "<->", "--")


def _process(axes: Axes, place: tuple[float, float, float, float], name: str, about: str) -> None:
    left, bottom, width, height = place
    _box(axes, place, PALE, 1.0)
    middle = left + width / 2
    axes.text(middle, bottom + height - 2.4, name, ha="center", va="center", fontsize=11, fontweight="bold")
    axes.text(middle, bottom + height - 5.2, about, ha="center", va="center", fontsize=8.5, color="#444444")


def _thread(axes: Axes, place: tuple[float, float, float, float], text: str, colour: str) -> None:
    left, bottom, width, height = place
    _box(axes, place, colour, 1.0)
    ink = "white" if colour in (BLUE, RED, GREEN) else BLACK
    axes.text(
        left + width / 2, bottom + height / 2, text, ha="center", va="center", color=ink, linespacing=1.2, fontsize=9
    )


def _box(axes: Axes, place: tuple[float, float, float, float], colour: str, alpha: float) -> None:
    left, bottom, width, height = place
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.9",
            facecolor=colour, edgecolor="#555555", linewidth=0.9, alpha=alpha,
        )
    )  # fmt: skip


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    head: str,
    line: str = "-",
    bend: str = "arc3",
) -> None:
    about = {"arrowstyle": head, "linestyle": line, "color": BLACK, "linewidth": 1.3, "connectionstyle": bend}
    axes.annotate("", end, start, arrowprops={**about, "shrinkA": 0, "shrinkB": 0})
