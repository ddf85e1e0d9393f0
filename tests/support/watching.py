"""Records and watches made by hand, in milliseconds, for the arithmetic that reads them."""

from array import array

from labkit.base.clock import NS_PER_MS
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, HEARTBEAT_COLUMNS, UNKNOWN, Record
from labkit.inside.watched import SLICE_COLUMNS, Total, Watched

#: 0 is MISSING: all instants count from here.
START_MS = 1_000


def ns(ms):
    """An instant, from milliseconds after the start."""
    return round((START_MS + ms) * NS_PER_MS)


def event(name, read, start, end, *, dispatched=None, free=None, cpu=0.0, connection=0):
    """An event, in ms; a number of its own is its place in the list."""
    dispatched = read if dispatched is None else dispatched
    return {
        "name": name,
        "read": ns(read),
        "dispatched": ns(dispatched),
        "handler_start": 0 if start is None else ns(start),
        "handler_end": 0 if end is None else ns(end),
        "loop_free": ns(dispatched if free is None else free),
        "cpu_ns": round(cpu * NS_PER_MS),
        "connection": connection,
        "thread": 7,
        "error": UNKNOWN,
    }


def heartbeat(ping, taken, *, read=None, connection=0):
    """A heartbeat, in ms; None where its answer was not taken."""
    return {
        "connection": connection,
        "ping": ns(ping),
        "read": 0 if read is None else ns(read),
        "taken": 0 if taken is None else ns(taken),
    }


def record(events, *, taken=1_000, heartbeats=(), connections=(), **settings):
    """A record of such events, heartbeats and connections."""
    names = tuple(dict.fromkeys(each["name"] for each in events))
    rows = [{**each, "number": number, "name": names.index(each["name"])} for number, each in enumerate(events)]
    return Record(
        events={column: array("q", [row.get(column, 0) for row in rows]) for column in EVENT_COLUMNS},
        emits={column: array("q") for column in EMIT_COLUMNS},
        names=names,
        namespaces=("/",),
        errors=(),
        connections=tuple(connections),
        heartbeats={
            column: array("q", [row.get(column, number) for number, row in enumerate(heartbeats)])
            for column in HEARTBEAT_COLUMNS
        },
        settings={"async_handlers": True, **settings},
        events_seen=len(events),
        emits_seen=0,
        connections_seen=1,
        started_ns=ns(0),
        taken_ns=ns(taken),
        started_utc="2026-11-29T00:00:00+00:00",
    )


def slice_of(begin, end, place, cause, *, held=None, cpu=None, event=UNKNOWN, waiter=UNKNOWN, connection=UNKNOWN):
    """A slice, in ms; held all the time, and computing all the time, where nothing else is said."""
    held = end - begin if held is None else held
    return {
        "begin": ns(begin),
        "end": ns(end),
        "place": place,
        "cause": cause,
        "held_ns": round(held * NS_PER_MS),
        "cpu_ns": round((held if cpu is None else cpu) * NS_PER_MS),
        "event": event,
        "waiter": waiter,
        "connection": connection,
    }


def watched(slices, *, taken=1_000, still_ms=None):
    """A watch of such slices, whose places are places."""
    places = list(dict.fromkeys(each["place"] for each in slices))
    rows = [{**each, "number": number, "place": places.index(each["place"])} for number, each in enumerate(slices)]
    sums = {}
    for row in rows:
        total = sums.setdefault((row["place"], row["cause"]), [0, 0, 0])
        for at, more in enumerate((1, row["held_ns"], row["cpu_ns"])):
            total[at] += more
    return Watched(
        slices={column: array("q", [row[column] for row in rows]) for column in SLICE_COLUMNS},
        places=tuple(places),
        totals=tuple(Total(*key, *total) for key, total in sums.items()),
        worst=({"held_ms": 3.0, "cause": "held the GIL", "stack": ["<b>.py:1 in f"]},),
        still_ns={str(number): round(ms * NS_PER_MS) for number, ms in (still_ms or {}).items()},
        slices_seen=len(slices),
        wakes=10,
        cost_ns=1,
        started_ns=ns(0),
        taken_ns=ns(taken),
    )
