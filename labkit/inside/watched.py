"""What a watch has seen: who held what while somebody waited, as slices of time. It can be saved and read again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from labkit.base.typed import built, typed
from labkit.inside import column_files
from labkit.inside.column_files import Columns, require_within
from labkit.inside.places import KINDS, Place

SCHEMA_VERSION = 1

#: Why somebody waits, in the words of people.
CAUSES = (
    "held the GIL",
    "held the event loop",
    "held the receive loop of its client",
    "held a lock",
    "filled a pool",
    "garbage collection",
    "no free core",
    "does not read",
)
GIL, LOOP, RECEIVE_LOOP, LOCK, POOL, GC, CORE, CLIENT = range(len(CAUSES))

#: Of a slice, in the order in which a row has them. See :class:`Watched`.
SLICE_COLUMNS = ("number", "begin", "end", "place", "cause", "held_ns", "cpu_ns", "event", "waiter", "connection")


@dataclass(frozen=True)
class Total:
    """All that one place did for one cause, since the watch began.

    Attributes:
        place: index into `places`.
        cause: index into `CAUSES`.
        slices: how many times that was seen.
        held_ns, cpu_ns: sums of the slices' columns.
    """

    place: int
    cause: int
    slices: int
    held_ns: int
    cpu_ns: int


@dataclass(frozen=True)
class Watched:
    """A snapshot of what one :class:`~labkit.inside.watch.Watch` has seen.

    **Slices**, by column; rows are in the order in which they were seen:

    ==============  ================================================================================================
    ``number``      the how manieth slice, from 0; gaps are slices that the ring has lost
    ``begin``       ns of :data:`labkit.base.clock.now_ns`
    ``end``         likewise; slices of one moment share both, one row for each place that had a part in it
    ``place``       index into `places`: who made somebody wait, and the line
    ``cause``       index into `CAUSES`
    ``held_ns``     how much of the time from begin to end is put down to it
    ``cpu_ns``      CPU time of its thread in it
    ``event``       number of the event whose handler it is; `UNKNOWN` where it is none
    ``waiter``      number of the one event that waits; `UNKNOWN` where everybody does, or a connection
    ``connection``  number of the one connection that waits; `UNKNOWN` likewise
    ==============  ================================================================================================

    Attributes:
        slices: see above.
        places: what ``place`` says.
        totals: sums since the beginning, of slices that the ring has lost too.
        worst: the longest moments: ``{"held_ms": ..., "cause": ..., "stack": [...]}``, the innermost frame first.
        still_ns: of the last events, by number as text: for how long a handler stood still, neither computing nor
            wanting to, while somebody held the GIL.
        slices_seen: since the beginning.
        wakes: of the probe.
        cost_ns: CPU time of the probe.
        started_ns, taken_ns: the time that was watched.
        unseen: what can't be seen here, each with the reason.
        failed: why the watch ended by itself; "" where it did not.
    """

    slices: Columns
    places: tuple[Place, ...]
    totals: tuple[Total, ...]
    worst: tuple[dict[str, Any], ...]
    still_ns: dict[str, int]
    slices_seen: int
    wakes: int
    cost_ns: int
    started_ns: int
    taken_ns: int
    unseen: tuple[str, ...] = ()
    failed: str = ""

    def __len__(self) -> int:
        """How many slices are kept."""
        return len(self.slices["number"])

    def save(self, folder: str | Path) -> None:
        """Write ``watched.json`` and the slices beside it; the folder is made, and the JSON appears last.

        Raises:
            OSError: the folder cannot be written to.
        """
        about = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "slices"}
        about |= {name: [asdict(each) for each in about[name]] for name in ("places", "totals")}
        column_files.save(folder, "watched.json", SCHEMA_VERSION, {"slices": self.slices}, about)


def load(folder: str | Path) -> Watched:
    """Read what :meth:`Watched.save` has written.

    Raises:
        RecordError: there is none, it is cut short, or it is of a newer schema.
    """
    return column_files.load(folder, "watched.json", SCHEMA_VERSION, {"slices": SLICE_COLUMNS}, _built)


def _built(tables: Mapping[str, Columns], about: dict[str, Any]) -> Watched:
    """What was seen, where all of it is that."""
    watched = built(Watched, about, **tables)
    require_within(watched.slices, {"place": len(watched.places), "cause": len(CAUSES)})
    for total in watched.totals:
        if not (0 <= total.place < len(watched.places) and 0 <= total.cause < len(CAUSES)):
            raise ValueError("a sum points outside of its table")
    for place in watched.places:
        if place.kind not in KINDS:
            raise ValueError(f"{place.kind!r} is no kind of a place")
    for worst in watched.worst:
        for name, kind in (("held_ms", float), ("cause", str), ("stack", list[str])):
            typed(kind, worst[name])
    return watched
