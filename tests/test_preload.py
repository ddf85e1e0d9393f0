"""Processes that are forked: what they have of their own, what becomes of them, and where one is started instead."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest

from labkit import preload
from labkit.errors import LabError
from labkit.orders import OrderedProcess
from tests.helpers import gone, nothing_left_behind, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

PREAMBLE = "import random, numpy.random, os, sys, signal"
ANSWER = "import pickle; pickle.dump(({}), sys.stdout.buffer)"


class Told(OrderedProcess):
    """Runs a piece of code that answers once."""

    def __init__(self, code, preamble=PREAMBLE):
        super().__init__(code, preamble=preamble, own_group=True)

    def ended(self, last_words):
        return LabError(last_words)


def answers(expression, preamble=PREAMBLE):
    """What a process says, and whether it was forked."""
    with Told(ANSWER.format(expression), preamble) as process:
        return process.receive(), isinstance(process._process, preload.Forked)


@contextlib.contextmanager
def forking(code):
    """A process that runs the code, its errors going nowhere."""
    with preload.preloaded(PREAMBLE), tempfile.TemporaryFile() as errors:
        process = preload.forked(PREAMBLE, code, errors.fileno())
        try:
            yield process
        finally:
            process.stdin.close()
            process.stdout.close()


def test_a_process_is_forked_within_the_block_and_started_outside_of_it():
    with nothing_left_behind():
        with preload.preloaded(PREAMBLE):
            assert answers("1") == (1, True)
            assert answers("1", "import sys") == (1, False)
        assert answers("1") == (1, False)


def test_what_it_imported_is_there_without_being_imported_again():
    said = "'colorsys' in sys.modules"
    with preload.preloaded("import sys, colorsys"):
        assert answers(said, "import sys, colorsys") == (True, True)
    assert answers(said, "import sys") == (False, False)


def test_folder_and_environment_are_what_they_are_now_not_when_the_block_began(tmp_path, monkeypatch):
    with preload.preloaded(PREAMBLE):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LABKIT_TESTED", "now")
        assert answers("os.getcwd(), dict(os.environ)") == ((str(tmp_path), dict(os.environ)), True)


def test_session_and_signals_are_those_of_a_started_one():
    said = "os.getsid(0) == os.getpid(), [str(signal.getsignal(each)) for each in signal.valid_signals()]"
    with preload.preloaded(PREAMBLE):
        forked, was_forked = answers(said)
    assert forked[0] is was_forked is True
    assert forked == answers(said)[0]


def test_every_fork_has_random_numbers_of_its_own():
    with preload.preloaded(PREAMBLE):
        (first, _), (second, _) = (answers("random.random(), numpy.random.random()") for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_gevent_is_told_that_it_was_forked():
    told = "import sys, gevent; gevent.reinit = lambda: setattr(sys, 'told', True)"
    with preload.preloaded(told):
        assert answers("getattr(sys, 'told', False)", told) == (True, True)


def test_it_has_the_files_of_a_started_one_and_no_others():
    said = "sorted(os.listdir('/proc/self/fd'))"
    with preload.preloaded(PREAMBLE, "import sys"):
        forked, _ = answers(said)
    assert forked == answers(said)[0]


def test_orders_reach_it_and_its_end_is_seen():
    with nothing_left_behind(), forking("sys.exit(sys.stdin.read() != 'end')") as process:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.stdin.write(b"end")
        process.stdin.close()
        assert process.wait(5) == 0
        assert process.poll() == 0


def test_one_that_ended_at_once_has_ended():
    with nothing_left_behind(), forking("os._exit(3)") as process:
        assert wait_until(lambda: process.poll() == 0)
        assert process.wait() == 0


def test_a_pid_that_nobody_has_is_one_that_ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert preload.Forked(gone.pid, None, None).wait() == 0


def test_nothing_is_left_of_those_that_were_forked():
    with preload.preloaded(PREAMBLE):
        (template,) = preload._READY.values()
        with nothing_left_behind():
            for _ in range(3):
                answers("1")
        assert psutil.Process(template._process.pid).children() == []  # no zombies


def test_what_was_forked_goes_on_when_the_block_ends():
    with nothing_left_behind():
        with preload.preloaded(PREAMBLE):
            process = Told(f"sys.stdin.read(1); {ANSWER.format('7')}")
            process.launch()
        assert process.pid is not None
        process._process.stdin.write(b"x")
        process._process.stdin.flush()
        assert process.receive() == 7
        process.kill()


def test_a_block_within_another_starts_only_what_is_missing():
    with preload.preloaded(PREAMBLE):
        before = dict(preload._READY)
        with preload.preloaded(PREAMBLE, "import sys"):
            assert preload._READY[PREAMBLE] is before[PREAMBLE]
            assert set(preload._READY) == {PREAMBLE, "import sys"}
        assert before == preload._READY
        assert answers("1") == (1, True)
    assert preload._READY == {}


def test_what_cannot_be_imported_is_told_by_the_process_that_is_started_instead():
    with nothing_left_behind(), preload.preloaded("import no_such_module"):
        assert preload._READY == {}
        with pytest.raises(LabError, match="No module named 'no_such_module'"):
            answers("1", "import no_such_module")


def test_an_import_that_does_not_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(preload, "_START_S", 0.2)
    monkeypatch.setattr(preload, "_END_S", 0.1)
    with nothing_left_behind(), preload.preloaded("while True: pass"):
        assert preload._READY == {}


def test_where_the_template_has_ended_a_process_is_started():
    with nothing_left_behind(), preload.preloaded(PREAMBLE):
        (template,) = preload._READY.values()
        os.kill(template._process.pid, signal.SIGKILL)
        template._process.wait()
        assert answers("1") == (1, False)


def test_where_the_environment_is_too_long_for_an_order_a_process_is_started(monkeypatch):
    with nothing_left_behind(), preload.preloaded(PREAMBLE):
        for number in range(20):
            monkeypatch.setenv(f"LABKIT_LONG_{number}", "x" * 100_000)
        assert answers("len(os.environ['LABKIT_LONG_7'])") == (100_000, False)


def test_an_interrupt_between_order_and_answer_leaves_nothing_and_the_next_is_started(monkeypatch):
    class Interrupting:
        def __getattr__(self, name):
            return getattr(template._orders_before, name)

        def recv(self, size):
            raise KeyboardInterrupt

    with nothing_left_behind(), preload.preloaded(PREAMBLE):
        (template,) = preload._READY.values()
        template._orders_before, template._orders = template._orders, Interrupting()
        with tempfile.TemporaryFile() as errors, pytest.raises(KeyboardInterrupt):
            preload.forked(PREAMBLE, "sys.stdin.read()", errors.fileno())
        template._orders = template._orders_before
        assert answers("1") == (1, False)


def test_elsewhere_nothing_is_forked(monkeypatch):
    monkeypatch.setattr("labkit.preload.sys.platform", "darwin")
    with nothing_left_behind(), preload.preloaded(PREAMBLE):
        assert answers("1") == (1, False)


PARENT = """
import sys, tempfile, time
sys.path.insert(0, {folder!r})
from labkit import preload
with preload.preloaded("import sys"):
    process = preload.forked("import sys", "sys.stdin.read()", 2)
    print(process.pid, *[template._process.pid for template in preload._READY.values()], flush=True)
    time.sleep(60)
"""


def test_neither_template_nor_fork_outlives_a_parent_that_is_killed():
    owner = subprocess.Popen([sys.executable, "-c", PARENT.format(folder=os.getcwd())], stdout=subprocess.PIPE)
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: all(gone(pid) for pid in pids))
