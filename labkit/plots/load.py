"""Figures about too much of something: threads and memory, who is refused, a client that does not read, batches."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.base.clock import NS_PER_MS
from labkit.base.errors import UsageError
from labkit.base.text import about
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, WIDTH_IN, message, shortest, styled
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.runs.stages import OUTCOMES, Outcome

if TYPE_CHECKING:
    from labkit.experiments.batching import Batching
    from labkit.experiments.slow_reader import Backlog

#: A line's colour and its style, so that it can be told without colours.
LINES = [(c, s) for s in ("-", "--") for c in (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK)]


@styled
def resources(result: Comparison, *, title: str | None = None) -> Figure:
    """Threads and memory of the server's process over time, more than before: a line a run, a colour a strategy."""
    names = [n for n in result.strategies if any(len(run.samples["at"]) for run in result.of(n))]
    if not names:
        raise UsageError("nobody looked at the server's process in these runs: measure them with labkit.compare")
    figure, (threads, memory) = plt.subplots(2, 1, sharex=True, figsize=(WIDTH_IN, 4.8))
    for name, (colour, style) in zip(names, LINES * len(names), strict=False):
        for i, run in enumerate(result.of(name)):
            at_ms = run.samples["at"] / NS_PER_MS
            label = name if i == 0 else None
            more = run.samples["threads"] - run.samples["threads"][:1]
            threads.step(at_ms, more, where="post", color=colour, linestyle=style, alpha=0.8, label=label)
            memory.plot(at_ms, _more_mb(run.samples["resident_bytes"]), color=colour, linestyle=style, alpha=0.8)
    threads.set_title("Threads, more than before")
    threads.set_ylabel("threads")
    memory.set_title("Memory, more than before")
    memory.set_ylabel("resident set (MB)")
    memory.set_xlabel("time since the first event was due (ms)")
    for axes in (threads, memory):
        axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=4)
    message(figure, title or _most_threads(result, names))
    return figure


def _most_threads(result: Comparison, names: Sequence[str]) -> str:
    peaks = {name: peak for name in names if (peak := result[name].threads) is not None}
    most, least = max(peaks, key=lambda n: peaks[n]), min(peaks, key=lambda n: peaks[n])
    plan = result.runs[0].plan.name
    if peaks[most] < 2 * max(peaks[least], 1):
        return f"{plan}: at most {peaks[most]} threads more than before"
    return f"{plan}: {peaks[most]} threads more under {most}, {peaks[least]} under {least}"


def _more_mb(resident: "np.typing.NDArray[np.int64]") -> "np.typing.NDArray[np.float64]":
    more: np.typing.NDArray[np.float64] = (resident - resident[:1]) / 1e6
    return more


@styled
def told(result: Comparison, *, title: str | None = None) -> Figure:
    """Event by event: when each was answered, or was told that it will not be; the first run of each strategy."""
    names = result.strategies
    shape = (WIDTH_IN, 1.7 + 1.1 * len(names))
    figure, panels = plt.subplots(len(names), 1, sharex=True, sharey=True, squeeze=False, figsize=shape)
    for axes, name in zip(panels[:, 0], names, strict=True):
        run = result.of(name)[0]
        outcome, after_ms = run.events["outcome"], run.between_ms("intended", "delivered")
        for one, colour, mark in (
            (Outcome.ANSWERED, BLUE, "o"),
            (Outcome.SHED, RED, "x"),
            (Outcome.SUPERSEDED, ORANGE, "+"),
        ):
            there = np.flatnonzero((outcome == one) & np.isfinite(after_ms))
            if len(there):
                axes.plot(there + 1, after_ms[there], mark, color=colour, markersize=4, label=OUTCOMES[one])
        axes.set_title(_answers(run, shortest(name, names)))
        if len(axes.lines) > 1:
            axes.legend(loc="upper left")
    # Last: from then on nothing is fitted any more, in none of the panels. Marks at 0 and at the top are drawn whole.
    top_ms = axes.get_ylim()[1]
    axes.set_ylim(-0.05 * top_ms, 1.05 * top_ms)
    panels[-1, 0].set_xlabel("event, in the order of the plan")
    figure.supylabel("time since due (ms)", fontsize=9.5)
    message(figure, title or _refusals({shortest(name, names): result.of(name)[0] for name in names}))
    return figure


def _answers(run: Run, name: str) -> str:
    answered = run.own_ms[np.isfinite(run.own_ms)]
    within = f", within {answered.max():.0f} ms" if len(answered) else ""
    return f"{name}: {len(answered)} of {len(run)} answered{within}"


def _refusals(runs: Mapping[str, Run]) -> str:
    """Who tells how many that they will not be answered, and how soon; how late the others are answered instead."""
    sentences = []
    for name, run in runs.items():
        refused = np.isin(run.events["outcome"], (Outcome.SHED, Outcome.SUPERSEDED))
        after_ms = run.between_ms("intended", "delivered")[refused]
        after_ms = after_ms[np.isfinite(after_ms)]
        if len(after_ms):
            told = f"{refused.sum()} of {len(run)} within {about(float(after_ms.max()))} that they get no answer"
            sentences.append(f"{name} tells {told}")
    last_ms = {name: float(run.own_ms.max()) for name, run in runs.items() if np.isfinite(run.own_ms).all()}
    if last_ms:
        slowest = max(last_ms, key=lambda name: last_ms[name])
        who = "Every event is answered" if len(last_ms) == len(runs) else f"{slowest} answers all"
        sentences.append(f"{who}, the last after {about(last_ms[slowest])}")
    return "\n".join(sentences) or "Nobody is told whether an answer will come"


@styled
def slow_readers(backlogs: "Sequence[Backlog]", *, title: str | None = None) -> Figure:
    """What piles up for a client that does not read: messages that wait, what the queue says of them, and memory."""
    if not backlogs:
        raise UsageError(
            "there is nothing to draw: give one or more results of labkit.experiments.slow_reader.slow_consumer"
        )
    figure, (messages, memory) = plt.subplots(2, 1, sharex=True, figsize=(WIDTH_IN, 4.8))
    end_ms = 1.05 * max(max(b.at_ms.max(initial=0.0), b.reads_from_ms) for b in backlogs)
    for backlog, (colour, style) in zip(backlogs, LINES * len(backlogs), strict=False):
        name = backlog.run.strategy
        _until(messages, backlog.at_ms, backlog.waiting, end_ms, colour, style, name)
        if np.abs(backlog.queued - backlog.waiting).max(initial=0) > 2:  # else it would only hide the line
            _until(messages, backlog.at_ms, backlog.queued, end_ms, colour, ":", f"{name}: what qsize() says")
        at_ms = backlog.run.samples["at"] / NS_PER_MS
        memory.plot(at_ms, _more_mb(backlog.run.samples["resident_bytes"]), color=colour, linestyle=style)
    for axes in (messages, memory):
        axes.axvline(backlogs[0].reads_from_ms, color=BLACK, linewidth=0.9, linestyle="-.")
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, end_ms)
    # In the middle: what waits for a client that does not read is at the top there, and what does not, at the bottom.
    _explained(messages, "the client begins to read", backlogs[0].reads_from_ms, 0.45)
    if any(_doubles(backlog) for backlog in backlogs):  # and so the line is low before
        _explained(
            memory, "all that waits is encoded, and kept twice until it is sent", backlogs[0].reads_from_ms, 0.85
        )
    messages.set_title("Messages that wait in the server for the client that does not read")
    messages.set_ylabel("messages")
    memory.set_title("Memory of the process, more than before (what fits into freed room does not show)")
    memory.set_ylabel("resident set (MB)")
    memory.set_xlabel("time since the client began to ask (ms)")
    if messages.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2)
    kept = ", ".join(f"{b.waiting_peak:,} under {b.run.strategy} ({b.piled_mb:.0f} MB)" for b in backlogs)
    message(figure, title or f"Messages kept for a client that does not read: {kept}")
    return figure


def _explained(axes: Axes, text: str, at_ms: float, height: float) -> None:
    """A word at an instant, on the side that has more room."""
    left, right = axes.get_xlim()
    is_late = at_ms > (left + right) / 2
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place = "right" if is_late else "left"
    offset = (-4 if is_late else 4, 0)
    axes.annotate(
        text, (at_ms, height), offset, xycoords=axes.get_xaxis_transform(), textcoords="offset points",
        ha=place, va="center", fontsize=8.5, bbox=box,
    )  # fmt: skip


def _doubles(backlog: "Backlog") -> bool:
    """Whether memory grows once more by a good part of the pile when the client reads.

    Engine.IO's writer takes all that is queued into a list, and each packet keeps its encoded copy (``encode_cache`` in
    engineio/packet.py) until the list is sent.
    """
    at_ms, more_mb = backlog.run.samples["at"] / NS_PER_MS, _more_mb(backlog.run.samples["resident_bytes"])
    before, after = more_mb[at_ms <= backlog.reads_from_ms], more_mb[at_ms > backlog.reads_from_ms]
    if len(before) == 0 or len(after) == 0:
        return False
    return float(after.max() - before[-1]) > 0.3 * backlog.piled_mb > 0


def _until(
    axes: Axes,
    at_ms: "np.typing.NDArray[np.float64]",
    values: "np.typing.NDArray[np.int64]",
    end_ms: float,
    colour: str,
    style: str,
    label: str,
) -> None:
    """A staircase that goes on to the end."""
    if len(values):
        at_ms, values = np.append(at_ms, end_ms), np.append(values, values[-1])
        axes.step(at_ms, values, where="post", color=colour, linestyle=style, label=label)


@styled
def batching_windows(found: "Batching", *, title: str | None = None) -> Figure:
    """The trade-off of batching by window: messages saved, what the server spends, staleness; theory's drawn in.

    The server spends CPU time, which scatters, and context switches, where they were counted.
    """
    windows = found.windows
    switches = [w.server_switches for w in windows if w.server_switches is not None]
    counted = len(switches) == len(windows)
    figure, panels = plt.subplots(1, 4 if counted else 3, figsize=(WIDTH_IN, 3.4))
    places = np.arange(len(windows))
    own = [w.own_p50_ms for w in windows]
    parts = (
        ("Messages saved", "% of the answers", [100 * w.saved for w in windows], BLUE, "o"),
        *([("Server's threads", "context switches", switches, GREEN, "^")] if counted else []),
        ("Server's CPU", "ms a run", [w.server_cpu_ms for w in windows], ORANGE, "s"),
        ("Staleness", "ms, the median answer", own, RED, "D"),
    )
    for axes, (heading, unit, values, colour, mark) in zip(panels, parts, strict=True):
        axes.plot(places, values, color=colour, marker=mark)
        axes.set_title(f"{heading}\n{unit}", linespacing=1.4)
        axes.set_xticks(places, [f"{w.window_ms:g}" if w.window_ms else "none" for w in windows])
        axes.set_ylim(0, 1.1 * max([v for v in values if np.isfinite(v)], default=1.0) or 1.0)
    panels[0].set_ylim(0, 105)  # a share of all: or one percent that is saved would look like a steep rise
    # An answer waits half a window on average, beyond what it takes without one.
    theory = [own[0] + w.window_ms / 2 for w in windows] if windows[0].window_ms == 0 else None
    if theory is not None:
        panels[-1].plot(places, theory, "_", color=BLACK, markersize=16, label="theory: and\nhalf a window")
        panels[-1].legend(loc="upper left")
    figure.supxlabel("window in ms", fontsize=9.5)
    message(figure, title or _saves(found))
    return figure


def _saves(found: "Batching") -> str:
    last = found.windows[-1]
    spent = f"answers are {last.own_p50_ms:.0f} ms old"
    first = found.windows[0]
    if first.window_ms == 0 and first.server_switches and last.server_switches is not None:
        spent = f"{last.server_switches / first.server_switches:.0%} of the context switches are left, {spent}"
    elif first.window_ms == 0 and first.server_cpu_ms > 0:
        share = last.server_cpu_ms / first.server_cpu_ms
        spent = f"{share:.0%} of the CPU is spent, {spent}"
    return f"A window of {last.window_ms:g} ms saves {last.saved:.0%} of the messages: {spent}"
