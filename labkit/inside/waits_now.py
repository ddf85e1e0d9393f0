"""Of one event, while the app goes on: how long it waited, and for whom, from what a watch has seen last.

The same question is answered of a whole record, more slowly and to the end, by :mod:`labkit.experiments.blame`.
"""

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

from labkit.base.clock import NS_PER_MS
from labkit.inside.following import seen
from labkit.inside.places import EVENT, ROUTE, Place
from labkit.inside.recent import Wait
from labkit.inside.record import EVENT_COLUMNS, UNKNOWN
from labkit.inside.seeing import CPU_NS, DISPATCHED, HANDLER_END, HANDLER_START, NAME, READ, Seeing
from labkit.inside.watched import CAUSES, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP, SLICE_COLUMNS

if TYPE_CHECKING:
    from labkit.inside.watch import Watch

CONNECTION = EVENT_COLUMNS.index("connection")
_BEGIN, _END, _PLACE, _CAUSE, _HELD, _EVENT, _WAITER, _CONNECTION = map(
    SLICE_COLUMNS.index, ("begin", "end", "place", "cause", "held_ns", "event", "waiter", "connection")
)

#: Nobody asks why, if it waited for less.
ASKED_NS = 10 * NS_PER_MS

#: Slices, and rows of events, that are looked at for one event.
_SLICES, _ROWS = 2_048, 256

MEANWHILE = "ran meanwhile"

_Blamed = dict[tuple[str, str, str], int]


def came(row: "array[int]", at: int) -> int:
    """When an event came: read, where that was seen, else dispatched."""
    return row[at + READ] or row[at + DISPATCHED]


def waited(seeing: Seeing, watch: "Watch | None", number: int, now: int) -> tuple[int, str, str, str]:
    """How long an event waited, in ns, and the cause, who and where of most of it; "" where nobody knows."""
    row, ring = seeing.events.data, seeing.events
    at = number % ring.rows * ring.width
    begin, start = came(row, at), row[at + HANDLER_START] or now
    end, cpu_ns = row[at + HANDLER_END] or now, row[at + CPU_NS]
    queue_ns = max(0, start - begin)
    idle_ns = 0
    if row[at + HANDLER_END] and cpu_ns != UNKNOWN:
        idle_ns = max(0, end - start - cpu_ns - (0 if watch is None else watch.still_ns.get(number, 0)))
    if queue_ns + idle_ns < ASKED_NS:
        return queue_ns, "", "", ""
    blamed: _Blamed = defaultdict(int)
    if watch is not None:
        inside_ns = _watched(watch, number, row[at + CONNECTION], (begin, start, end), idle_ns, blamed)
        queue_ns += inside_ns
    if not blamed and queue_ns >= ASKED_NS:
        _meanwhile(seeing, number, begin, start, now, blamed)
    if not blamed:
        return queue_ns, "", "", ""
    cause, who, where = max(blamed, key=lambda key: blamed[key])
    return queue_ns, cause, who, where


def _watched(
    watch: "Watch",
    number: int,
    connection: int,
    times: tuple[int, int, int],
    idle_ns: int,
    blamed: _Blamed,
) -> int:
    """Blame what the watch has seen; so long of the handler's time was waiting for it."""
    begin, start, end = times
    ring, met = watch.slices.ring, watch.places.met
    data, width = ring.data, ring.width
    last = seen(ring)
    for_locks_ns = everybody_ns = 0
    for each in range(last - 1, max(last - min(ring.rows, _SLICES), 0) - 1, -1):
        at = each % ring.rows * width
        since, until, cause = data[at + _BEGIN], data[at + _END], data[at + _CAUSE]
        if until <= begin:
            break  # slices end in the order in which they are seen, but for some ms
        held_ns, of_event = data[at + _HELD], data[at + _EVENT]
        part_ns = 0
        if cause in (LOCK, POOL):
            part_ns = held_ns if data[at + _WAITER] == number else 0
            for_locks_ns += part_ns
        elif cause == RECEIVE_LOOP:
            if data[at + _CONNECTION] == connection:
                part_ns = max(0, min(until, start) - max(since, begin))
        elif cause in (GIL, LOOP, GC, CORE) and of_event != number:
            share = held_ns / max(1, until - since)
            part_ns = round(share * max(0, min(until, start) - max(since, begin)))
            if idle_ns:
                inside_ns = round(share * max(0, min(until, end) - max(since, start)))
                everybody_ns += inside_ns
                part_ns += inside_ns
        if part_ns > 0:
            place = met[data[at + _PLACE]]
            blamed[CAUSES[cause], who(place), place.where] += part_ns
    return for_locks_ns + min(everybody_ns, max(0, idle_ns - for_locks_ns))


def _meanwhile(seeing: Seeing, number: int, begin: int, start: int, now: int, blamed: _Blamed) -> None:
    """Without a watch: the handlers that ran while it waited, where they filled a good part of that."""
    ring = seeing.events
    row, names = ring.data, seeing.names.names
    filled: dict[int, int] = defaultdict(int)
    for other in range(max(0, number - _ROWS), min(number + _ROWS, seen(ring, number))):
        at = other % ring.rows * ring.width
        if other != number and row[at] == other and row[at + HANDLER_START]:
            until = row[at + HANDLER_END] or now
            filled[row[at + NAME]] += max(0, min(until, start) - max(row[at + HANDLER_START], begin))
    for name, ns in filled.items():
        if ns * 4 >= start - begin:
            blamed[MEANWHILE, names[name], ""] += ns


def who(place: Place) -> str:
    """For whom it ran, in a word or two."""
    if place.kind in (EVENT, ROUTE):
        return place.name
    return place.name if place.name != "_other" else "others"


def longest(found: tuple[int, str, str, str], *, is_over: bool) -> Wait:
    """As what is told."""
    ns, cause, by, where = found
    return Wait(round(ns / NS_PER_MS, 1), cause, by, where, is_over)
