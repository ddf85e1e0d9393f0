"""A record of many events, and of a watch, as an app that computes too much would leave them; and a page to look at."""

import base64
import contextlib
import zlib
from array import array

import numpy as np

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.inside.places import EVENT, LIBRARY, TASK, Place
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, UNKNOWN, Connection, Record
from labkit.inside.ring import Ring
from labkit.inside.watched import CORE, GIL, LOCK, SLICE_COLUMNS, Total, Watched

START_NS = 10 * NS_PER_S


def column_arrays(columns, names):
    """A table of a record, through the ring that an app writes it into."""
    rows = len(columns["number"])
    ring = Ring(names, max(1, rows))
    values = [columns[name].tolist() for name in names]
    for row in zip(*values, strict=True):
        number = ring.draw()
        ring.pack(ring.data, 8 * (number % ring.rows * ring.width), *row)
    return ring.snapshot()[0]


def crowded(events, names=("chat", "move", "export", "query"), seed=0, **changes):
    """So many events of 20 clients in ten minutes, some of which compute and hold the others up; and its watch."""
    random = np.random.default_rng(seed)
    seconds = events / 170
    dispatched = START_NS + np.sort(random.integers(0, round(seconds * NS_PER_S), events))
    chances = np.array([0.6, 0.3, 0.02, 0.08] + [0.001] * (len(names) - 4))
    name = random.choice(len(names), events, p=chances / chances.sum())
    service = np.where(name == 2, random.normal(180, 30, events), random.lognormal(0.2, 0.7, events))
    service = np.where(name == 3, random.lognormal(2.5, 0.5, events), service)
    service = (np.maximum(0.05, service) * NS_PER_MS).astype(np.int64)
    start = dispatched + random.integers(20_000, 200_000, events)
    # Who comes while an export computes waits for it.
    for at in np.flatnonzero(name == 2):
        last = np.searchsorted(dispatched, start[at] + service[at])
        met = np.arange(at + 1, last)
        start[met] = np.maximum(start[met], start[at] + random.integers(1, service[at], len(met)))
    end = start + service
    zeros, unknown = np.zeros(events, np.int64), np.full(events, UNKNOWN)
    columns = dict.fromkeys(EVENT_COLUMNS, zeros) | {
        "number": np.arange(events),
        "name": name,
        "connection": random.integers(0, 20, events),
        "transport": np.ones(events, np.int64),
        "bytes_in": random.integers(20, 4000, events),
        "arguments": np.ones(events, np.int64),
        "read": dispatched - random.integers(5_000, 60_000, events),
        "dispatched": dispatched,
        "handler_start": start,
        "handler_end": end,
        "loop_free": dispatched + 40_000,
        "cpu_ns": np.where(name == 2, service * 9 // 10, service // 3),
        "thread": random.integers(1000, 1050, events),
        "error": np.where(random.random(events) < 0.001, 0, unknown),
        "emits": np.where(name == 0, 1, 0),
        "answered": end + 10_000,
        "answer_bytes": zeros + 30,
        "answer_written": end + random.integers(20_000, 300_000, events),
    }
    chat = np.flatnonzero(name == 0)
    emitted = dict.fromkeys(EMIT_COLUMNS, zeros[: len(chat)]) | {
        "number": np.arange(len(chat)),
        "event": chat,
        "receivers": zeros[: len(chat)] + 20,
        "bytes": zeros[: len(chat)] + 60,
        "thread": columns["thread"][chat],
        "at": start[chat] + service[chat] // 2,
        "queued": start[chat] + service[chat] // 2 + 5_000,
        "first_written": end[chat] + 30_000,
        "last_written": end[chat] + 90_000,
        "written": zeros[: len(chat)] + 20,
    }
    taken_ns = int(end.max()) + NS_PER_S
    record = Record(
        events=column_arrays(columns, EVENT_COLUMNS),
        emits=column_arrays(emitted, EMIT_COLUMNS),
        names=tuple(names),
        namespaces=("/",),
        errors=("KeyError",),
        connections=tuple(_connection(number, taken_ns) for number in range(20)),
        settings={
            "async_mode": "threading",
            "async_handlers": True,
            "greenlets": False,
            "ping_interval_s": 25,
            "ping_timeout_s": 20,
            "transports": ["polling", "websocket"],
            "allow_upgrades": True,
        },
        events_seen=events,
        emits_seen=len(chat),
        connections_seen=20,
        started_ns=START_NS,
        taken_ns=taken_ns,
        started_utc="2026-11-29T09:30:00+00:00",
    )
    return changed(record, **changes), watch(columns, taken_ns)


def changed(record, **fields):
    """The record with other fields."""
    return Record(**{**vars(record), **fields})


def unpacked(table):
    """Columns as the page's script reads them."""
    data, rows, at, found = zlib.decompress(base64.b64decode(table["bytes"])), table["rows"], 0, {}
    for name, width in table["columns"]:
        parts = (np.frombuffer(data, np.uint8, rows, at + byte * rows) for byte in range(width))
        found[name] = sum(part.astype(np.int64) << (8 * byte) for byte, part in enumerate(parts))
        at += width * rows
    assert at == len(data)
    return found


def _connection(number, taken_ns):
    polling = number in (3, 4)
    return Connection(
        number=number,
        sid=f"{number:08x}",
        namespaces=("/",),
        opened_ns=START_NS,
        closed_ns=taken_ns - NS_PER_S if number == 7 else 0,
        reason="ping timeout" if number == 7 else "",
        first_transport="polling" if polling else "websocket",
        upgrade_offered=True,
        upgraded_ns=0 if polling else START_NS,
        pongs=3,
        headroom_s=2.5 if number == 9 else 19.4,
        unread_most=3,
        unsent_most=400 if number == 11 else 1,
        events=10,
    )


def watch(columns, taken_ns):
    """Slices of the exports that computed, of a lock, and of a machine that had no core."""
    exports = np.flatnonzero(columns["name"] == 2)
    begin = columns["handler_start"][exports]
    rows = {name: [] for name in SLICE_COLUMNS}
    for number, at in enumerate(exports.tolist()):
        start, end = int(columns["handler_start"][at]), int(columns["handler_end"][at])
        kind = 1 if number % 9 == 0 else 2 if number % 17 == 0 else 0
        values = (number, start, end, kind, (GIL, LOCK, CORE)[kind], (end - start) * 9 // 10, (end - start) * 8 // 10)
        for name, value in zip(SLICE_COLUMNS, (*values, at if kind == 0 else UNKNOWN, UNKNOWN, UNKNOWN), strict=True):
            rows[name].append(value)
    places = (
        Place(EVENT, "export", "shop/report.py", 41, "build", "shop.report", "on_export"),
        Place(TASK, "refresh", "shop/stock.py", 12, "refresh", "shop.stock", "refresh", "shop/stock.py:30 in take"),
        Place(LIBRARY, "the machine"),
    )
    totals = {}
    for place, cause, held, cpu in zip(rows["place"], rows["cause"], rows["held_ns"], rows["cpu_ns"], strict=True):
        total = totals.setdefault((place, cause), [0, 0, 0])
        for at, more in enumerate((1, held, cpu)):
            total[at] += more
    return Watched(
        slices={name: array("q", values) for name, values in rows.items()},
        places=places,
        totals=tuple(Total(*key, *sums) for key, sums in totals.items()),
        worst=(
            {"held_ms": 240.0, "cause": "held the GIL", "stack": ["shop/report.py:41 in build", "app.py:9 in export"]},
        ),
        still_ns={},
        slices_seen=len(begin),
        wakes=10,
        cost_ns=1,
        started_ns=START_NS,
        taken_ns=taken_ns,
    )


@contextlib.contextmanager
def opened(path, browser, **context):
    """The page in a browser, drawn; every message of its console, and every request beyond it, is in ``page.said``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, play.chromium.launch(executable_path=browser.path, args=["--no-sandbox"]) as one:
        page = one.new_context(**context).new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.said.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=20_000)
        yield page
