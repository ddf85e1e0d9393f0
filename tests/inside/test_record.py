"""A snapshot, saved and read again; and every way in which a folder can be no record."""

import json
from array import array

import pytest
from hypothesis import HealthCheck, given, settings

from labkit.base.errors import RecordError
from labkit.inside.histogram import Counting
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, HEARTBEAT_COLUMNS, Connection, Record, load
from tests.support.damage import damage


def columns(names, **values):
    """Two rows of a table."""
    return {name: array("q", values.get(name, [at, at + 1])) for at, name in enumerate(names)}


@pytest.fixture
def record():
    counting = Counting()
    counting.add(1, 2, 3)
    return Record(
        events=columns(EVENT_COLUMNS, name=[1, 0], namespace=[0, 0], transport=[1, 0], error=[0, -1]),
        emits=columns(EMIT_COLUMNS, name=[1, 0], namespace=[0, 0], at=[-7, 2**60]),
        heartbeats=columns(HEARTBEAT_COLUMNS),
        names=("chat", "<b>&é"),
        namespaces=("/",),
        errors=("KeyError",),
        connections=(Connection(0, "0a1b2c3d", ("/", "/n"), 5, headroom_s=19.5), Connection(4, "x")),
        settings={"async_mode": "threading"},
        events_seen=10,
        emits_seen=2,
        connections_seen=5,
        started_ns=1,
        taken_ns=2,
        started_utc="2026-11-29T00:00:00+00:00",
        long_run={"chat": counting.snapshot()},
        unseen=("read: why",),
        failed=("poll",),
        payloads=({"number": 0, "arguments": [{"a": 1}]},),
    )


def test_saved_and_read_again_it_is_the_same(record, tmp_path):
    record.save(tmp_path / "new" / "folder")
    assert load(tmp_path / "new" / "folder") == record
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "inside-emits.bin",
        "inside-events.bin",
        "inside-heartbeats.bin",
        "inside.json",
    ]


def test_it_answers_for_itself(record):
    assert (len(record), record.events_lost, record.name_of(0)) == (2, 8, "<b>&é")
    assert record.connection(4).sid == "x"
    assert record.connection(3) is None
    assert repr(record) == "<Record: 2 of 10 events, 2 connections>"


def test_a_connection_that_never_upgraded():
    assert Connection(0, "", first_transport="polling").never_upgraded
    assert not Connection(0, "", first_transport="polling", upgraded_ns=7).never_upgraded
    assert not Connection(0, "", first_transport="websocket", upgraded_ns=7).never_upgraded
    assert Connection(0, "", opened_ns=10**9).open_s(3 * 10**9) == 2
    assert Connection(0, "", opened_ns=10**9, closed_ns=2 * 10**9).open_s(3 * 10**9) == 1
    assert Connection(0, "").open_s(5) is None


def test_no_record(tmp_path):
    with pytest.raises(RecordError, match=r"holds no record: inside\.json is missing"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["inside-events.bin", "inside-emits.bin", "inside-heartbeats.bin"])
def test_a_file_that_is_missing_or_cut_short(record, tmp_path, name):
    record.save(tmp_path)
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(RecordError, match="is cut short: take the record anew"):
        load(tmp_path)
    file.unlink()
    with pytest.raises(RecordError, match=f"{name} is missing"):
        load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"names"', '"nomes"'),
        lambda text: text.replace('"tables": {', '"tables": {"x": 1, "y": {').replace('"rows": 2}}', '"rows": 2}}}'),
    ],
)
def test_json_that_is_no_record(record, tmp_path, damage):
    record.save(tmp_path)
    file = tmp_path / "inside.json"
    file.write_text(damage(file.read_text("utf-8")), "utf-8")
    with pytest.raises(RecordError, match="cannot be read: take it anew"):
        load(tmp_path)


def test_a_newer_schema(record, tmp_path):
    record.save(tmp_path)
    file = tmp_path / "inside.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), "schema_version": 99}), "utf-8")
    with pytest.raises(RecordError, match="read it with a newer labkit"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("events", "name", 2),
        ("events", "name", -1),
        ("events", "namespace", 1),
        ("events", "error", 1),
        ("events", "error", -2),
        ("events", "transport", 2),
        ("emits", "name", 2),
        ("emits", "namespace", -1),
        ("events", "read", 2**62),
        ("heartbeats", "ping", -(2**63)),
    ],
)
def test_a_column_that_points_outside_of_its_table_or_of_all_time(record, tmp_path, table, column, value):
    getattr(record, table)[column][1] = value
    record.save(tmp_path)
    with pytest.raises(RecordError, match=f"cannot be read: take it anew .*the column {column} "):
        load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"transports": 5}},
        {"settings": {"ping_timeout_s": "20"}},
        {"started_ns": "1"},
        {"names": ["chat", 5]},
        {"connections": [{"number": 0}]},
        {"long_run": {"chat": {"queue_ns": {"counts": {"-1": 1}, "total_ns": 0}}}},
        {"long_run": {"chat": {"queue_ns": {"counts": {"1": -1}, "total_ns": 0}}}},
        {"more": 1},
    ],
)
def test_json_in_which_something_has_another_type(record, tmp_path, change):
    record.save(tmp_path)
    file = tmp_path / "inside.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(RecordError, match="cannot be read: take it anew"):
        load(tmp_path)


@given(damaged=damage("inside.json", "inside-events.bin", "inside-emits.bin", "inside-heartbeats.bin"))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_damaged_it_is_a_record_or_a_sentence(record, tmp_path, damaged):
    name, change = damaged
    record.save(tmp_path)
    file = tmp_path / name
    file.write_bytes(change(file.read_bytes()))
    try:
        found = load(tmp_path)
    except RecordError:
        return
    assert [found.name_of(row) for row in range(len(found))]
