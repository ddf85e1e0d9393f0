"""A process that takes orders: what it says at its end, how long it may take, and that nothing of it stays."""

import psutil
import pytest

from labkit.base.errors import LabError
from labkit.base.processes import OrderedProcess, descendants, kill_tree
from tests.support.helpers import nothing_left_behind, wait_until

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
