"""Counts of durations in buckets whose width grows with the duration: bounded memory for the long run.

The layout is HdrHistogram's: of every power of two the same number of buckets, here 32, so that a value is known to
3%. The package ``hdrhistogram`` was tried: 1.2 us a value, three values an event, and it brings setuptools along. This
is an index and an addition.
"""

from array import array
from dataclasses import dataclass
from typing import Any

from labkit.base.typed import typed

_BITS = 5
_PER_OCTAVE = 1 << _BITS

#: Longer durations, of about 2.4 hours and more, are counted in the last bucket.
_MOST_NS = 2**43 - 1

BUCKETS = (43 - _BITS + 1) * _PER_OCTAVE

#: In one bucket: more than a million a second for ten years.
_MOST_COUNTED = 2**50


def bucket(value_ns: int) -> int:
    """The bucket in which a duration is counted; one below 0 is counted as 0."""
    if value_ns < _PER_OCTAVE:
        return max(value_ns, 0)
    value_ns = min(value_ns, _MOST_NS)
    shift = value_ns.bit_length() - _BITS - 1
    return (shift << _BITS) + (value_ns >> shift)


def upper_ns(index: int) -> int:
    """The longest duration that a bucket counts."""
    shift = max((index >> _BITS) - 1, 0)
    return ((index - (shift << _BITS) + 1) << shift) - 1


@dataclass(frozen=True)
class Histogram:
    """How often each duration was seen, as a snapshot.

    Attributes:
        counts: one count a bucket; see :func:`bucket`.
        total_ns: the sum of all durations, exactly.
    """

    counts: "array[int]"
    total_ns: int

    def __len__(self) -> int:
        return sum(self.counts)

    def percentile_ns(self, percent: float) -> int | None:
        """The duration that this share does not exceed, at most 3% too long; None where there is none."""
        total = len(self)
        if not total:
            return None
        wanted, reached = max(1.0, total * percent / 100), 0
        for index, count in enumerate(self.counts):
            reached += count
            if reached >= wanted:
                return upper_ns(index)
        return upper_ns(BUCKETS - 1)

    def to_json(self) -> dict[str, Any]:
        """Its buckets that are not empty, as text for keys, and the sum."""
        return {
            "total_ns": self.total_ns,
            "counts": {str(index): count for index, count in enumerate(self.counts) if count},
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Histogram":
        """The histogram that :meth:`to_json` told.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is not one.
        """
        counts = array("q", bytes(8 * BUCKETS))
        for index, count in told["counts"].items():
            if not (0 <= int(index) < BUCKETS and 0 < count <= _MOST_COUNTED):
                raise ValueError(f"a histogram counts {count!r} in its bucket {index!r}")
            counts[int(index)] = count
        return cls(counts, typed(int, told["total_ns"]))


#: What is counted of every event, in this order. Their buckets lie one after the other, and three sums behind them.
KINDS = ("queue_ns", "service_ns", "cpu_ns")

_SERVICE, _CPU, _TOTALS = BUCKETS, 2 * BUCKETS, 3 * BUCKETS


class Counting:
    """The histograms of one event name, counted into without a lock: two threads at one instant may lose a count."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = array("q", bytes(8 * (3 * BUCKETS + 3)))

    def add(self, queue_ns: int, service_ns: int, cpu_ns: int) -> None:
        """Count one event; a `cpu_ns` below 0 is not known."""
        counts = self.counts
        # As bucket() says, in place: this is done for every event, and a call costs more than what it does.
        if not 0 <= queue_ns <= _MOST_NS:
            queue_ns = 0 if queue_ns < 0 else _MOST_NS
        shift = queue_ns.bit_length() - _BITS - 1
        counts[queue_ns if shift < 0 else (shift << _BITS) + (queue_ns >> shift)] += 1
        counts[_TOTALS] += queue_ns
        if not 0 <= service_ns <= _MOST_NS:
            service_ns = 0 if service_ns < 0 else _MOST_NS
        shift = service_ns.bit_length() - _BITS - 1
        counts[_SERVICE + (service_ns if shift < 0 else (shift << _BITS) + (service_ns >> shift))] += 1
        counts[_TOTALS + 1] += service_ns
        if cpu_ns >= 0:
            cpu_ns = min(cpu_ns, _MOST_NS)
            shift = cpu_ns.bit_length() - _BITS - 1
            counts[_CPU + (cpu_ns if shift < 0 else (shift << _BITS) + (cpu_ns >> shift))] += 1
            counts[_TOTALS + 2] += cpu_ns

    def snapshot(self) -> dict[str, Histogram]:
        """What was counted so far, by :data:`KINDS`."""
        counts = self.counts[:]
        return {
            kind: Histogram(counts[at * BUCKETS : (at + 1) * BUCKETS], counts[_TOTALS + at])
            for at, kind in enumerate(KINDS)
        }
