"""Which Python another interpreter is, and what is none."""

import json
import subprocess
import sys

import pytest

from labkit.base import interpreter
from labkit.base.errors import UsageError


@pytest.fixture
def answering(monkeypatch):
    """Every program is there, and says what a test wants it to."""

    def given(said):
        def run(*args, **kwargs):
            if isinstance(said, Exception):
                raise said
            return subprocess.CompletedProcess(args, 0, stdout=said.encode())

        monkeypatch.setattr(interpreter.shutil, "which", lambda path: path)
        monkeypatch.setattr(interpreter.subprocess, "run", run)

    return given


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ([[3, 13, 0], "3.13.0", "CPython", False, []], "Python 3.13.0"),
        ([[3, 14, 2], "3.14.2", "CPython", True, []], "Python 3.14.2t"),
        ([[3, 10, 14], "3.10.14", "PyPy", False, [7, 3, 17]], "PyPy 7.3.17 (3.10.14)"),
        ([[3, 12, 8], "3.12.8", "GraalVM", False, []], "GraalVM 3.12.8"),
    ],
)
def test_the_name_says_what_it_is(answering, told, name):
    answering(json.dumps(told))
    assert interpreter.found("/opt/python").name == name


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "no Python interpreter"),
        ("[1, 2]", "no Python interpreter"),
        (OSError("Exec format error"), "no Python interpreter"),
        (subprocess.TimeoutExpired("python", 20), "has not said within 20 s"),
        (
            json.dumps([[2, 7, 18], "2.7.18", "CPython", False, []]),
            "is Python 2.7.18: an app is served from Python 3.8",
        ),
        (json.dumps([[3, 7, 16], "3.7.16", "CPython", False, []]), "is Python 3.7.16"),
    ],
)
def test_what_is_none_is_refused(answering, said, sentence):
    answering(said)
    with pytest.raises(UsageError, match=sentence):
        interpreter.found("/opt/python")


def test_a_program_that_is_not_there():
    with pytest.raises(UsageError, match="there is no program /nowhere/python"):
        interpreter.found("/nowhere/python")


def test_several_of_one_version_are_numbered(answering):
    answering(json.dumps([[3, 13, 0], "3.13.0", "CPython", False, []]))
    names = [each.name for each in interpreter.distinct(("/a", "/b", "/c"))]
    assert names == ["Python 3.13.0", "Python 3.13.0 #2", "Python 3.13.0 #3"]


@pytest.mark.measured
def test_this_one_and_one_that_only_reads():
    here = interpreter.found(interpreter.HERE)
    assert here.path == sys.executable
    assert here.name.endswith(".".join(map(str, sys.version_info[:3]))) or "(" in here.name or here.name.endswith("t")
    with pytest.raises(UsageError, match="no Python interpreter"):
        interpreter.found("cat")
