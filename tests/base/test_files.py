"""Files that appear whole or not at all; and those of a stranger's, read within a bound whatever they claim to be."""

import errno
import gzip
import os
import zipfile
from pathlib import Path

import pytest

from labkit.base import files
from labkit.base.errors import RecordError, UsageError
from labkit.base.files import claimed, limited_text, record_text, require_small_columns, whole


def too_large(path, *args, **kwargs):
    with pytest.raises(OSError, match=str(path)) as caught:
        limited_text(path, *args, **kwargs)
    assert caught.value.errno == errno.EFBIG
    return caught.value.strerror


def test_a_text_is_read_with_and_without_a_mark_of_its_order_compressed_and_not(tmp_path):
    for name, data in (("plain", "[ä]".encode()), ("marked", "[ä]".encode("utf-8-sig"))):
        (tmp_path / name).write_bytes(data)
        (tmp_path / "packed").write_bytes(gzip.compress(data))
        assert limited_text(tmp_path / name) == limited_text(tmp_path / "packed", unpack=True) == "[ä]"


def test_a_file_is_as_large_as_it_may_be_and_no_larger(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"x" * 2_000_000)
    assert len(limited_text(path, 2_000_000)) == 2_000_000
    assert too_large(path, 1_999_999) == "it is larger than 1 MB"


def test_what_is_compressed_counts_as_it_unpacks(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b" " * 5_000_000))
    assert path.stat().st_size < 10_000
    too_large(path, 4_000_000, unpack=True)


def test_a_device_without_an_end_is_too_large(tmp_path):
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    too_large(endless, 1_000_000)


def test_more_values_than_memory_has_room_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_JSON_VALUES", 1000)
    path = tmp_path / "values"
    path.write_text("[" + "[]," * 500)
    assert too_large(path) == "it holds more than 1,000 values"


def test_a_record_that_is_too_large_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_JSON_VALUES", 10)
    path = tmp_path / "run.json"
    path.write_text("[" * 11)
    with pytest.raises(RecordError, match=r"run\.json is no record of labkit's, it holds more than 10 values: give"):
        record_text(path)
    with pytest.raises(FileNotFoundError):
        record_text(tmp_path / "absent")


def test_columns_are_measured_by_what_they_unpack_to(tmp_path):
    path = tmp_path / "run.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("events.sent.npy", bytes(3_000_000))
    require_small_columns(path)
    assert path.stat().st_size < 10_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "MAX_COLUMNS_BYTES", 2_000_000)
        with pytest.raises(RecordError, match=r"run\.npz is no record of labkit's, it would unpack to"):
            require_small_columns(path)


def test_a_device_or_a_folder_is_not_replaced(tmp_path):
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(UsageError, match="is no file"), whole(path):
            raise AssertionError
        assert not path.is_file()


def test_on_a_full_disk_neither_half_a_file_appears_nor_the_one_before_goes(tmp_path):
    (tmp_path / "file").write_text("earlier")

    def write():
        with whole(tmp_path / "file") as half:
            half.write_text("ha")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "earlier"}


def test_a_claim_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def refused():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "getpid", refused)
    with pytest.raises(UsageError, match="cannot be written to"), claimed(tmp_path / "X" / "Y"):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
