"""The warden: what is started during a watch does not outlive its process, and nothing of the warden stays."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from labkit.base import warden
from labkit.base.processes import MARK, temporary_prefix
from tests.support.helpers import gone, nothing_left_behind, wait_until

pytestmark = pytest.mark.measured

#: Begins a watch, starts what outlives it in a session of its own, says the two numbers, waits for ever.
FORSAKING = """
import os, subprocess, sys, tempfile, time
from labkit.base import warden
from labkit.base.processes import temporary_prefix
watch = warden.Watch()
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
tempfile.mkdtemp(prefix=temporary_prefix(os.getpid()))
print(os.getpid(), left.pid, flush=True)
{after}
time.sleep(60)
"""


def forsaking(after=""):
    """That process, and the number of what it started."""
    code = FORSAKING.format(after=after)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    _, left = map(int, process.stdout.readline().split())
    return process, left


def end(process):
    process.kill()
    process.communicate()


@pytest.fixture
def started():
    """What was started since the test began; the tests may share a client that runs already."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: [child for child in psutil.Process().children(recursive=True) if child not in before]


def test_what_was_started_during_a_watch_ends_with_the_process_that_is_killed():
    process, left = forsaking()
    assert not gone(left)
    end(process)
    assert wait_until(lambda: gone(left), 5)
    assert wait_until(lambda: not list(Path(tempfile.gettempdir()).glob(f"{temporary_prefix(process.pid)}*")))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no forks")
def test_a_fork_does_not_hide_the_end_and_ends_too():
    """It has a copy of everything that was open, the pipe to the warden among it, and no mark of its own."""
    process, left = forsaking(after="os.fork()")
    assert wait_until(lambda: len(psutil.Process(process.pid).children()) == 3)  # the warden, what is left, the fork
    below = psutil.Process(process.pid).children()
    end(process)
    assert wait_until(lambda: all(gone(each.pid) for each in below), 5)
    assert gone(left)


def test_whoever_is_killed_before_the_first_word_leaves_nothing_either():
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    left = subprocess.Popen(sleeping, env={**os.environ, MARK: "of-nobody"})
    about = {"watched": "watched", "ended": "ended", "path": sys.path, "mark": "of-nobody", "pid": 0, "command": []}
    subprocess.run([sys.executable, "-I", "-S", "-c", warden._WAIT.format(**about)], input=b"", check=True)
    assert wait_until(lambda: left.poll() is not None, 5)


def test_a_process_that_ends_leaves_nothing_either():
    process, left = forsaking(after="sys.exit()")
    process.communicate(timeout=20)
    assert wait_until(lambda: gone(left), 5)


def test_after_a_watch_nothing_is_marked_and_no_warden_stays(started):
    before = dict(os.environ)
    with nothing_left_behind():
        with warden.Watch() as watch:
            assert len(started()) == 1
            assert os.environ[MARK]
        assert started() == []
        watch.end()  # twice
    assert dict(os.environ) == before


def test_watches_share_one_warden_until_the_last_of_them_ends(started):
    with nothing_left_behind(), warden.Watch(), warden.Watch() as second:
        (one,) = started()
        second.end()
        assert started() == [one]


def test_a_mark_that_was_there_is_found_besides(monkeypatch):
    monkeypatch.setenv(MARK, "theirs")
    with warden.Watch():
        assert os.environ[MARK].split()[0] == "theirs"
        assert len(os.environ[MARK].split()) == 2
    assert os.environ[MARK] == "theirs"


def test_a_command_keeps_its_warden_and_ends_what_was_started(started):
    with nothing_left_behind():
        with warden.kept():
            assert started() == []  # none is needed yet
            with warden.Watch():
                left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
            assert len(started()) == 2
        assert wait_until(lambda: left.poll() is not None)


@pytest.fixture
def semaphores():
    """Files as Linux shows loky's semaphores of a process."""
    made = []

    def make(pid):
        made.append(Path(f"/dev/shm/sem.loky-{pid}-made"))
        made[-1].touch()
        return made[-1]

    yield make
    for each in made:
        each.unlink(missing_ok=True)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only Linux shows semaphores as files")
def test_while_semaphores_are_left_the_warden_stays_and_ends_nothing_but_them(semaphores):
    """An interrupt leaves a pool to the collector, and the kernel is killed while nothing is measured."""
    before = "open(f'/dev/shm/sem.loky-{os.getpid()}-left', 'w').close(); watch.end(); print(flush=True)"
    process, left = forsaking(after=before)
    process.stdout.readline()
    (semaphore,) = Path("/dev/shm").glob(f"sem.loky-{process.pid}-*")
    process.kill()
    assert wait_until(lambda: not semaphore.exists(), 5)
    assert not gone(left)
    psutil.Process(left).kill()
    process.communicate()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only Linux shows semaphores as files")
def test_what_goes_soon_or_was_there_before_keeps_no_warden(started, semaphores):
    """A pool's own thread ends it a moment after the pool was let go; and the reader has pools, too."""
    semaphores(os.getpid())
    with nothing_left_behind():
        with warden.Watch():
            soon = Path(f"/dev/shm/sem.loky-{os.getpid()}-soon")
            soon.touch()
            going = threading.Timer(0.1, soon.unlink)
            going.start()
        assert started() == []
        going.join()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only Linux shows semaphores as files")
def test_a_warden_that_stayed_is_the_next_watchs_and_ends_with_it(started, semaphores):
    before = dict(os.environ)
    with nothing_left_behind():
        with warden.Watch():
            semaphore = semaphores(os.getpid())
        (one,) = started()
        assert dict(os.environ) == before
        semaphore.unlink()
        with warden.Watch():
            assert started() == [one]
            assert os.environ[MARK]
        assert started() == []
    assert dict(os.environ) == before


def test_in_a_notebook_what_was_started_goes_on_after_the_watch():
    """It may be the reader's own."""
    with warden.Watch():
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert left.poll() is None
    left.kill()
    left.wait()


@pytest.mark.parametrize("where", [(subprocess, "Popen"), (os, "pipe")])
def test_where_no_process_can_be_started_there_is_no_warden_and_no_error(started, monkeypatch, where):
    def refused(*_, **__):
        raise OSError(24, "Too many open files")

    with nothing_left_behind():
        monkeypatch.setattr(*where, refused)
        with warden.Watch():
            assert started() == []
