"""A program in our place: its streams, its exit code, its signals."""

import os
import signal
import sys
import threading
import time

import pytest

from labkit.base import foreground
from labkit.base.errors import UsageError

#: Tells the file that is its argument when it is ready; then ends with 7 at SIGUSR1, and waits.
WAITS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
pathlib.Path(sys.argv[1]).touch()
time.sleep(20)
"""


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.mark.measured
@pytest.mark.parametrize(
    ("code", "expected"),
    [("", 0), ("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)],
    ids=["ends", "fails", "is killed"],
)
def test_the_exit_code_is_that_of_the_program(code, expected):
    assert foreground.run(python(code), os.environ) == expected


@pytest.mark.measured
def test_its_output_is_ours(capfd):
    foreground.run(python("import os; print(os.environ['A'])"), {**os.environ, "A": "told"})
    assert capfd.readouterr().out == "told\n"


@pytest.mark.measured
def test_a_signal_is_passed_on_and_ends_only_the_program(tmp_path):
    ready = tmp_path / "ready"
    before = {number: signal.getsignal(number) for number in foreground.PASSED_ON}

    def signals():
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=signals)
    # Until the program is there and this thread asks for it, the signal must find nobody else who takes it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, foreground.PASSED_ON)
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert foreground.run(python(WAITS, ready), os.environ) == 7
    thread.join()
    assert {number: signal.getsignal(number) for number in foreground.PASSED_ON} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


@pytest.mark.measured
def test_the_program_is_not_started_with_signals_blocked():
    told = python("import signal, sys; sys.exit(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))")
    assert foreground.run(told, os.environ) == 0


@pytest.mark.measured
def test_what_cannot_be_started_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="cannot be started"):
        foreground.run([str(tmp_path / "nothing")], os.environ)


def test_a_program_beside_ours_is_preferred(tmp_path):
    (tmp_path / "gunicorn").touch(mode=0o755)
    (tmp_path / "notes").touch(mode=0o644)
    ours = str(tmp_path / "python")
    assert foreground.sibling("gunicorn", ours) == str(tmp_path / "gunicorn")
    assert foreground.sibling("notes", ours) == "notes"
    assert foreground.sibling("./gunicorn", ours) == "./gunicorn"
