"""The process of the reader's code: what its import does, what its calls do, and what is left of it."""

import sys
import textwrap

import pytest

import labkit as lab
from labkit.base.errors import LabError, UsageError, WorkloadError
from labkit.base.patched import patched_by
from labkit.experiments import work_process
from labkit.experiments.diagnose import diagnose
from labkit.experiments.work_process import WorkProcess
from labkit.plan.calibration import expected_answers
from tests.support.helpers import gone, wait_until

pytestmark = pytest.mark.measured

JOBS = """
    import os, threading, time
    print("imported")
    calls = 0

    def where(number):
        global calls
        calls += 1
        print("call", calls)
        return [os.getpid(), calls]

    def double(number):
        return 2 * number

    def raises(number):
        raise ValueError("no such price")

    def leaves(number):
        os._exit(7)

    def quits(number):
        raise SystemExit(3)

    def asks(number):
        return input()

    def never(number):
        threading.Event().wait()

    two = {1, 2}
"""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A process for modules that are written with ``write(name, code)`` into a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))

    write("jobs", JOBS)
    with WorkProcess() as process:
        process.write = write
        yield process
    assert process.pid is None


def test_the_function_is_imported_called_diagnosed_and_served_there_and_once(there, client):
    work = there.work("jobs:where")
    assert "jobs" not in sys.modules
    expected = expected_answers(work, lab.burst(2))
    assert not expected.checked
    diagnose(work)
    run = lab.measure("inline", work, lab.burst(2), client=client, expected=expected)
    assert run.outcomes["answered"] == 2
    with lab.serve("inline", work) as server:
        assert server.server.serving_pid == there.pid
    assert there.run(_pid, work) == there.pid


def _pid(work):
    import os

    return os.getpid()


def test_what_it_prints_is_kept_apart(there, capfd, tmp_path):
    work = there.work("jobs:where")
    expected_answers(work, lab.burst(1))
    lines = there.keep_output(tmp_path / "output.txt")
    printed = (tmp_path / "output.txt").read_text().splitlines()
    assert (printed[:2], len(printed)) == (["imported", "call 1"], lines)
    assert capfd.readouterr() == ("", "")


def test_a_process_that_begins_anew_has_nothing_of_before_but_its_output(there, tmp_path):
    work = there.work("jobs:where")
    first = there.run(_answer, work)
    there.renew()
    second = there.run(_answer, work)
    assert first[0] != second[0]
    assert (first[1], second[1]) == (1, 1)
    assert there.keep_output(tmp_path / "output.txt") == 4


def test_a_server_of_work_that_keeps_state_begins_anew(there, client):
    work = there.work("jobs:where")
    there.is_renewed = True
    pids = set()
    for _ in range(2):
        with lab.serve("inline", work) as server:
            pids.add(server.server.serving_pid)
    assert len(pids) == 2


def _answer(work):
    return work.function(0)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("jobs:nothing", r"has no 'nothing'"),
        ("jobs:two", r"is a set, not a function"),
        ("nowhere:f", r"cannot import 'nowhere' \(ModuleNotFoundError"),
        ("ends:f", r"importing 'ends' ends the interpreter \(exit code 4\)"),
        ("asks:f", r"cannot import 'asks' \(EOFError"),
        ("leaves:f", r"the process of your code ended"),
        ("odd:f", r"cannot import 'odd' \(Odd\)"),
    ],
)
def test_an_import_that_fails_is_a_sentence(there, target, message):
    there.write("ends", "import sys; sys.exit(4)")
    there.write("asks", "input()")
    there.write("leaves", "import os; os._exit(9)")
    there.write("odd", "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd")
    with pytest.raises(WorkloadError, match=message) as caught:
        there.work(target)
    assert "\n" not in str(caught.value)
    assert there.work("jobs:double").function is not None  # the next one is not harmed


def test_an_import_that_serves_is_named_for_what_it_is(there, monkeypatch):
    monkeypatch.setattr(work_process, "SERVES_S", 0.2)
    there.write("board", "import socket\ns = socket.create_server(('127.0.0.1', 0))\ns.accept()\ndef f(n): return n")
    with pytest.raises(WorkloadError, match=r"it starts a server and does not end: .* __name__"):
        there.work("board:f")


def test_an_import_that_does_not_end_is_given_up(there, monkeypatch):
    monkeypatch.setattr(work_process, "LIMIT_S", 0.5)
    there.write("stuck", "import threading\nthreading.Event().wait()")
    with pytest.raises(WorkloadError, match=r"importing 'stuck': it does not end within 0\.5 s"):
        there.work("stuck:f")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "failed before the run, on 0: ValueError: no such price"),
        ("leaves", "the process of your code ended"),
        ("quits", r"ends the interpreter \(exit code 3\)"),
        ("asks", "EOFError"),
    ],
)
def test_a_call_that_fails_is_a_sentence(there, name, message):
    work = there.work(f"jobs:{name}")
    with pytest.raises(WorkloadError, match=message) as caught:
        expected_answers(work, lab.burst(1))
    assert "\n" not in str(caught.value)


GEVENT = "from gevent import monkey\nmonkey.patch_all()\nimport time\ndef f(n):\n    time.sleep(0.01)\n    return n\n"


def test_an_import_that_patches_is_refused_where_threads_are_meant(there):
    pytest.importorskip("gevent")
    there.write("kiosk", GEVENT)
    with pytest.raises(UsageError, match=r"patches its process with gevent .* --mode gevent"):
        there.work("kiosk:f")
    assert patched_by() == ""


def test_and_taken_in_the_mode_that_patches(there):
    pytest.importorskip("gevent")
    there.write("kiosk", GEVENT)
    with WorkProcess("gevent") as process:
        expected = expected_answers(process.work("kiosk:f"), lab.burst(2))
    assert expected.answers == (0, 1)


def test_a_patched_call_that_never_returns_is_ended_from_outside(there, monkeypatch):
    pytest.importorskip("gevent")
    there.write("stuck", "import ctypes\ndef f(n):\n    ctypes.CDLL(None).sleep(600)\n")
    with WorkProcess("gevent") as process:
        work = process.work("stuck:f")
        with pytest.raises(LabError, match=r"stuck:f did not return within 0\.5 s"):
            process.run(_called_within, work, 0.5)


def _called_within(work, limit_s):
    from labkit.base.time_limit import call_within

    return call_within(limit_s, work.name, lambda: work.function(0))


def test_what_it_starts_ends_with_it(there):
    there.write(
        "starts",
        """
        import subprocess, sys
        def f(number):
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True).pid
        """,
    )
    pid = there.run(_answer, there.work("starts:f"))
    assert not gone(pid)
    there.kill()
    assert wait_until(lambda: gone(pid))
