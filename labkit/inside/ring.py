"""Rows of integers in one array, the oldest overwritten, and tables of names that stop growing.

No lock where events pass: a row's number is drawn from ``itertools.count``, and only who drew it writes that row.
"""

import itertools
import struct
import threading
from array import array

from labkit.inside.record import OTHER, UNKNOWN

#: A snapshot copies this many integers at once (512 kB): that long, some 0.1 ms, it holds everybody else up.
_CHUNK = 65_536


class Ring:
    """The last rows of a table; rows lie one after the other in `data`, their number first.

    Who adds a row draws a number and packs the row's values over those of the row that was there, in one call. From
    then on ``data[at] != number`` for the earlier row: so a stamp that comes late is dropped and spoils nothing.

    Args:
        columns: names; the first is the row's number.
        rows: how many are kept.

    Attributes:
        data: ``rows * width`` integers, 8 bytes each; never grows.
        draw: gives the number of the next row.
        pack: ``pack(data, 8 * at, *values)`` writes a row.
    """

    __slots__ = ("columns", "data", "draw", "pack", "rows", "width")

    def __init__(self, columns: tuple[str, ...], rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.width = len(columns)
        self.data = array("q", [UNKNOWN]) * (rows * self.width)
        self.draw = itertools.count().__next__
        self.pack = struct.Struct(f"{self.width}q").pack_into

    def snapshot(self) -> tuple[dict[str, "array[int]"], int]:
        """The rows kept, by column and in order, and how many there ever were; whoever writes goes on writing."""
        width, data = self.width, self.data
        seen = max(data[::width]) + 1
        first = seen % self.rows * width if seen > self.rows else 0
        copy = array("q")
        for start, end in ((first, len(data)), (0, first)) if first else ((0, min(seen, self.rows) * width),):
            for at in range(start, end, _CHUNK):
                copy += data[at : min(at + _CHUNK, end)]
        columns = {column: copy[at::width] for at, column in enumerate(self.columns)}
        numbers = columns[self.columns[0]]
        oldest = max(seen - self.rows, 0)
        if numbers != array("q", range(oldest, seen)):  # rows that were drawn, or written anew, while we copied
            good = [at for at, number in enumerate(numbers) if oldest <= number < seen]
            columns = {name: array("q", [column[at] for at in good]) for name, column in columns.items()}
        return columns, seen


class Names:
    """A table of names that takes no more than `most`; what comes later, or is no short text, is `OTHER`."""

    #: A longer name than this is no name: a client can send a megabyte of it.
    LONGEST = 128

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.index: dict[object, int] = {}
        self.names: list[str] = []

    def add(self, name: object) -> int:
        """The index of a name that is not in `index` yet."""
        name = name if isinstance(name, str) and len(name) <= self.LONGEST else OTHER
        if not name.isascii():  # JSON can send half of a surrogate pair, which no file and no terminal takes
            name = name.encode("utf-8", "backslashreplace").decode("utf-8")
        with self._lock:
            if name not in self.index:
                if len(self.names) >= self._most - 1:
                    name = OTHER
                if name not in self.index:
                    self.index[name] = len(self.names)
                    self.names.append(name)
            return self.index[name]
