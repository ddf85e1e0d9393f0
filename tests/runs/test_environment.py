"""What is recorded of a machine, and what must never be."""

import getpass
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import pytest

from labkit.plan.modes import MODES
from labkit.runs import environment


def test_the_description_is_json():
    about = environment.describe()
    assert json.loads(json.dumps(about, allow_nan=False)) == about


def test_it_names_the_interpreter_and_the_system():
    about = environment.describe()
    assert about["python"] == platform.python_version()
    assert about["implementation"] == sys.implementation.name.replace("cpython", "CPython")
    assert about["system"].split() == [platform.system(), platform.machine()]


def test_it_names_the_versions_that_are_installed():
    versions = environment.describe()["versions"]
    for name in ("flask-socketio", "python-socketio", "python-engineio", "simple-websocket", "werkzeug", "labkit"):
        assert versions[name] == importlib.metadata.version(name)


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGES", ("no-such-package-anywhere",))
    assert environment.describe()["versions"]["no-such-package-anywhere"] is None


def test_it_names_the_server_of_every_mode():
    assert {mode.server for mode in MODES.values()} <= set(environment.describe()["versions"])


def texts(value):
    """Every text in it, keys too."""
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts(part)]
    return [str(value)]


@pytest.mark.parametrize(
    "secret",
    [platform.node(), getpass.getuser(), str(Path.cwd()), str(Path.home()), sys.prefix, os.sep],
    ids=["host", "user", "folder", "home", "prefix", "separator"],
)
def test_it_tells_no_host_no_user_and_no_path(secret):
    # A short user name may be a part of a word: as a whole word it must not be there, a path not at all.
    everything = [*texts(environment.describe()), environment.one_line()]
    for text in everything:
        assert secret not in text.replace(",", " ").replace(";", " ").split()
        assert os.sep not in secret or secret not in text


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= environment.cores() <= os.cpu_count()
    if hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(allowed)})
        try:
            assert environment.cores() == 1
        finally:
            os.sched_setaffinity(0, allowed)


def test_there_is_a_gil_unless_the_interpreter_says_otherwise(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert environment.gil() is False
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert environment.gil() is True


def test_one_line_is_one_line_with_all_that_a_caption_needs():
    line = environment.one_line()
    assert "\n" not in line
    assert platform.python_version() in line
    assert f"{environment.cores()} cores" in line
    assert importlib.metadata.version("flask-socketio") in line
