"""What one process says and another one reads: whole or not at all, while somebody listens, nothing left behind."""

import json
import os
import threading
import time

import pytest

from labkit.base.errors import RecordError, UsageError
from labkit.base.real_threads import RealThread
from labkit.inside import published
from labkit.inside.published import LIVE, SIZE, WANTED, Published, want
from labkit.inside.publishing import PROCESS, Publishing, own_folder
from labkit.inside.recent import EventNow, Recent, Times
from labkit.server.steady import switch_interval
from tests.support.helpers import no_thread_dies, wait_until


@pytest.fixture(autouse=True)
def threads_end_well():
    with no_thread_dies():
        yield


def recent(number=0, names=1, name="chat"):
    events = tuple(EventNow(f"{name}{n}", "/", n, 0.0, 0, 0, 0, Times(), Times()) for n in range(names))
    return Recent(pid=1, taken_ns=number, span_s=60.0, events_seen=number, events=events)


class Telling:
    """Says how often it was asked."""

    def __init__(self, error=None):
        self.asked = 0
        self.error = error

    def tell(self):
        if self.error is not None:
            raise self.error
        self.asked += 1
        return recent(self.asked)


# The file


def test_what_is_written_is_read(tmp_path):
    assert published.read(tmp_path) is None
    file = Published(tmp_path)
    assert published.read(tmp_path) is None
    for number in (1, 2):
        file.write(recent(number))
        assert published.read(tmp_path) == (number, recent(number))
    assert (tmp_path / LIVE).stat().st_size == SIZE
    assert (tmp_path / LIVE).stat().st_mode & 0o077 == 0
    file.close()


def test_names_for_which_there_is_no_room(tmp_path):
    file = Published(tmp_path)
    file.write(recent(names=40, name="x" * 5_000))
    _, told = published.read(tmp_path)
    assert 0 < len(told.events) < 40
    assert len(told.events) + told.left_out == 40
    file.close()


def test_one_that_was_taken_away_comes_back(tmp_path):
    file = Published(tmp_path)
    file.write(recent(1))
    published.forget(tmp_path)
    file.write(recent(2))
    assert published.read(tmp_path) == (2, recent(2))
    file.close()


@pytest.mark.parametrize("at", [0, 5, 9, 30])
def test_a_half_written_file_is_not_read(tmp_path, at):
    file = Published(tmp_path)
    file.write(recent())
    data = bytearray((tmp_path / LIVE).read_bytes())
    data[at] ^= 0xFF
    (tmp_path / LIVE).write_bytes(data)
    assert published.read(tmp_path) is None
    (tmp_path / LIVE).write_bytes(data[:10])
    assert published.read(tmp_path) is None
    file.close()


def test_what_a_newer_labkit_says(tmp_path, monkeypatch):
    file = Published(tmp_path)
    monkeypatch.setattr("labkit.inside.recent.SCHEMA_VERSION", 2)
    file.write(recent())
    monkeypatch.undo()
    with pytest.raises(RecordError, match="newer"):
        published.read(tmp_path)
    file.close()


def test_a_reader_beside_a_writer_never_reads_half(tmp_path):
    file, end = Published(tmp_path), threading.Event()

    def write():
        number = 0
        while not end.is_set():
            number += 1
            file.write(recent(number, names=1 + number % 50))

    writer = RealThread(write)
    writer.start()
    read, until = [], time.monotonic() + 20
    try:
        with switch_interval(0.0001):  # both get their turn in the middle of what the other does
            while (len(read) < 500 or len({number for number, _ in read}) <= 10) and time.monotonic() < until:
                told = published.read(tmp_path)
                read.extend([told] if told else [])
    finally:
        end.set()
        writer.join(5)
        file.close()
    assert len(read) >= 500
    assert len({number for number, _ in read}) > 10
    assert all(told.events_seen == number and len(told.events) == 1 + number % 50 for number, told in read)


# While somebody listens


def start(tmp_path, telling, **options):
    publishing = Publishing(lambda: telling, tmp_path, every_s=0.01, **options)
    publishing.start()
    return publishing


def test_nobody_listens_and_nothing_is_written(tmp_path):
    telling = Telling()
    want(tmp_path)  # somebody did, long ago
    publishing = start(tmp_path, telling)
    time.sleep(0.1)
    publishing.stop()
    assert (telling.asked, list(tmp_path.iterdir())) == (0, [])


def test_it_says_something_as_long_as_somebody_listens(tmp_path):
    telling = Telling()
    publishing = start(tmp_path, telling)
    try:
        assert wait_until(lambda: want(tmp_path) or published.read(tmp_path))
        assert wait_until(lambda: want(tmp_path) or published.read(tmp_path)[0] > 3)

        def is_silent():
            before = telling.asked
            time.sleep(0.1)
            return telling.asked == before

        assert wait_until(is_silent)
        before = telling.asked
        assert wait_until(lambda: want(tmp_path) or telling.asked > before)
    finally:
        publishing.stop()
    assert list(tmp_path.iterdir()) == []
    publishing.stop()


def test_an_error_ends_it_and_nothing_else(tmp_path, caplog):
    publishing = start(tmp_path, Telling(ValueError("no")))
    assert wait_until(lambda: want(tmp_path) or "cannot say any more" in caplog.text)
    assert len(caplog.records) == 1
    publishing.stop()
    assert list(tmp_path.iterdir()) == []


def test_without_room_it_tries_again(tmp_path):
    telling = Telling(OSError(28, "No space left on device"))
    publishing = start(tmp_path, telling)
    try:
        want(tmp_path)
        time.sleep(0.1)
        telling.error = None
        assert wait_until(lambda: want(tmp_path) or telling.asked > 1)
    finally:
        publishing.stop()


def test_a_folder_of_its_own_goes_with_it(tmp_path):
    place, made = own_folder(tmp_path / "run" / "server-1")
    assert made == (place, tmp_path / "run")
    about = json.loads((place / PROCESS).read_text())
    assert (about["pid"], about["ended"]) == (os.getpid(), False)
    assert own_folder(place) == (place, ())
    publishing = start(place, Telling(), made=made)
    assert wait_until(lambda: want(place) or published.read(place))
    publishing.stop()
    assert not (tmp_path / "run").exists()


def test_one_that_holds_something_else_stays(tmp_path):
    place, made = own_folder(tmp_path / "mine")
    (place / "notes").write_text("mine")
    publishing = start(place, Telling(), made=made)
    publishing.stop()
    assert [path.name for path in place.iterdir()] == ["notes"]


def test_without_a_name_it_is_where_results_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place, made = own_folder(None)
    assert place.relative_to(tmp_path).parts[0] == "labkit-results"
    start(place, Telling(), made=made).stop()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written to"):
        own_folder(tmp_path / "file" / "below")


def test_whoever_listens_may_have_been_killed(tmp_path):
    Published(tmp_path).close()
    want(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LIVE, WANTED]
    published.forget(tmp_path)
    published.forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
