"""What a ``kill -9`` loses: the books of several faults side by side, and one fault event by event."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.base.errors import UsageError
from labkit.plots.style import BLUE, ORANGE, RED, WIDTH_IN, message, styled
from labkit.runs.delivery import FAULTS, NO_FAULT, Delivery, Fate
from labkit.strategies import plain_name

_MS_PER_S = NS_PER_S // NS_PER_MS

#: Of each fate the word, the colour, the hatch of its bar, and the mark of an event.
_LOOK = {
    Fate.ANSWERED: ("answered", BLUE, "", "."),
    Fate.LATE: ("late: only after everything ran again", ORANGE, "//", "."),
    Fate.LOST: ("lost: no answer", RED, "xx", "x"),
}

#: A gap between two faults, in rows.
_GAP = 0.5


@dataclass(frozen=True)
class _Row:
    """All runs of one setting with one fault."""

    fault: str
    setting: str
    runs: tuple[Delivery, ...]

    def count(self, name: str) -> int:
        return sum(getattr(run, name) for run in self.runs)

    @property
    def events(self) -> int:
        return sum(len(run) for run in self.runs)


@styled
def delivery(results: Delivery | Iterable[Delivery], *, title: str | None = None) -> Figure:
    """Rows are faults, and within each the settings: of all events the shares answered, late and lost; counts beside.

    Args:
        results: of :func:`labkit.delivery`, one or several; those of one fault and setting count together.
        title: in place of the finding.

    Raises:
        UsageError: there is none.
    """
    rows = _rows([results] if isinstance(results, Delivery) else list(results))
    heights = np.cumsum([0, *(1 + _GAP * (above.fault != below.fault) for above, below in pairwise(rows))])
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 2.0 + 0.34 * (heights[-1] + 1)))
    left = np.zeros(len(rows))
    for fate, (word, colour, hatch, _) in _LOOK.items():
        share = np.array([100 * row.count(fate.name.lower()) / row.events for row in rows])
        axes.barh(
            heights, share, left=left, height=0.78, color=colour, hatch=hatch, edgecolor="white", lw=0, label=word
        )
        left += share
    for height, row in zip(heights, rows, strict=True):
        lost = row.count("lost")
        weight = "bold" if lost else "normal"
        axes.text(102, height, f"{lost:,}", ha="left", va="center", fontweight=weight, color=RED if lost else "#333333")
        axes.text(113, height, f"{row.count('duplicates'):,}", ha="left", va="center", color="#333333")
        axes.text(127, height, f"{row.count('resubmissions'):,}", ha="left", va="center", color="#333333")
    for at, word in ((102, "lost"), (113, "dupli-\ncates"), (127, "resub-\nmissions")):
        axes.text(at, heights[0] - 0.62, word, ha="left", va="bottom", fontsize=8.5, color="#333333")
    axes.set_yticks(heights, [f"{_killed(row.fault)}   {row.setting}" for row in rows])
    axes.set_ylim(heights[-1] + 0.6, heights[0] - 0.6)
    axes.set_xlim(0, 140)
    axes.set_xticks(range(0, 101, 20))
    axes.spines["bottom"].set_bounds(0, 100)
    axes.set_xlabel(_caption(rows), loc="left")
    axes.grid(visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    message(figure, title or delivery_title(rows))
    return figure


def _rows(results: Sequence[Delivery]) -> list[_Row]:
    if not results:
        raise UsageError("there is nothing to draw: measure something with labkit.delivery first")
    runs: dict[tuple[str, str], list[Delivery]] = {}
    for one in results:
        runs.setdefault((one.fault, _setting(one)), []).append(one)
    faults, settings = list(FAULTS), list(dict.fromkeys(setting for _, setting in runs))
    ordered = sorted(runs, key=lambda key: (faults.index(key[0]), settings.index(key[1])))
    return [_Row(*key, tuple(runs[key])) for key in ordered]


def _setting(one: Delivery) -> str:
    """Of a name with parameters the name; and what is unusual about the clients."""
    name = plain_name(one.strategy)
    return name if one.outbox == name.endswith("zero-loss") else f"{name}, {'an' if one.outbox else 'no'} outbox"


def _killed(fault: str) -> str:
    """As short as a label has to be."""
    shorter = {NO_FAULT: "nothing", "pool-child": "pool child", "redis": "Redis", "redis-aof": "Redis, AOF"}
    return shorter.get(fault, fault)


def _caption(rows: Sequence[_Row]) -> str:
    numbers = sorted({len(row.runs) for row in rows})
    runs = " or ".join(f"{number}" for number in numbers)
    one = rows[0].runs[0]
    return f"% of the events of {runs} {'run' if numbers == [1] else 'runs'} each; a run: {one.plan}, {one.work}"


def delivery_title(rows: Sequence[_Row]) -> str:
    """What each setting lost, where it lost most, and which lost nothing."""
    said = []
    for setting in dict.fromkeys(row.setting for row in rows):
        own = [row for row in rows if row.setting == setting]
        runs = [run for row in own for run in row.runs]
        lost, events = sum(run.lost for run in runs), sum(len(run) for run in runs)
        if not lost:
            said.append(f"{setting} lost none of {events:,} events in {_counted(len(runs), 'run')}")
            continue
        worst = max(own, key=lambda row: row.count("lost") / row.events)
        share = 100 * worst.count("lost") / worst.events
        part = f"{share:.0f}%" if share >= 1 else "under 1%"
        where = f" when {FAULTS[worst.fault]} was killed" if len(own) > 1 or worst.fault != NO_FAULT else ""
        most = "up to " if len(own) > 1 else ""
        said.append(f"{setting} lost {most}{part} of the events{where}")
    return "; ".join(said)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@styled
def delivery_times(result: Delivery, *, title: str | None = None) -> Figure:
    """One fault, a line an event from when it was due to its first answer; a cross where none came.

    The line at the fault is when it was killed, the shade lasts until everything ran again.

    Args:
        result: of :func:`labkit.delivery`.
        title: in place of the finding.
    """
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 4.6))
    due_s, answered_s = result.due_ms / _MS_PER_S, result.answered_ms / _MS_PER_S
    event, fates = np.arange(len(result)), result.fate
    if math.isfinite(result.fault_ms):
        axes.axvspan(result.fault_ms / _MS_PER_S, result.recovered_ms / _MS_PER_S, color="#DDDDDD", lw=0, zorder=0)
        axes.axvline(result.fault_ms / _MS_PER_S, color="#333333", lw=1.5)
    for fate, (word, colour, _, mark) in _LOOK.items():
        its = fates == fate
        if not its.any():
            continue
        if fate is not Fate.LOST:
            axes.hlines(event[its], due_s[its], answered_s[its], color=colour, lw=0.9, alpha=0.6)
        at_s = due_s[its] if fate is Fate.LOST else answered_s[its]
        axes.plot(at_s, event[its], mark, color=colour, ms=5, mew=1.2, label=f"{its.sum()} {word}")
    # What ran into a bound of the axis would be clipped: a little room on both sides.
    axes.margins(x=0.02, y=0.03)
    axes.invert_yaxis()
    axes.set_xlabel("time since the first event was due (s)")
    axes.set_ylabel("event, in the order of sending")
    if math.isfinite(result.fault_ms):
        where = axes.get_xaxis_transform()
        outage = f" kill -9; after {result.outage_ms / _MS_PER_S:.1f} s everything runs again"
        axes.text(result.fault_ms / _MS_PER_S, 1.01, outage, transform=where, va="bottom", fontsize=8.5)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    message(figure, title or _times_title(result))
    return figure


def _times_title(result: Delivery) -> str:
    setting = _setting(result)
    killed = "" if result.fault == NO_FAULT else f" when {FAULTS[result.fault]} was killed"
    if not result.lost:
        longest_s = (result.answered_ms - result.due_ms).max() / _MS_PER_S
        return f"{setting} lost none of {len(result)} events{killed}; the longest wait was {longest_s:.1f} s"
    return f"{setting} lost {result.lost} of {len(result)} events{killed}"
