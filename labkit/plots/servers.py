"""Figures of several servers: what a broadcast takes to the sender's server and to another, and what an end costs."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.clock import NS_PER_S
from labkit.experiments.several_servers import PHASES, SeveralServers, finding
from labkit.plots.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, legend, log_ms, message, styled
from labkit.runs.deliveries import NEVER, STILL, Deliveries

#: Of where a receiver is: its colour, its mark, and how it is called.
_WHERE = (("own", BLUE, "o", "on the sender's server"), ("other", ORANGE, "^", "on another server"))

#: Of servers.
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)


@styled
def several_servers(result: SeveralServers, *, title: str | None = None) -> Figure:
    """Latency of broadcasts above; below, for each end of a server, who was connected when, and what was missed.

    Args:
        result: what was measured.
        title: instead of the finding.
    """
    ends = [name for name in ("killed", "rolled") if name in result.phases]
    rows = 1 + len(ends)
    heights = [1.0, *[1.1] * len(ends)]
    figure, panels = plt.subplots(
        rows, 1, figsize=(WIDTH_IN, 2.6 + 2.3 * len(ends)), squeeze=False, height_ratios=heights
    )
    _latencies(panels[0, 0], result)
    for axes, name in zip(panels[1:, 0], ends, strict=True):
        _stays(axes, result.phases[name], PHASES[name])
    if ends:
        legend(figure, panels[-1, 0], columns=3)
    message(figure, title or finding(result))
    return figure


def _latencies(axes: Axes, result: SeveralServers) -> None:
    """How much of all receipts came within how long, by where the receiver was."""
    steady = result.steady
    for name, colour, mark, told in _WHERE:
        chosen = getattr(steady, name)
        waits = steady.waits_ms(chosen).values_ms
        if not len(waits):
            continue
        lost = steady.lost_among(chosen)
        share = np.arange(1, len(waits) + 1) / (len(waits) + lost)
        label = f"{told}{f', {lost} lost' if lost else ''}"
        axes.plot(waits, 100 * share, color=colour, marker=mark, markevery=0.1, markersize=5, label=label)
    axes.set_ylim(0, 102)
    axes.set_ylabel("% of receivers\nhave it")
    axes.set_title(f"{PHASES['steady'].capitalize()}: {result.receivers} receivers, {result.count} servers")
    log_ms(axes, "x", minimum_decades=1)
    axes.set_xlabel("after a message was due, ms (log scale)")
    axes.legend(loc="lower right")


def _stays(axes: Axes, found: Deliveries, what: str) -> None:
    """A line a receiver where it was connected, by server; a cross for each message that it never had."""
    start = int(found.due[0])
    end = max(int(found.due[-1]), int(found.at.max(initial=0)))
    for number, name in enumerate(found.servers):
        mine = found.where == number
        left = (np.maximum(found.since[mine], start) - start) / NS_PER_S
        right = (np.where(found.until[mine] == STILL, end, found.until[mine]) - start) / NS_PER_S
        # Of different strength, so that neighbours can be told apart without colours.
        colour, width = _COLOURS[number % len(_COLOURS)], 2.6 if number % 2 else 1.1
        axes.hlines(found.who[mine], left, right, color=colour, linewidth=width, label=f"connected to {name}")
    number_of, receiver = np.nonzero((found.first_at == NEVER) & (found.sent != NEVER)[:, None])
    label = "a receiver never had this message"
    axes.plot((found.due[number_of] - start) / NS_PER_S, receiver, "x", color=RED, markersize=3.5, label=label)
    unsent = (found.due[found.sent == NEVER] - start) / NS_PER_S
    top, label = axes.get_xaxis_transform(), "its sender had no connection"
    axes.plot(unsent, np.full(len(unsent), 0.99), "|", color="#555555", transform=top, label=label)
    axes.set_ylabel("receiver")
    axes.set_ylim(-1, found.receivers + 0.04 * found.receivers)
    axes.grid(axis="y", visible=False)
    axes.set_title(f"{what.capitalize()}: {len(number_of)} never had (x), {len(unsent)} of {len(found)} not sent (|)")
    axes.set_xlabel("seconds")
