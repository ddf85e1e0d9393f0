"""The example job on real data: when did this share last move as it did in the days up to this one?

An event carries one day of the price history of GOOG that matplotlib ships (1047 trading days, 2004-08-19 to
2008-10-14). The calculation compares the moves of the last `days` trading days with every earlier stretch of the
same length, by dynamic time warping: the sum of absolute differences along the cheapest alignment of two sequences
(H. Sakoe and S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE Transactions
on Acoustics, Speech, and Signal Processing 26(1), 1978, pages 43 to 49; here without slope weights and window).

`most_similar` is pure Python on purpose: it holds the GIL from start to end, as a slow handler usually does.
`most_similar_numpy` gives the same answer in a fraction of the time, for those who ask whether a faster function
would not be the better strategy.
"""

import importlib.util
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean

from labkit.base import clock
from labkit.base.errors import WorkloadError

Payload = dict[str, str | float]

DAYS = 25  # five weeks; one call is then 80 to 110 ms of CPU with CPython 3.11 where labkit was written
DRAWN_FROM = 247  # trading days at the end of the history, about a year: all have nearly as much past to search

#: Up to so many times what a call may cost, it still looks at the whole history: noise alone must not change the job.
NEAR_ENOUGH = 1.3

#: A smaller job is timed, and the whole one inferred from it: enough to tell, and over before people wait.
_TIMED_PAST, _TIMED_CALLS = 300, 5

#: A job looks at so many days or more, in steps of so many, so that its name is the same from one run to the next.
_LEAST_PAST, _STEP = 100, 50


@dataclass(frozen=True)
class History:
    """The price history as plain Python values; day i of each tuple is the same trading day."""

    dates: tuple[str, ...]  # ISO, ascending
    open: tuple[float, ...]  # US dollars, like high, low and close
    high: tuple[float, ...]
    low: tuple[float, ...]
    close: tuple[float, ...]
    volume: tuple[int, ...]  # shares
    changes: tuple[float, ...]  # log returns of the adjusted close; one fewer: changes[i] leads to day i + 1


@cache
def history() -> History:
    """Load the history once per process, without importing matplotlib; WorkloadError if it is not installed."""
    import numpy as np  # here, so that a worker process can import this module at no cost

    spec = importlib.util.find_spec("matplotlib")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    file = folder / "mpl-data" / "sample_data" / "goog.npz" if folder is not None else None
    if file is None or not file.is_file():
        raise WorkloadError("the price history comes with matplotlib: install it with `pip install matplotlib`")
    with np.load(file) as archive:
        table = archive["price_data"]
    adjusted = table["adj_close"].tolist()
    return History(
        dates=tuple(str(date) for date in table["date"]),
        open=tuple(table["open"].tolist()),
        high=tuple(table["high"].tolist()),
        low=tuple(table["low"].tolist()),
        close=tuple(table["close"].tolist()),
        volume=tuple(table["volume"].tolist()),
        changes=tuple(math.log(after / before) for before, after in itertools.pairwise(adjusted)),
    )


def day_payload(index: int) -> Payload:
    """What an event carries: trading day `index` (from 0, negative from the end) as a JSON object."""
    past = history()
    if not -len(past.dates) <= index < len(past.dates):
        raise WorkloadError(f"there is no trading day {index}: choose one from 0 to {len(past.dates) - 1}")
    return {
        "date": past.dates[index],
        "open": past.open[index],
        "high": past.high[index],
        "low": past.low[index],
        "close": past.close[index],
        "volume": past.volume[index],
    }


def payloads(count: int, seed: int = 0) -> list[Payload]:
    """`count` days from the last year of the history in an order that `seed` fixes; a day returns after all had a turn.

    Only the last year, since a day costs in proportion to the past before it: there, at most 15 % off the middle.
    """
    if count < 0:
        raise WorkloadError(f"{count} payloads cannot be drawn: ask for 0 or more")
    last = len(history().dates)
    draw = random.Random(seed)
    indices: list[int] = []
    while len(indices) < count:
        indices += draw.sample(range(last - DRAWN_FROM, last), DRAWN_FROM)
    return [day_payload(index) for index in indices[:count]]


def most_similar(day: Mapping[str, object], *, days: int = DAYS, past: int | None = None) -> Payload:
    """When did it last move as in the `days` trading days that end on `day`? Pure Python, holds the GIL.

    `day` is a payload, of which only the date is read. `past` is how many trading days that end on `day` are looked at;
    None looks at all. Returns {"date": that date, "like": the ISO date on which the most similar earlier,
    non-overlapping stretch ends, "distance": the sum of absolute log returns between the two, rounded to 9 digits}; the
    earliest stretch wins a tie. WorkloadError for a day without that much past.
    """
    end, changes = _end_of_stretch(day, days), history().changes
    recent = changes[end - days : end]
    best, like = math.inf, days
    for candidate in _candidates(end, days, past):
        distance = _warped_distance(recent, changes[candidate - days : candidate])
        if distance < best:
            best, like = distance, candidate
    return _answer(end, like, best)


def most_similar_numpy(day: Mapping[str, object], *, days: int = DAYS, past: int | None = None) -> Payload:
    """The same answer as `most_similar`, bit for bit: one cell of all the stretches' tables at a time, in numpy."""
    import numpy as np

    end, changes = _end_of_stretch(day, days), np.array(history().changes)
    candidates = _candidates(end, days, past)
    # earlier[i, k] is move i of stretch k; the same operations in the same order as below make the sums identical
    searched = changes[candidates.start - days : end - days]
    earlier = np.lib.stride_tricks.sliding_window_view(searched, days).T
    above = np.full((days + 1, len(candidates)), math.inf)
    above[0] = 0.0
    for change in changes[end - days : end]:
        row = np.full_like(above, math.inf)
        gaps = np.abs(change - earlier)
        nearest = np.minimum(above[:-1], above[1:])
        for column in range(days):
            row[column + 1] = gaps[column] + np.minimum(row[column], nearest[column])
        above = row
    best = int(np.argmin(above[-1]))
    return _answer(end, candidates[best], float(above[-1, best]))


@dataclass(frozen=True)
class Size:
    """How much of the history the example job looks at, and what that costs.

    Attributes:
        past: trading days; None for the whole history.
        event_ms: what one call costs here, in ms, when nothing else runs.
        whole_ms: what one call would cost here with the whole history.
    """

    past: int | None
    event_ms: float
    whole_ms: float

    @property
    def days(self) -> int:
        """The trading days that are looked at, as a number."""
        return len(history().dates) if self.past is None else self.past


def size_for(event_ms: float, timed_ms: Callable[[Callable[[], object]], float] | None = None) -> Size:
    """The example job, made so small that one call costs about `event_ms` on this machine; never more than it is.

    Args:
        event_ms: what a call may cost, in ms.
        timed_ms: calls a function once, and returns how many ms that took; this machine's clock where None.
    """
    timed_ms = timed_ms or _timed_ms
    last = len(history().dates)
    middle = last - DRAWN_FROM // 2  # a day of which as many events have more past as have less
    day = day_payload(middle)
    # The mean, and not the fastest call: on a machine with other work to do, people wait for that, too.
    measured_ms = mean(timed_ms(lambda: most_similar(day, past=_TIMED_PAST)) for _ in range(_TIMED_CALLS))
    stretch_ms = measured_ms / len(_candidates(middle, DAYS, _TIMED_PAST))
    whole_ms = stretch_ms * len(_candidates(middle, DAYS, None))
    if whole_ms <= NEAR_ENOUGH * event_ms:
        return Size(None, whole_ms, whole_ms)
    wanted = event_ms / stretch_ms + 2 * DAYS - 1
    past = max(_LEAST_PAST, int(wanted / _STEP) * _STEP)
    return Size(past, stretch_ms * len(_candidates(middle, DAYS, past)), whole_ms)


def _timed_ms(call: Callable[[], object]) -> float:
    before_ns = clock.now_ns()
    call()
    return (clock.now_ns() - before_ns) / clock.NS_PER_MS


def _warped_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Dynamic-time-warping distance of two non-empty sequences: O(len(a) * len(b)), one row of the table kept."""
    above = [0.0] + [math.inf] * len(b)
    for x in a:
        left = math.inf
        row = [left]
        for column, y in enumerate(b):
            left = abs(x - y) + min(left, above[column], above[column + 1])
            row.append(left)
        above = row
    return above[-1]


def _candidates(end: int, days: int, past: int | None) -> range:
    """Where the earlier stretches end: the first is the first that is looked at, the last ends where `end`'s begins."""
    if past is not None and past < 2 * days:
        raise WorkloadError(f"{past} days hold no earlier stretch of {days} days: look at {2 * days} or more")
    first = 0 if past is None else max(0, end - past)
    return range(first + days, end - days + 1)


@cache
def _index_of() -> dict[str, int]:
    return {date: index for index, date in enumerate(history().dates)}


def _end_of_stretch(day: Mapping[str, object], days: int) -> int:
    """The index of the payload's day, at least two stretches into the history."""
    if days < 1:
        raise WorkloadError(f"a stretch of {days} days cannot be compared: ask for days=1 or more")
    date = day.get("date") if isinstance(day, Mapping) else None
    end = _index_of().get(date) if isinstance(date, str) else None
    dates = history().dates
    if end is None:
        raise WorkloadError(f"{date!r} is not a trading day from {dates[0]} to {dates[-1]}: take day_payload(i)")
    if end < 2 * days:
        raise WorkloadError(f"{date} has no earlier stretch of {days} days to compare with: choose a later day")
    return end


def _answer(end: int, like: int, distance: float) -> Payload:
    dates = history().dates
    return {"date": dates[end], "like": dates[like], "distance": round(distance, 9)}
