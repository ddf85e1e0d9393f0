"""Distributions of durations as small drawings: the numbers of an SVG, which the page's template writes down.

All events share the axis of one kind of duration, so that they can be compared by eye. It is logarithmic where the
durations span decades.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S
from labkit.inside.histogram import Histogram, upper_ns
from labkit.inside.record import UNKNOWN, Record
from labkit.runs.stages import MISSING

#: Units of the drawing; bars stand on `BASE`, the axis' words below it.
WIDTH, BASE = 240, 44

#: Bars of one drawing.
_BARS = 60

#: An axis is logarithmic where the longest is so many times the shortest.
_DECADES = 30.0

#: Nothing shorter is told apart: the clock's own reading takes a tenth of it.
_LEAST_NS = 1_000.0

#: Beside the durations of a kind, in the page's order.
KINDS = ("queue", "service", "cpu")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Durations:
    """Durations in ns, each with how often it was seen."""

    values_ns: Ints
    counts: Ints


@dataclass(frozen=True)
class Axis:
    """What all drawings of one kind share."""

    low_ns: float
    high_ns: float
    logarithmic: bool

    def parts(self, values_ns: Ints) -> NDArray[np.float64]:
        """Where durations stand, from 0 to 1."""
        values = np.clip(values_ns.astype(float), self.low_ns, self.high_ns)
        if self.logarithmic:
            return np.asarray(np.log(values / self.low_ns) / math.log(self.high_ns / self.low_ns))
        return np.asarray((values - self.low_ns) / (self.high_ns - self.low_ns))

    def x(self, value_ns: float) -> float:
        """Where one stands, from 0 to `WIDTH`."""
        return round(WIDTH * float(self.parts(np.array([round(value_ns)], np.int64))[0]), 1)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places and words, three to five of them."""
        if not self.logarithmic:
            return tuple((self.x(part * self.high_ns), short(part * self.high_ns)) for part in (0, 0.5, 1))
        first, last = (round(math.log10(each)) for each in (self.low_ns, self.high_ns))
        step = max(1, math.ceil((last - first) / 4))
        return tuple((self.x(10.0**power), short(10.0**power)) for power in range(first, last + 1, step))


@dataclass(frozen=True)
class Chart:
    """One drawing.

    Attributes:
        bars: the ``d`` of an SVG path.
        ticks: see :meth:`Axis.ticks`.
        median_x: where the median stands.
        logarithmic: whether its axis is.
    """

    bars: str
    ticks: tuple[tuple[float, str], ...]
    median_x: float
    logarithmic: bool


def durations(record: Record, name: int, namespace: int) -> dict[str, Durations]:
    """Of one event's kinds, all that is known: of those kept, or of all where the ring has lost some."""
    columns = {key: np.frombuffer(values, np.int64) for key, values in record.events.items()}
    same_name = columns["name"] == name
    chosen = same_name & (columns["namespace"] == namespace)
    told = record.long_run.get(record.names[name])
    if record.events_lost and told and np.array_equal(chosen, same_name):
        return {kind: _counted(told[f"{kind}_ns"]) for kind in KINDS}
    rows = {key: values[chosen] for key, values in columns.items()}
    start, end, cpu = rows["handler_start"], rows["handler_end"], rows["cpu_ns"]
    came = np.where(rows["read"] != MISSING, rows["read"], rows["dispatched"])
    ended = (start != MISSING) & (end != MISSING)
    found = {
        "queue": (start - came)[(start != MISSING) & (came != MISSING)],
        "service": (end - start)[ended],
        "cpu": cpu[ended & (cpu != UNKNOWN)],
    }
    return {kind: Durations(values, np.ones(len(values), np.int64)) for kind, values in found.items()}


def _counted(histogram: Histogram) -> Durations:
    counts = np.frombuffer(histogram.counts, np.int64)
    seen = np.flatnonzero(counts)
    return Durations(np.array([upper_ns(int(at)) for at in seen], np.int64), counts[seen])


def axis(of: list[Durations]) -> Axis:
    """The one that fits all of them."""
    values = np.concatenate([each.values_ns for each in of]) if of else np.zeros(0)
    low = max(_LEAST_NS, float(values.min(initial=NS_PER_S)))
    high = max(_LEAST_NS * 10, float(values.max(initial=0)))
    if high / low < _DECADES:
        return Axis(0.0, high, logarithmic=False)
    return Axis(10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high)), logarithmic=True)


def chart(of: Durations, on: Axis) -> Chart | None:
    """Its drawing; None where there is nothing to draw."""
    if not len(of.values_ns):
        return None
    bars = np.minimum((on.parts(of.values_ns) * _BARS).astype(int), _BARS - 1)
    counts = np.bincount(bars, weights=of.counts, minlength=_BARS)
    wide, highest = WIDTH / _BARS, counts.max()
    drawn = []
    for at in np.flatnonzero(counts):
        # A single event in a million is still to be seen.
        high = max(1.5, (BASE - 2) * counts[at] / highest)
        drawn.append(f"M{at * wide:.1f} {BASE}v-{high:.1f}h{wide - 0.5:.1f}v{high:.1f}z")
    order = np.argsort(of.values_ns)
    reached = np.cumsum(of.counts[order])
    median = of.values_ns[order][np.searchsorted(reached, reached[-1] / 2)]
    return Chart("".join(drawn), on.ticks(), on.x(float(median)), on.logarithmic)


def short(value_ns: float) -> str:
    """A duration as an axis has it: ``10 us``, ``2.5 ms``, ``1 s``."""
    for unit_ns, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if value_ns >= unit_ns * 0.9995:
            return f"{value_ns / unit_ns:.3g} {unit}"
    return "0"
