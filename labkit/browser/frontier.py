"""INP against staleness: what a person who clicks feels, and how old what they see is; and who is best in both.

A way of updating the page is a choice; how many updates come and how long the list is (its *load*) is none. So the
frontier is that of each load: ways are compared with ways under the same one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.browser.passes import SHORTEST_MS, Timed
from labkit.browser.rendering import Measured, Rendering

#: How often the lab's browser draws a frame where there is something new.
FRAMES_HZ = 60

#: What one of two ways must gain to be better: a step of the rounding of INP, a frame of staleness.
INP_STEP_MS, FRAME_MS = 8.0, 1000 / FRAMES_HZ


@dataclass(frozen=True)
class Point:
    """One way of updating the page under one load.

    Attributes:
        way: its name without the load.
        rate_hz: updates per second; 0: all at once.
        rows: in the list before the run.
        staleness_ms: p95, the median of the runs.
        inp_ms: the median of the runs; one that is not told, or below 16 ms, counts as 16.
        repeats: each run's staleness and INP.
    """

    way: str
    rate_hz: float
    rows: int
    staleness_ms: float
    inp_ms: float
    repeats: tuple[tuple[float, float], ...] = ()

    @property
    def load(self) -> tuple[float, int]:
        """What is not the way's choice."""
        return self.rate_hz, self.rows

    def beats(self, other: "Point") -> bool:
        """Whether it is worse in neither, and in one of them better by more than a step or a frame."""
        if self.inp_ms > other.inp_ms or self.staleness_ms > other.staleness_ms:
            return False
        return other.inp_ms - self.inp_ms >= INP_STEP_MS or other.staleness_ms - self.staleness_ms >= FRAME_MS


def under(name: str, rate_hz: float, rows: int) -> str:
    """The name of a way that is measured under several loads."""
    return f"{name}, {rate_hz:g}/s, {rows} rows"


def felt(run: Timed) -> tuple[float, float]:
    """The p95 of staleness, and INP; NaN where there was no update, or no click."""
    inp = math.nan
    if len(run.clicks["intended"]):
        inp = float(SHORTEST_MS) if run.inp_ms is None else max(float(SHORTEST_MS), run.inp_ms)
    stale = np.sort(run.staleness_ms[~np.isnan(run.staleness_ms)])
    return float(stale[math.ceil(0.95 * len(stale)) - 1]) if len(stale) else math.nan, inp


def points(result: Rendering) -> tuple[Point, ...]:
    """One per way and load, in the order of the result; those without updates or without clicks are left out."""
    found = (_point(each) for each in result.measured)
    return tuple(point for point in found if point is not None)


def _point(each: Measured) -> Point | None:
    repeats = tuple(pair for pair in map(felt, each.sound) if not math.isnan(sum(pair)))
    if not repeats:
        return None
    rate_hz, rows = float(each.settings.get("rate_hz", 0)), int(each.settings.get("rows", 0))
    stale, inp = np.median(np.array(repeats), axis=0)
    name = each.name.removesuffix(under("", rate_hz, rows))
    return Point(name, rate_hz, rows, float(stale), float(inp), repeats)


def best(of: Sequence[Point]) -> tuple[Point, ...]:
    """The frontier: those that no other under the same load beats."""
    return tuple(p for p in of if not any(q.load == p.load and q.beats(p) for q in of))
