"""Slices of time in which somebody waited, kept while they are seen: the last ones, sums of all, and the worst."""

import heapq
import itertools
from types import FrameType
from typing import Any

from labkit.base.clock import NS_PER_MS
from labkit.inside.places import Place, Places
from labkit.inside.record import UNKNOWN
from labkit.inside.ring import Ring
from labkit.inside.watched import CAUSES, SLICE_COLUMNS, Total

#: Memory is this many rows: 2.6 MB.
SLICES_KEPT = 32_768

#: So many of the longest moments keep their stack whole, and of that so many frames.
WORST_KEPT, FRAMES_KEPT = 20, 40


class Slices:
    """Takes slices. Whoever adds one does so without a lock."""

    def __init__(self, places: Places, rows: int = SLICES_KEPT) -> None:
        self._places = places
        self.ring = Ring(SLICE_COLUMNS, rows)
        self._totals: dict[tuple[int, int], list[int]] = {}
        self._worst: list[tuple[int, int, dict[str, Any]]] = []
        self._order = itertools.count()

    def add(
        self,
        begin: int,
        end: int,
        place: Place,
        cause: int,
        held_ns: int,
        *,
        cpu_ns: int = 0,
        event: int = UNKNOWN,
        waiter: int = UNKNOWN,
        connection: int = UNKNOWN,
        frame: FrameType | None = None,
    ) -> None:
        """One of :class:`~labkit.inside.watched.Watched`'s rows; its stack is kept where it is one of the longest."""
        index = self._places.index(place)
        ring = self.ring
        number = ring.draw()
        at = 8 * (number % ring.rows * ring.width)
        ring.pack(ring.data, at, number, begin, end, index, cause, held_ns, cpu_ns, event, waiter, connection)
        total = self._totals.setdefault((index, cause), [0, 0, 0])
        total[0] += 1
        total[1] += held_ns
        total[2] += cpu_ns
        if frame is not None and (len(self._worst) < WORST_KEPT or held_ns > self._worst[0][0]):
            told = {"held_ms": held_ns / NS_PER_MS, "cause": CAUSES[cause], "stack": self._stack(frame)}
            # A number between, so that two stacks are never compared.
            entry = (held_ns, next(self._order), told)
            (heapq.heappush if len(self._worst) < WORST_KEPT else heapq.heappushpop)(self._worst, entry)

    def totals(self) -> tuple[Total, ...]:
        """Sums, the greatest first."""
        told = [Total(place, cause, *sums) for (place, cause), sums in list(self._totals.items())]
        return tuple(sorted(told, key=lambda each: -each.held_ns))

    def worst(self) -> tuple[dict[str, Any], ...]:
        """The longest moments, the longest first."""
        return tuple(told for *_, told in sorted(self._worst, key=lambda entry: entry[:2], reverse=True))

    def _stack(self, frame: FrameType | None) -> list[str]:
        told: list[str] = []
        while frame is not None and len(told) < FRAMES_KEPT:
            code = frame.f_code
            told.append(f"{self._places.short(code.co_filename)}:{frame.f_lineno} in {code.co_qualname}")
            frame = frame.f_back
        return told
