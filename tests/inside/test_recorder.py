"""Events are streamed to a file with what they carry: without secrets, within bounds; what is missing is counted."""

import pytest

from labkit.base.clock import NS_PER_S
from labkit.inside import recorder as recorders
from labkit.inside.recorder import Recorder
from labkit.plan.replay import replay


class Clock:
    """Goes on by a second with every look."""

    def __init__(self):
        self.ns = 0

    def __call__(self):
        self.ns += NS_PER_S
        return self.ns


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sent.jsonl"


@pytest.fixture
def recorder(path):
    return Recorder(path, now=Clock())


def test_what_is_recorded_is_replayed(recorder, path):
    recorder.take(3, "/", ["price", {"item": 1}, b"\x00"], True)
    recorder.take(None, "/desk", ["note"], False)
    assert not path.exists()
    recorder.write()
    assert path.stat().st_mode & 0o077 == 0  # for nobody else
    recorder.take(3, None, ["price"], True)
    recorder.write()
    found = replay(path)
    assert found.names == ("price", "note", "price")
    assert found.payloads == (({"item": 1}, b"\x00"), (), ())
    assert found.asks == (True, False, True)
    assert found.connection.tolist() == [0, 1, 0]
    assert (found.intended_ns // NS_PER_S).tolist() == [0, 1, 2]
    assert recorder.told() == {"file": str(path), "events": 3, "missing": {}, "redacted": {}}


def test_secrets_are_not_written_and_what_a_handler_changes_later_is(recorder, path):
    argument = {"password": "hunter22", "list": [1]}
    recorder.take(0, "/", ["login", argument], False)
    argument["list"].append("late")
    recorder.write()
    assert "hunter22" not in path.read_text()
    assert "late" not in path.read_text()
    assert recorder.told()["redacted"] == {"fields named password": 1}


def test_what_waits_and_what_is_written_are_bounded_and_the_rest_is_counted(recorder, path, monkeypatch):
    monkeypatch.setattr(recorders, "WAITING_MOST", 300)
    for _ in range(10):
        recorder.take(0, "/", ["a", "x" * 100], False)
    recorder.write()
    kept = recorder.written
    assert 0 < kept < 10
    assert recorder.missing == {"came faster than they could be written": 10 - kept}
    recorder.take(0, "/", ["a"], False)  # there is room again
    recorder.write()
    assert recorder.written == kept + 1
    monkeypatch.setattr(recorders, "WRITTEN_MOST", 10)
    recorder.take(0, "/", ["a"], False)
    recorder.write()
    assert recorder.written == kept + 1
    assert sum(recorder.missing.values()) == 10 - kept + 1


def test_odd_events_are_counted_and_harm_nobody(recorder):
    circle = []
    circle.append(circle)
    recorder.take(0, "/", ["a", circle], False)
    recorder.take(0, "/", [["no", "name"]], False)
    recorder.take(0, "/", ["a", object()], False)
    recorder.write()
    assert recorder.written == 0
    assert recorder.missing == {"cannot be written as JSON": 2, "have no name that is a text": 1}


def test_a_full_disk_is_counted(recorder, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "_put", full)
    recorder.take(0, "/", ["a"], False)
    with pytest.raises(OSError, match="No space"):
        recorder.write()
    assert recorder.told()["missing"] == {"could not be written to the disk": 1}


def test_a_fork_writes_a_file_of_its_own_and_nothing_of_its_parents(recorder, path):
    recorder.take(0, "/", ["before"], False)
    other = Recorder(path, now=Clock())
    other.take(0, "/", ["parent's"], False)
    other.write()
    recorder.forked()
    recorder.take(0, "/", ["own"], False)
    recorder.write()
    assert replay(path).names == ("parent's",)
    assert recorder.told()["file"] != str(path)
    assert replay(recorder.told()["file"]).names == ("own",)
