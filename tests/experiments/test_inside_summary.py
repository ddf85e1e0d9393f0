"""Records that were made up, and the rows that they come to."""

import math
from array import array

import pytest

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.experiments.inside_summary import SUPPORTS_P98, connections, emits, events
from labkit.inside.histogram import Counting
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, UNKNOWN, WEBSOCKET, Connection, Record
from labkit.runs.stages import MISSING

SETTINGS = {
    "async_mode": "threading",
    "async_handlers": True,
    "greenlets": False,
    "ping_timeout_s": 20,
    "transports": ["polling", "websocket"],
    "allow_upgrades": True,
}


def event(name=0, at_ms=1000.0, wait_ms=1.0, took_ms=2.0, cpu_ms=2.0, held_ms=0.5, **more):
    """One that came then; `took_ms=None` runs on."""
    came = round(at_ms * NS_PER_MS)
    start = came + round(wait_ms * NS_PER_MS)
    return {
        "name": name,
        "connection": 0,
        "transport": WEBSOCKET,
        "bytes_in": 20,
        "arguments": 1,
        "read": came,
        "dispatched": came,
        "handler_start": start,
        "handler_end": MISSING if took_ms is None else start + round(took_ms * NS_PER_MS),
        "loop_free": came + round(held_ms * NS_PER_MS),
        "cpu_ns": UNKNOWN if took_ms is None or cpu_ms is None else round(cpu_ms * NS_PER_MS),
        "thread": 1,
        "error": UNKNOWN,
        **more,
    }


def emit(name=0, receivers=1, after_ms=1.0, **more):
    written = MISSING if after_ms is None else NS_PER_S + round(after_ms * NS_PER_MS)
    return {"name": name, "receivers": receivers, "bytes": 10, "at": NS_PER_S, "last_written": written, **more}


def columns(names, rows):
    numbered = [{"number": number, **row} for number, row in enumerate(rows)]
    return {name: array("q", [row.get(name, 0) for row in numbered]) for name in names}


def a_record(rows=(), *, emitted=(), names=("chat", "export"), known=(), seen=None, settings=None, **more):
    return Record(
        events=columns(EVENT_COLUMNS, rows),
        emits=columns(EMIT_COLUMNS, emitted),
        names=names,
        namespaces=("/", "/shop"),
        errors=("KeyError",),
        connections=tuple(known),
        settings={**SETTINGS, **(settings or {})},
        events_seen=len(rows) if seen is None else seen,
        emits_seen=len(emitted),
        connections_seen=len(known),
        started_ns=1,
        taken_ns=11 * NS_PER_S,
        started_utc="2026",
        **more,
    )


def test_a_row_an_event_what_takes_most_time_first():
    rows = [event(0, at_ms=1000 + each) for each in range(10)] + [event(1, took_ms=210, cpu_ms=205, emits=3)]
    first, second = events(a_record(rows))
    assert (first.name, first.count, first.emits) == ("export", 1, 3)
    assert (first.service.p50_ms, first.cpu.p50_ms, first.queue.p50_ms, first.held.tail_ms) == (210, 205, 1, 0.5)
    assert (second.name, second.count) == ("chat", 10)
    assert second.per_s == pytest.approx(1.0)


def test_what_came_at_the_very_end_did_not_come_a_thousand_times_a_second():
    told = {row.name: row.per_s for row in events(a_record([event(0, at_ms=1000), event(1, at_ms=10_999)]))}
    assert told == {"chat": pytest.approx(0.1), "export": pytest.approx(0.1)}


def test_one_name_in_two_namespaces_is_two_rows():
    found = events(a_record([event(), event(namespace=1)]))
    assert [row.shown for row in found] == ["chat", "chat in /shop"]


@pytest.mark.parametrize("count", [SUPPORTS_P98 - 1, SUPPORTS_P98])
def test_a_98th_percentile_is_told_where_the_sample_supports_it(count):
    (row,) = events(a_record([event(took_ms=each + 1) for each in range(count)]))
    assert row.service.tail_is_max == (count < SUPPORTS_P98)
    assert row.service.tail_ms == (147 if count == SUPPORTS_P98 else count)
    assert row.service.max_ms == count


def test_what_the_ring_has_lost_is_in_the_histograms():
    counting = Counting()
    for _ in range(1000):
        counting.add(NS_PER_MS, 10 * NS_PER_MS, 9 * NS_PER_MS)
    long_run = {"chat": counting.snapshot()}
    (row,) = events(a_record([event(took_ms=1)], seen=1000, long_run=long_run))
    assert row.count == 1000
    assert row.service.p50_ms == pytest.approx(10, rel=0.04)


def test_what_cannot_be_seen_is_no_number():
    (row,) = events(a_record([event(cpu_ms=None, loop_free=MISSING, took_ms=None)]))
    assert math.isnan(row.cpu.p50_ms)
    assert math.isnan(row.service.p50_ms)
    assert row.held.count == 0
    assert row.running == 1


def test_no_event_at_all():
    record = a_record()
    assert events(record) == emits(record) == ()
    assert connections(record).headroom_s is None


def test_emits_are_told_with_their_receivers():
    rows = [emit(0, 10, after_ms=3), emit(0, 10, event=UNKNOWN), emit(1, after_ms=None)]
    first, second = emits(a_record(emitted=rows))
    assert (first.name, first.count, first.receivers, first.elsewhere) == ("chat", 2, 10, 1)
    assert (first.written.max_ms, second.written.count) == (3, 0)


def opened(number=0, **more):
    return Connection(**{"number": number, "sid": "a", "opened_ns": NS_PER_S, "first_transport": "polling", **more})


#: Connections of each kind.
KNOWN = (
    opened(0, first_transport="websocket", upgraded_ns=NS_PER_S, headroom_s=19.5),
    opened(1, upgraded_ns=2 * NS_PER_S, closed_ns=3 * NS_PER_S, reason="client disconnect", headroom_s=2.0),
    opened(2, upgrade_tried_ns=2 * NS_PER_S),
    opened(3, opened_ns=10 * NS_PER_S),  # it may come to one yet
)


def test_connections_are_counted_by_how_they_fared():
    row = connections(a_record([event()], known=KNOWN))
    assert (row.seen, row.open, row.websocket, row.upgraded, row.never_upgraded, row.tried) == (4, 3, 1, 1, 1, 1)
    assert (row.reasons, row.headroom_s) == ({"client disconnect": 1}, 2.0)
