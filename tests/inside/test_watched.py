"""What a watch has seen, saved and read again; and every way in which a folder can hold none."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from labkit.base.errors import RecordError
from labkit.inside.places import EVENT, Place
from labkit.inside.watched import CAUSES, GIL, LOCK, load
from tests.support.damage import damage
from tests.support.watching import slice_of, watched


@pytest.fixture
def seen():
    place = Place(EVENT, "<b>&é", "shop.py", 3, "build", "shop", "export", "shop.py:4 in chat")
    return watched([slice_of(0, 9, place, GIL, event=3), slice_of(9, 12, place, LOCK, waiter=2)], still_ms={3: 4})


def test_saved_and_read_again_it_is_the_same(seen, tmp_path):
    seen.save(tmp_path / "new")
    assert load(tmp_path / "new") == seen
    assert len(seen) == 2
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["inside-slices.bin", "watched.json"]


@pytest.mark.parametrize("name", ["watched.json", "inside-slices.bin"])
def test_a_file_that_is_missing_or_cut_short(seen, tmp_path, name):
    seen.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-1])
    with pytest.raises(RecordError, match="anew"):
        load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RecordError, match=name):
        load(tmp_path)


def test_a_newer_schema_and_json_that_is_no_watch(seen, tmp_path):
    seen.save(tmp_path)
    about = json.loads((tmp_path / "watched.json").read_text("utf-8"))
    (tmp_path / "watched.json").write_text(json.dumps({**about, "schema_version": 99}), "utf-8")
    with pytest.raises(RecordError, match="newer labkit"):
        load(tmp_path)
    del about["places"]
    (tmp_path / "watched.json").write_text(json.dumps(about), "utf-8")
    with pytest.raises(RecordError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(("column", "value"), [("place", 2), ("place", -1), ("cause", len(CAUSES)), ("begin", 2**62)])
def test_a_column_that_points_outside_of_its_table_or_of_all_time(seen, tmp_path, column, value):
    seen.slices[column][1] = value
    seen.save(tmp_path)
    with pytest.raises(RecordError, match=f"cannot be read: take it anew .*the column {column} "):
        load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"totals": [{"place": 9, "cause": 0, "slices": 1, "held_ns": 1, "cpu_ns": 1}]},
        {"places": [{"kind": "event"}]},
        {"places": [{"kind": "planet", "name": "x"}] * 2},
        {"worst": [{"held_ms": 1.0, "cause": "x"}]},
        {"still_ns": {"3": "4"}},
    ],
)
def test_json_in_which_something_has_another_type(seen, tmp_path, change):
    seen.save(tmp_path)
    file = tmp_path / "watched.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(RecordError, match="cannot be read"):
        load(tmp_path)


@given(damaged=damage("watched.json", "inside-slices.bin"))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_damaged_it_is_a_watch_or_a_sentence(seen, tmp_path, damaged):
    name, change = damaged
    seen.save(tmp_path)
    file = tmp_path / name
    file.write_bytes(change(file.read_bytes()))
    try:
        found = load(tmp_path)
    except RecordError:
        return
    assert [found.places[place] for place in found.slices["place"]]
