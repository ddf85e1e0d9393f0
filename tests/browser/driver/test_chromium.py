"""Which browsers are found, in which order, on machines made of files; a real one where there is one."""

import os
import sys
from pathlib import Path

import pytest

from labkit.base.errors import MissingExtra, UsageError
from labkit.browser.driver import chromium

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without a browser; the function puts a stand-in on it."""
    for folder in ("bin", "playwright"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.delenv(chromium.VARIABLE, raising=False)
    monkeypatch.setattr(chromium, "_APPLICATIONS", ())
    # Stand-ins are scripts, and no real program stands behind them.
    monkeypatch.setattr(chromium, "_program", Path)

    def put(path, says="Chromium 120.0.1"):
        path = tmp_path / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{says}'\n")
        path.chmod(0o755)
        return path

    return put


def names(found):
    return [browser.path.name for browser in found]


@pytest.mark.measured
def test_a_system_browser_comes_before_playwrights(machine):
    machine("playwright/chromium-1100/chrome-linux/chrome")
    machine("bin/chromium")
    machine("bin/google-chrome", "Google Chrome 121.0.2 unknown")
    found = chromium.browsers()
    assert names(found) == ["google-chrome", "chromium", "chrome"]
    assert [browser.name for browser in found] == ["Google Chrome", "Chromium", "Chromium"]
    assert found[0].version == "121.0.2"


@pytest.mark.measured
def test_of_playwrights_the_newest_comes_first(machine):
    for revision in (900, 1100, 1000):
        machine(f"playwright/chromium-{revision}/chrome-linux/chrome")
    assert [browser.path.parts[-3] for browser in chromium.browsers()] == [f"chromium-{n}" for n in (1100, 1000, 900)]


@pytest.mark.measured
def test_the_one_that_the_reader_names_comes_first(machine, monkeypatch):
    machine("bin/chromium")
    other = machine("elsewhere/mine", "Chromium 99.0.1")
    assert names(chromium.browsers(other)) == ["mine", "chromium"]
    monkeypatch.setenv(chromium.VARIABLE, str(other))
    assert chromium.full().path == other


@pytest.mark.measured
@pytest.mark.parametrize("says", ["Mozilla Firefox 120.0", "chromium of no version", ""])
def test_what_is_no_chromium_is_refused_by_name_and_passed_over_else(machine, says):
    path = machine("bin/chromium", says)
    assert chromium.browsers() == ()
    with pytest.raises(UsageError, match="is not a Chromium that starts"):
        chromium.browsers(path)


@pytest.mark.measured
def test_a_program_is_asked_again_only_when_its_file_has_changed(machine, monkeypatch):
    path = machine("bin/chromium", "Chromium 98.0.1")
    assert chromium.full().version == "98.0.1"
    with monkeypatch.context() as patched:
        patched.setattr(chromium, "said", lambda program: pytest.fail("asked again"))
        assert chromium.full().version == "98.0.1"
    machine("bin/chromium", "Chromium 99.0.1")
    os.utime(path, ns=(1, 1))
    assert chromium.full().version == "99.0.1"


def test_what_is_not_there_is_refused(machine):
    with pytest.raises(UsageError, match="is not a Chromium that starts"):
        chromium.browsers("/no/such/file")


def test_without_a_browser_it_says_how_to_get_one(machine):
    assert chromium.shell() is None
    with pytest.raises(MissingExtra, match="playwright install chromium"):
        chromium.full()


@pytest.mark.measured
def test_headless_shell_is_for_the_exact_pass_only_unless_there_is_nothing_else(machine):
    machine("playwright/chromium_headless_shell-1100/chrome-linux/headless_shell", "Chromium 120.0.1")
    assert chromium.full().is_shell
    machine("playwright/chromium-1100/chrome-linux/chrome")
    assert not chromium.full().is_shell
    assert chromium.shell().name == "Chromium headless shell"


@pytest.mark.measured
def test_a_distributions_script_is_not_taken_for_the_program(tmp_path):
    for browser in chromium.browsers():
        with browser.path.open("rb") as file:
            assert file.read(2) != b"#!" or os.path.dirname(browser.path) != "/usr/bin"
