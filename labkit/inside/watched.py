"""What a watch has seen: who held what while somebody waited, as slices of time. It can be saved and read again."""

import json
from array import array
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from labkit.base.errors import RecordError
from labkit.base.files import whole
from labkit.inside.places import Place
from labkit.inside.record import _little, _table

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

    slices: dict[str, "array[int]"]
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
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / "inside-slices.bin") as path, path.open("wb") as file:
            for column in self.slices.values():
                file.write(_little(column).tobytes())
        table = {"columns": list(self.slices), "rows": len(self)}
        about = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "slices"}
        about |= {name: [asdict(each) for each in about[name]] for name in ("places", "totals")}
        with whole(folder / "watched.json") as path:
            path.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "table": table, **about}), "utf-8")


def load(folder: str | Path) -> Watched:
    """Read what :meth:`Watched.save` has written.

    Raises:
        RecordError: there is none, it is cut short, or it is of a newer schema.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / "watched.json").read_text("utf-8"))
        version = about.pop("schema_version")
        if version > SCHEMA_VERSION:
            raise RecordError(f"{folder} has schema version {version}: read it with a newer labkit than this")
        slices = _table(folder, "slices", about.pop("table"))
        about["places"] = tuple(Place(**each) for each in about["places"])
        about["totals"] = tuple(Total(**each) for each in about["totals"])
        about |= {name: tuple(about[name]) for name in ("worst", "unseen")}
        return Watched(slices=slices, **about)
    except FileNotFoundError as error:
        raise RecordError(f"{folder} holds no watch: {Path(error.filename).name} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{folder} holds a watch that cannot be read: take it anew ({error!r})") from error
