"""What a command does when something happens to it: a few of the faults, each at a moment that a seed chooses.

All of them, as often as you like: ``python -m tests.benchmarks.faults --times 20``.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.support.faults import FAULTS, strike
from tests.support.helpers import nothing_left_behind
from tests.ui.commands.running import LABKIT, written

pytestmark = [
    pytest.mark.measured,
    pytest.mark.skipif(os.name == "nt", reason="Windows has other signals, and no limits of a process"),
]


@pytest.mark.parametrize("name", ["SIGTERM", "kill -9", "kill -9 of the client", "kill -9 of gunicorn's"])
def test_whatever_happens_the_books_are_closed_and_nothing_stays(name, tmp_path):
    strike(FAULTS[name], tmp_path, seed=len(name))


def limited(name, amount, *arguments):
    """The command with a limit on what its process may have; the limit is set by Python in front of it."""
    start = (
        f"import resource, runpy, sys; resource.setrlimit(resource.{name}, ({amount}, {amount})); "
        "runpy.run_module('labkit', run_name='__main__')"
    )
    quick = ("compare", "io_wait:1ms", "--events=4", "--repeats=1", "--strategies=inline")
    with nothing_left_behind():
        return subprocess.run(
            [sys.executable, "-c", start, *quick, *arguments], capture_output=True, text=True, check=False, timeout=60
        )


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (("RLIMIT_NOFILE", 30), "open files"),
        (("RLIMIT_FSIZE", 0), "cannot be written to (File too large)"),
        (("RLIMIT_FSIZE", 4096), "too large"),
        (("RLIMIT_AS", 150 << 20), "memory"),
    ],
)
def test_where_the_machine_gives_too_little_a_sentence_says_so_and_nothing_half_is_left(limit, says, here):
    done = limited(*limit, "--out=X")
    assert done.returncode in (1, 2)
    (told,) = done.stderr.splitlines()
    assert told.startswith("labkit: ")
    assert says in told
    assert all(name.startswith("run-") and not name.endswith(".part") for name in written(here / "X"))


def test_of_commands_that_name_one_folder_at_once_one_measures(here):
    command = [
        LABKIT,
        "compare",
        "io_wait:1ms",
        "--events=2",
        "--strategies=inline",
        "--repeats=1",
        "--json",
        "--out=X",
    ]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [each.communicate(timeout=60) for each in both]
    ((measured, _),) = [each for each in told if each[0]]
    assert json.loads((here / "X" / "summary.json").read_text()) == json.loads(measured)
    (refused,) = [err for out, err in told if not out]
    assert "name another folder" in refused
    assert len(refused.splitlines()) == 1
    assert [name.rpartition(".")[2] for name in written(here / "X") if name.startswith("run-")] == ["json", "npz"]
