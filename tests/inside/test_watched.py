"""What a watch has seen, saved and read again; and every way in which a folder can hold none."""

import json

import pytest

from labkit.base.errors import RecordError
from labkit.inside.places import EVENT, Place
from labkit.inside.watched import GIL, LOCK, load
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
