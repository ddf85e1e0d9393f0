"""Files that appear whole or not at all, and never in the place of what is no file."""

import errno
import os
from pathlib import Path

import pytest

from labkit.base.errors import UsageError
from labkit.base.files import claimed, whole


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
