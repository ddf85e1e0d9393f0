"""Rows and what is written into them: exact on a clock that stands still, and bounded for ever."""

import itertools
import tracemalloc
from types import SimpleNamespace

import pytest

from labkit.inside import seeing as seeing_module
from labkit.inside.record import EVENT_COLUMNS, MISSING, UNKNOWN
from labkit.inside.seeing import Seeing, hashed, size
from tests.support.fake_clock import FakeClock


@pytest.fixture
def now():
    return FakeClock(start_ns=1_000)


def row(seeing, at):
    columns, _ = seeing.events.snapshot()
    return {name: column[at] for name, column in columns.items()}


def test_an_event_in_its_row(now):
    seeing = Seeing(events=4, now=now)
    live = seeing.connections.open("eio", "0000", 0)
    live.bytes_in, live.packets_in, live.post_ns, live.dispatched_ns = 30, 3, 100, 200
    event = seeing.arrived(live, None, ["chat", 1, 2])
    now.advance(ns=500)
    seeing.begin(event, cpu=False)
    now.advance(ns=40)
    seeing.end(event)
    now.advance(ns=1)
    seeing.end(event)  # an acknowledgement has ended it already
    seeing.free(live, {}, "eio")
    told = row(seeing, 0)
    assert tuple(told) == EVENT_COLUMNS
    assert {name: value for name, value in told.items() if value and name != "thread"} == {
        "bytes_in": 30,
        "attachments": 2,
        "arguments": 2,
        "read": 100,
        "dispatched": 200,
        "handler_start": 1_500,
        "handler_end": 1_540,
        "loop_free": 1_541,
        "cpu_ns": UNKNOWN,
        "error": UNKNOWN,
    }
    assert (live.bytes_in, live.packets_in, live.event) == (0, 0, None)
    long_run = seeing.long_run[0].snapshot()
    assert {kind: (len(one), one.total_ns) for kind, one in long_run.items()} == {
        "queue_ns": (1, 1_400),
        "service_ns": (1, 40),
        "cpu_ns": (0, 0),
    }


def test_without_a_connection(now):
    """As Flask-SocketIO's test client has none."""
    seeing = Seeing(events=4, now=now)
    seeing.arrived(None, "/", ["chat"])
    assert (row(seeing, 0)["connection"], row(seeing, 0)["dispatched"], row(seeing, 0)["read"]) == (UNKNOWN, 1_000, 0)


def test_a_late_stamp_spoils_no_other_row(now):
    seeing = Seeing(events=2, now=now)
    late = seeing.arrived(None, "/", ["late"])
    seeing.begin(late, cpu=False)
    sending = seeing.emit_begins("answer", "/", late)
    for _ in range(2):
        seeing.arrived(None, "/", ["next"])
        seeing.emit_begins("other", "/", None)
    before = [column[:] for column in (seeing.events.data, seeing.emits.data)]
    seeing.end(late)
    seeing.raised(late, KeyError())
    seeing.unhandled(late)
    seeing.answer_ends(late, seeing.answer_begins(late))
    seeing.emit_ends(sending)
    assert [seeing.events.data, seeing.emits.data] == before


@pytest.mark.parametrize("name", [5, None, ["a"], {"b": 1}, "x" * 1_000_000])
def test_a_name_that_is_none_is_another(now, name):
    seeing = Seeing(events=2, now=now)
    seeing.arrived(None, "/", [name])
    assert seeing.names.names == ["_other"]


def test_bytes_as_engine_io_counts_them():
    assert [size(data) for data in ("2[1]", '2["ä"]', b"1234", bytearray(3), None, {})] == [5, 8, 4, 3, 0, 0]
    assert size("\ud800") == 4  # half a character, which a client can send


def test_a_sid_is_not_told():
    assert len(hashed("a sid")) == 8
    assert int(hashed("a sid"), 16) >= 0
    assert hashed("a sid") == hashed("a sid") != hashed("another")


@pytest.mark.parametrize(("took_us", "cpu_ns"), [(49, 49_000), (51, 7_000)])
def test_of_a_short_handler_the_cpu_time_is_how_long_it_took(now, monkeypatch, took_us, cpu_ns):
    monkeypatch.setattr(seeing_module, "thread_cpu_ns", itertools.count(0, 7_000).__next__)
    seeing = Seeing(events=4, now=now)
    event = seeing.arrived(None, None, ["chat"])
    seeing.begin(event, cpu=True)
    now.advance(ns=took_us * 1_000)
    seeing.end(event)
    assert row(seeing, 0)["cpu_ns"] == cpu_ns


def test_a_handler_that_is_called_a_second_time_has_started_before(now):
    """As a connect handler whose first call, with `auth`, has raised a TypeError after a while."""
    seeing = Seeing(events=4, now=now)
    event = seeing.arrived(None, None, ["connect"])
    for _ in range(2):
        seeing.begin(event, cpu=False)
        now.advance(ms=8)
    seeing.end(event)
    told = row(seeing, 0)
    assert told["handler_end"] - told["handler_start"] == 16_000_000
    assert told["handler_start"] == told["dispatched"]


class Packet:
    """One of Engine.IO's, without data."""

    def __init__(self, packet_type):
        self.packet_type = packet_type
        self.data = None


def test_the_least_headroom_is_kept(now):
    seeing = Seeing(events=2, now=now)
    live = seeing.connections.open("eio", "0000", 0)
    seeing.took(live, Packet(3), 20)
    assert (live.pongs, live.told().headroom_s) == (0, None)  # an answer without a question
    for took_ms in (500, 21_000, 100):
        seeing.sends(live, Packet(2), None)
        now.advance(ms=took_ms)
        seeing.took(live, Packet(3), 20)
    assert (live.pongs, live.told().headroom_s) == (3, -1.0)
    assert live.ping_ns == MISSING


def test_heartbeats_have_a_row_each(now):
    seeing = Seeing(events=2, now=now)
    live, other = (seeing.connections.open(sid, sid, 0) for sid in ("a", "b"))
    live.websocket, live.buffer = True, SimpleNamespace(read_ns=1_007)
    other.post_ns = 1_009
    for connection in (live, other):
        seeing.sends(connection, Packet(2), None)
        now.advance(ns=5)
    for connection in (live, other):
        seeing.took(connection, Packet(3), 20)
    columns, seen = seeing.heartbeats.snapshot()
    assert {name: column.tolist() for name, column in columns.items()} == {
        "number": [0, 1],
        "connection": [live.number, other.number],
        "ping": [1_000, 1_005],
        "read": [1_007, 1_009],
        "taken": [1_010, 1_010],
    }
    for connection in (live, other, other):  # the first one's row is another's when its answer comes
        seeing.sends(connection, Packet(2), None)
    seeing.took(live, Packet(3), 20)
    columns, seen = seeing.heartbeats.snapshot()
    assert (seen, columns["taken"].tolist()) == (5, [0, 0])


def test_a_day_of_events_is_counted_and_costs_no_memory():
    """24 hours of 100 events a second, of which a sample is fed; the rows are numbered as if all had been."""
    seeing = Seeing(events=1_000)
    seeing.events.draw = itertools.count(8_640_000 - 6_000).__next__
    live = seeing.connections.open("eio", "0000", 0)

    def feed(count):
        for number in range(count):
            event = seeing.arrived(live, "/", [f"name-{number % 400}", number])
            seeing.begin(event, cpu=True)
            seeing.emit_ends(seeing.emit_begins("answer", "/", event))
            seeing.end(event)

    feed(3_000)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    feed(3_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 50_000
    columns, seen = seeing.events.snapshot()
    assert (seen, len(columns["number"])) == (8_640_000, 1_000)
    assert len(seeing.names.names) == 256
    assert sum(len(counting.snapshot()["service_ns"]) for counting in seeing.long_run.values()) == 6_000
