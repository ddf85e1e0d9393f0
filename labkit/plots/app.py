"""Figures of a reader's app, seen from inside: who made whom wait, what an event took, what piled up for a client."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labkit.base.errors import UsageError
from labkit.base.text import about
from labkit.experiments.blame import NOTHING, Blame, Finding
from labkit.experiments.blame_matrix import OTHERS, Met, matrix, seconds
from labkit.experiments.seen import Seen
from labkit.inside.watched import CAUSES, CLIENT, CORE
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, RED, SKY, WIDTH_IN, message, styled, wrapped

#: So many who waited have a column, and so many who made them wait a row.
WAITED_SHOWN, MADE_WAIT_SHOWN = 7, 5

#: Of the largest cell: a smaller one has no number, and a row of such cells is left out.
LEAST_SHARE = 0.01

#: The darkest cell is so long or longer: where nobody waited for long, none is dark. In s.
DARK_S = 1.0


@styled
def blame(found: Seen | Blame, *, title: str | None = None) -> Figure:
    """Who made whom wait: a row each who made others wait, with the line; a column each who waited.

    The darker a cell, the longer; its number is the sum of all that waiting.
    """
    told = found.blame if isinstance(found, Seen) else found
    laid = matrix(told, rows=WAITED_SHOWN, columns=MADE_WAIT_SHOWN)
    cells = np.array([[0.0 if met is None else met.seconds for met in row] for row in laid.cells]).T
    rows = [at for at, row in enumerate(cells) if row.max() >= LEAST_SHARE * cells.max()]
    labels = [_made_wait(laid.columns[at], [row[at] for row in laid.cells]) for at in rows]
    # Of one height whatever was found: pytest --nbval compares the size of a figure.
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 4.1))
    if rows:
        _shades(axes, cells[rows])
        axes.set_xticks(range(len(laid.rows)), [wrapped(row.name, 11) for row in laid.rows])
        axes.set_yticks(range(len(rows)), labels)
        # At the left, above the labels of rows: there is room.
        axes.annotate("who made others wait, and where", (0, 1), (-8, 8), xycoords="axes fraction",
                      textcoords="offset points", ha="right", color="#555555")  # fmt: skip
    else:
        axes.axis("off")
    message(figure, title or _verdict(told.verdict))
    return figure


def _shades(axes: Axes, cells: NDArray[np.float64]) -> None:
    axes.imshow(cells, cmap="Blues", vmin=0, vmax=1.25 * max(cells.max(), DARK_S), aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        if value >= LEAST_SHARE * cells.max():
            colour = "white" if value > 0.65 * max(cells.max(), DARK_S) else BLACK
            axes.text(column, row, seconds(value), ha="center", va="center", color=colour, fontsize=8.5)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    axes.tick_params(length=0, labelsize=8.5)


def _made_wait(label: str, cells: Sequence[Met | None]) -> str:
    """A column of the matrix: who, and the cause and the line of what was longest."""
    most = max((met for met in cells if met is not None), key=lambda met: met.seconds)
    if label == OTHERS:
        return label
    where = f"\n{most.where.partition(', waited for')[0]}" if most.where else ""
    return wrapped(f"{_who(label.removeprefix('event '), most.causes[0])}{where}", 44)


def _who(by: str, cause: str) -> str:
    """Who made others wait, and how."""
    if cause == CAUSES[CORE]:
        return cause
    return f"a client {cause} what {by} sends" if cause == CAUSES[CLIENT] else f"{by} {cause}"


def _verdict(finding: Finding) -> str:
    """The worst finding as a title."""
    if finding.cause == NOTHING:
        return "Nothing to blame"
    at = f" at {finding.where}" if finding.where else ""
    waited = f"{finding.waited} waited {seconds(finding.seconds)} for it, {finding.share:.0%} of its waiting"
    return f"{_who(finding.by, finding.cause)}{at}: {waited}"


@styled
def event_times(
    runs: Mapping[str, Seen], event: str, *, during: str | None = None, guess_ms: float | None = None,
    title: str | None = None,
) -> Figure:  # fmt: skip
    """What each event of a name took inside the server, from inbox to socket: a dot an event, a panel a run.

    Args:
        runs: by name, such as before and after.
        event: its name.
        during: of another event; while its handlers ran, the panel is shaded.
        guess_ms: the reader's guess of the longest, drawn as a line.
        title: instead of the finding.

    Raises:
        UsageError: no run has such an event.
    """
    took_ms = {name: seen.took_ms(event) for name, seen in runs.items()}
    longest = {name: float(each.max()) for name, each in took_ms.items() if len(each)}
    if not longest:
        raise UsageError(f"no run has an event {event!r} that was handled")
    height = 1.2 + 1.35 * len(runs)
    figure, panels = plt.subplots(len(runs), 1, sharex=True, sharey=True, squeeze=False, figsize=(WIDTH_IN, height))
    for axes, (name, seen) in zip(panels[:, 0], runs.items(), strict=True):
        if during is not None:
            for since, until in zip(*seen.ran_s(during), strict=True):
                axes.axvspan(since, until, color=ORANGE, alpha=0.15, lw=0)
        axes.plot(seen.came_s(event), took_ms[name], "o", color=BLUE, markersize=4, alpha=0.7, markeredgewidth=0)
        if guess_ms is not None:
            axes.axhline(guess_ms, color=RED, linestyle="--", linewidth=1.2)
        axes.set_title(name)
    panels[0, 0].set_ylim(0, 1.12 * max(*longest.values(), guess_ms or 0))
    shaded = f"; shaded: a handler of {during} runs" if during is not None else ""
    guessed = "; dashed: your guess" if guess_ms is not None else ""
    panels[-1, 0].set_xlabel(f"time in the run (s){shaded}{guessed}")
    figure.supylabel(f"{event}: inbox to socket (ms)", fontsize=9.5)
    told = ", ".join(f"{about(value)} ({name})" for name, value in longest.items())
    message(figure, title or f"{event} takes up to {told}")
    return figure


@styled
def packets(runs: Mapping[str, Seen], *, title: str | None = None) -> Figure:
    """What was emitted, by name and run: a bar is packets, calls times their receivers."""
    sent = {name: {emitted: sum(seen.receivers(emitted)) for emitted in _emitted(seen)} for name, seen in runs.items()}
    names = list(dict.fromkeys(each for of_run in sent.values() for each in of_run))
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 1.3 + 0.25 * len(names) * len(runs)))
    height = 0.8 / max(1, len(runs))
    for place, ((name, of_run), colour) in enumerate(
        zip(sent.items(), itertools.cycle((BLUE, ORANGE, SKY, GREEN)), strict=False)
    ):
        rows = np.arange(len(names)) + (place - (len(runs) - 1) / 2) * height
        bars = axes.barh(rows, [of_run.get(each, 0) for each in names], height=0.9 * height, label=name, color=colour)
        axes.bar_label(bars, padding=3, fontsize=8.5)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("packets to clients: calls of emit, times who got them")
    axes.grid(axis="y", visible=False)
    axes.legend()
    message(figure, title or _fewer(sent))
    return figure


def _emitted(seen: Seen) -> list[str]:
    return [seen.record.names[index] for index in dict.fromkeys(seen.record.emits["name"])]


def _fewer(sent: Mapping[str, Mapping[str, int]]) -> str:
    """What changed most from the first run to the last."""
    first, *_, last = list(sent) * 2 if len(sent) == 1 else list(sent)
    common = [each for each in sent[first] if each in sent[last]]
    most = max(common, key=lambda each: abs(sent[first][each] - sent[last][each]), default=None)
    if most is None or sent[first][most] == sent[last][most]:
        return "Packets to clients, by what was emitted"
    return f"{most}: {sent[first][most]} packets ({first}), {sent[last][most]} ({last})"


@styled
def unsent(runs: Mapping[str, Seen], *, title: str | None = None) -> Figure:
    """What was emitted and has not reached a socket, over the time of each run: it waits for clients to read.

    Counted in packets. What had not reached its socket at the end is counted from when it was emitted.
    """
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 3.3))
    left: list[str] = []
    for (name, seen), style in zip(runs.items(), itertools.cycle(("-", "--", ":", "-.")), strict=False):
        instants_s, piled = _piled(seen)
        axes.step(instants_s, piled, style, where="post", label=name, linewidth=2)
        left.append(f"{piled[-1] if len(piled) else 0} ({name})")
    axes.set_xlabel("time in the run (s)")
    axes.set_ylabel("packets that no socket took")
    axes.set_ylim(bottom=0)
    axes.legend()
    message(figure, title or f"Packets that no socket took: {', '.join(left)}")
    return figure


def _piled(seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The instants of emits, in s, and how many packets of all emits up to each never reached a socket."""
    get = {name: np.frombuffer(column, np.int64) for name, column in seen.record.emits.items()}
    order = np.argsort(get["at"], kind="stable")
    never = np.maximum(get["receivers"] - get["written"], 0)[order]
    return seen.since_s(get["at"][order]), np.cumsum(never)
