"""A process that takes orders: what it says at its end, how long it may take, and that nothing of it stays."""

import psutil
import pytest

from labkit.base import clock
from labkit.base.errors import LabError
from labkit.base.processes import OrderedProcess, descendants, kill_tree, marked
from tests.support.helpers import nothing_left_behind, wait_until

pytestmark = pytest.mark.measured

#: Answers each order with its arguments.
ECHO = "from labkit.base.processes import Pipes\np = Pipes()\nwhile True: p.answer(p.take()[1])"

#: Starts a process of its own, and then waits for ever.
PARENT = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"


class Ordered(OrderedProcess):
    def ended(self, last_words):
        return LabError(f"it ended ({last_words})")


def test_orders_are_answered_one_after_the_other():
    with nothing_left_behind(), Ordered(ECHO) as process:
        assert process.order("echo", 1, [2]) == (1, [2])
        process.send("echo", "a")
        assert process.receive() == ("a",)


def test_what_it_prints_does_not_end_up_between_the_answers():
    with Ordered(ECHO.replace("while", "print('hello', flush=True)\nwhile")) as process:
        assert process.order("echo", 1) == (1,)


def test_its_last_words_are_told():
    with nothing_left_behind(), pytest.raises(LabError, match=r"it ended \(ValueError: so it goes\)"):
        Ordered("raise ValueError('so it goes')").order("echo")


def test_one_that_takes_too_long_has_ended():
    process = Ordered("import time; time.sleep(60)")
    with nothing_left_behind():
        with pytest.raises(LabError, match=r"it ended \(without a word\)"), process.time_limit(0.2):
            process.order("echo")
        with process.time_limit(60):
            pass


def test_one_that_takes_too_long_is_told_by_a_sentence_of_the_callers():
    process = Ordered("import time; time.sleep(60)")
    too_slow = LabError("it was too slow")
    with nothing_left_behind(), pytest.raises(LabError, match="it was too slow"), process.time_limit(0.2, too_slow):
        process.order("echo")
    with pytest.raises(LabError, match="it ended"), process.time_limit(60, too_slow):
        Ordered("raise ValueError").order("echo")


#: Answers once, and has started what outlives it in a session of its own.
FORSAKING = """
import subprocess, sys, time
from labkit.base.processes import Pipes
pipes = Pipes()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
pipes.answer(pipes.take()[1])
time.sleep(60)
"""


def runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_what_outlives_a_marked_one_is_ended_too():
    with nothing_left_behind():
        process = Ordered(FORSAKING, marked=True)
        process.order("echo")
        left = marked(process.mark)
        assert len(left) == 2
        psutil.Process(process.pid).kill()
        with pytest.raises(LabError, match="it ended"):  # at once: what it started does not hold its answers open
            process.receive()
        assert marked(process.mark) == []
        assert not any(runs(each) for each in left)


def test_one_that_is_ended_by_its_input_has_its_time(tmp_path):
    closed = tmp_path / "closed"
    closing = f"import sys, pathlib, time; sys.stdin.read(); time.sleep(0.3); pathlib.Path({str(closed)!r}).touch()"
    with nothing_left_behind(), Ordered(closing, grace_s=10):
        pass
    assert closed.exists()


def test_one_that_does_not_end_in_its_time_is_killed():
    with nothing_left_behind():
        process = Ordered("import time; time.sleep(60)", grace_s=0.2)
        process.end()  # none yet
        process.launch()
        began_ns = clock.now_ns()
        process.end()
        process.end()
        assert 0.2 <= (clock.now_ns() - began_ns) / clock.NS_PER_S < 10
        assert process.pid is None


def test_what_it_started_ends_with_it():
    with nothing_left_behind():
        process = Ordered(PARENT + "time.sleep(60)")
        process.launch()
        assert wait_until(lambda: len(descendants(process.pid)) == 1)
        (below,) = descendants(process.pid)
        process.kill()
        assert wait_until(lambda: not below.is_running() or below.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_is_gone_has_no_descendants_and_is_no_error_to_kill():
    assert descendants(2**22 + 1) == []
    kill_tree(2**22 + 1)
