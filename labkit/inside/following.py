"""Follows a ring from row to row, from another thread than those that write it, and without holding anybody up."""

from labkit.inside.ring import Ring


class Following:
    """The rows that came since the last look.

    Args:
        ring: which.
        most: rows of one look; of more, the newest are given.
        first: the same of the first look, which begins with rows that are there already.
        since: number of the first row; None for as many of those that are there as the first look gives.
    """

    def __init__(self, ring: Ring, most: int, *, first: int | None = None, since: int | None = None) -> None:
        self._ring = ring
        self._most = min(most, ring.rows)
        self._first: int | None = min(first or most, ring.rows)
        self._next = max(seen(ring) - self._first, 0) if since is None else since

    def new(self) -> tuple[range, int]:
        """The numbers of new rows, and how many before them were passed over."""
        end = seen(self._ring, self._next)
        most, self._first = self._first or self._most, None
        first = max(self._next, end - most)
        passed_over = first - self._next
        self._next = end
        return range(first, end), passed_over


def seen(ring: Ring, known: int = 0) -> int:
    """How many rows there ever were, of which so many are known; in a few steps, whatever the number of rows.

    A row's place has its own number or a later one, once it was written: so this is a search in something ordered.
    """
    data, rows, width = ring.data, ring.rows, ring.width
    step = 1
    while data[(known + step - 1) % rows * width] >= known + step - 1:
        known += step
        step *= 2
    while step > 1:
        step //= 2
        if data[(known + step - 1) % rows * width] >= known + step - 1:
            known += step
    return known
