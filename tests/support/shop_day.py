"""What was seen inside a shop for half a second, made by hand: what a claim says of it can be made true or false.

::

    shop_day.seen()                                  # one query that waits, one report that computes, and who met them
    shop_day.seen(report="elsewhere", to=True)       # mended
    shop_day.seen(others_wait=0.9)                   # a world in which a query holds up everybody
"""

import dataclasses
from array import array

from labkit.experiments.blame import blame
from labkit.experiments.seen import Seen
from labkit.inside.places import EVENT, TASK, Place
from labkit.inside.record import EMIT_COLUMNS, UNKNOWN, Connection
from labkit.inside.watched import CLIENT, GIL
from tests.support.watching import event, ns, record, slice_of, watched

BUILD = Place(EVENT, "report", "shop/report.py", 18, "bought_together", "shop.report", "report")
SEARCH = Place(EVENT, "search", "shop/app.py", 38, "search", "shop.app", "search")
THREAD = Place(TASK, "in_thread.count", "shop/report.py", 18, "bought_together", "shop.report", "count")
PRICES = Place(EVENT, "price", "shop/app.py", 75, "price", "shop.app", "price")

QUERY_MS, SEARCHES, CLIENTS = 200, 6, 5


def seen(
    *,
    own_waits=1.0,  # of what is left of a client's own query, the share that its searches wait
    others_wait=0.05,  # the same of another client's query
    searches=SEARCHES,  # of each of the two clients, during the query
    query_cpu=0.4,  # of the query
    report="handler",  # who computes it: the handler, a thread of the process, or another process ("elsewhere")
    reports=1,  # at once; a second one waits for the GIL in its handler
    beside_ms=0,  # for so long another handler has the GIL
    to=False,  # whether a basket's answer goes to its caller alone
    receivers=CLIENTS,  # of an answer that doesn't
    unsent=30,  # messages that wait for the client that does not read
    async_handlers=False,
):
    """A shop's half second."""
    computes = report == "handler"
    events = [
        event("stock", 0, 0, QUERY_MS, free=QUERY_MS, cpu=query_cpu),
        *(_search(20 + 20 * at, own_waits, connection=0) for at in range(searches)),
        *(_search(25 + 20 * at, others_wait, connection=1) for at in range(searches)),
        event("report", 300, 300, 500 if computes else 301, cpu=190 if computes else 0.3, connection=2),
        *([event("report", 310, 310, 500, cpu=20, connection=3)] if reports > 1 else []),
        *(event("search", 320 + 20 * at, 330 + 20 * at, 331 + 20 * at, connection=1) for at in range(SEARCHES)),
        *(event("basket", 520 + at, 520 + at, 521 + at, connection=1) for at in range(3)),
    ]
    events[1]["answer_written"] = ns(210)
    number = next(at for at, each in enumerate(events) if each["name"] == "report")
    slices = [slice_of(300, 500, BUILD, GIL, event=number)] if computes else []
    slices += [slice_of(300, 500, THREAD, GIL)] if report == "thread" else []
    slices += [slice_of(500, 500 + beside_ms, SEARCH, GIL, event=number + reports)] if beside_ms else []
    slices += [slice_of(100, 600, PRICES, CLIENT, connection=4)] if unsent else []
    made = record(events, taken=600, async_handlers=async_handlers)
    made = dataclasses.replace(
        made,
        names=(*made.names, "prices"),
        emits=_emits(made, [1 if to else receivers] * 3),
        emits_seen=4,
        connections=tuple(_connection(at, unsent if at == CLIENTS - 1 else 1) for at in range(CLIENTS)),
        connections_seen=CLIENTS,
    )
    return Seen(made, blame((made, watched(slices, taken=600))))


def _search(read, share, connection):
    """One that waits a share of what is left of the query."""
    start = read + share * (QUERY_MS - read)
    return event("search", read, start, start + 1, connection=connection)


def _emits(made, receivers):
    """Of each basket its answer; and at the end prices for everybody, made by nobody's handler."""
    baskets = [number for number, name in enumerate(made.events["name"]) if made.names[name] == "basket"]
    rows = [
        {"number": at, "name": made.names.index("basket"), "event": number, "receivers": many, "written": many}
        for at, (number, many) in enumerate(zip(baskets, receivers, strict=True))
    ]
    prices = {"number": len(rows), "name": len(made.names), "event": UNKNOWN, "receivers": CLIENTS}
    rows.append({**prices, "written": CLIENTS - 1})
    instants = [{"at": ns(530 + at), "queued": ns(530 + at)} for at in range(len(rows))]
    told = [{**row, **at} for row, at in zip(rows, instants, strict=True)]
    return {column: array("q", [row.get(column, 0) for row in told]) for column in EMIT_COLUMNS}


def _connection(number, unsent):
    return Connection(number, f"{number:08x}", opened_ns=ns(-100 + number), closed_ns=ns(590), unsent_most=unsent)
