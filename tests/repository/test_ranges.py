"""The command that tries the dependency ranges, with environments that are made up."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.maintenance import ranges
from tests.maintenance.ranges import Outcome, closing, table

SAID = """\
..F.                                                     [100%]
=========================== short test summary info ============================
FAILED tests/ui/commands/test_main.py::test_help - AttributeError: no such thing
ERROR tests/client/test_client.py::test_a - BrokenPipeError
1 failed, 3 passed, 1 error in 0.50s
"""


def test_the_closing_line_and_the_failures_are_read():
    assert closing(SAID) == (
        "1 failed, 3 passed, 1 error in 0.50s",
        (
            "FAILED tests/ui/commands/test_main.py::test_help - AttributeError: no such thing",
            "ERROR tests/client/test_client.py::test_a - BrokenPipeError",
        ),
    )
    assert closing("===== 3 passed in 1s =====\n") == ("3 passed in 1s", ())
    assert closing("") == ("pytest printed nothing", ())


def test_the_table_has_a_row_for_each():
    told = table([Outcome("3.11", "oldest", "3 passed", True), Outcome("/x/3.10", "newest", "1 failed", False)])
    assert [line.split("|")[1:4] for line in told.splitlines()][2:] == [
        [" 3.11     ", " oldest     ", " 3 passed "],
        [" 3.10     ", " newest     ", " 1 failed "],
    ]


@pytest.fixture
def ran(monkeypatch):
    """Commands instead of being run; each ends as the test says."""

    def prepare(**ends):
        commands = []

        def run(command, **settings):
            commands.append(command)
            which = next((name for name in ends if name in command), "")
            code, out, err = ends.get(which, (0, "", ""))
            return SimpleNamespace(returncode=code, stdout=out, stderr=err)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return prepare


def test_an_environment_for_each_python_and_resolution(ran, capsys):
    commands = ran(pytest=(0, "3 passed in 1s", ""))
    assert ranges.main(["--python", "3.11", "--python", "3.13", "base/test_errors"]) == 0
    assert [c[c.index("--python") + 1] for c in commands if "venv" in c] == ["3.11", "3.11", "3.13", "3.13"]
    assert [c[c.index("--resolution") + 1] for c in commands if "install" in c] == ["lowest-direct", "highest"] * 2
    assert all(c[-1] == str(Path("tests", "base", "test_errors.py")) for c in commands if "pytest" in c)
    assert capsys.readouterr().out.count("3 passed in 1s") == 4


def test_what_is_tried_where_nothing_is_named_is_there(ran):
    commands = ran(pytest=(0, "3 passed in 1s", ""))
    assert ranges.main(["--only", "newest"]) == 0
    (tests,) = [c[-len(ranges.FAST) :] for c in commands if "pytest" in c]
    assert [name for name in tests if not (ranges.ROOT / name).is_file()] == []


def test_a_failure_is_told_and_is_exit_code_1(ran, capsys):
    ran(pytest=(1, SAID, ""))
    assert ranges.main(["--only", "oldest"]) == 1
    assert "FAILED tests/ui/commands/test_main.py::test_help" in capsys.readouterr().out


def test_packages_that_do_not_go_together_are_an_outcome(ran, capsys):
    commands = ran(install=(1, "", "no version of click\nfits"))
    assert ranges.main(["--only", "oldest"]) == 1
    assert "no environment" in capsys.readouterr().out
    assert not [c for c in commands if "pytest" in c]
