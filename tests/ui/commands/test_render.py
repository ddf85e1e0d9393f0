"""``labkit render`` and ``labkit browser``: wrong usage is one line, what was measured is kept, and shown."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.base.errors import BrowserError, MissingExtra
from labkit.browser import measure
from labkit.browser.driver import chromium
from labkit.browser.driver.chromium import Browser
from labkit.browser.page import javascript
from labkit.browser.rendering import Measured, Rendering
from tests.support.browsing import needed
from tests.support.helpers import taking_interrupts, wait_until
from tests.support.rendered import SETTINGS, rendering, timed
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit, written


@pytest.fixture
def measured(monkeypatch):
    """Stand-in for measuring: the renderings that a test gives; an exception among them is raised."""

    def prepare(*steps):
        def renderings(*arguments, **settings):
            prepare.asked = arguments, settings
            for step in steps:
                if isinstance(step, BaseException):
                    raise step
                settings["progress"]("a step")
                yield step

        monkeypatch.setattr(measure, "renderings", renderings)
        return prepare

    return prepare


def test_a_rendering_is_shown_and_kept(measured, here):
    measured(rendering())
    result = labkit("render", "--out", here / "out")
    assert result.exit_code == 0, result.output
    for word in ("reflows", "naive", "110 (100-120)", "Figure:", "[1 of 35] a step"):
        assert word in result.stdout
    assert written(here / "out") == ["rendering.json", "rendering.png"]
    assert repr(Rendering.load(here / "out" / "rendering.json")) == repr(rendering())


def test_without_out_the_folder_has_the_time_in_its_name(measured, here):
    measured(rendering())
    labkit("render")
    (folder,) = (here / "labkit-results").iterdir()
    assert written(folder) == ["rendering.json", "rendering.png"]


def test_two_within_one_second_write_into_two_folders(measured, here, monkeypatch):
    monkeypatch.setattr("labkit.base.clock.folder_stamp", lambda: "NOW")
    for _ in range(2):
        measured(rendering())
        assert labkit("render").exit_code == 0
    assert written(here / "labkit-results") == ["NOW", "NOW_2"]
    assert written(here / "labkit-results" / "NOW") == written(here / "labkit-results" / "NOW_2")


def test_options_become_settings(measured):
    prepared = measured(rendering())
    labkit(
        "render",
        "--rate",
        50,
        "--events",
        20,
        "--rows",
        7,
        "--throttle",
        4,
        "--clicks",
        2,
        "--patterns",
        "naive, forced",
    )
    (names, setting), settings = prepared.asked
    assert names == ["naive", "forced"]
    assert (setting.rate_hz, setting.events, setting.rows, setting.throttle, setting.clicks) == (50, 20, 7, 4, 2)
    assert settings["repeats"] == 3


def test_json_is_all_that_standard_output_has(measured, here):
    measured(rendering())
    result = labkit("render", "--json", "--out", here / "out")
    told = json.loads(result.stdout)
    assert [each["pattern"] for each in told["patterns"]] == ["naive", "forced"]
    assert told["patterns"][1]["exact"]["forced_layouts"] == 200
    assert told["valid"] is True
    assert "a step" in result.stderr


def test_lost_updates_exit_with_1(measured):
    measured(Rendering((Measured("naive", SETTINGS, runs=(timed(lost=3),)),)))
    assert labkit("render").exit_code == 1


def test_a_failure_later_shows_and_keeps_what_was_measured(measured, here):
    measured(rendering(), BrowserError("the browser ended in the middle of a run"))
    result = labkit("render", "--out", here / "out")
    assert result.exit_code == 1
    assert "Failed; what was measured until then is kept: the browser ended" in result.stdout
    assert "110 (100-120)" in result.stdout
    assert "rendering.json" in written(here / "out")


def test_a_failure_at_once_is_one_sentence(measured, here):
    measured(MissingExtra("there is no browser to measure in: get one"))
    assert_is_refused(labkit("render"), 1)
    assert written(here) == []


def test_an_interrupt_keeps_what_was_measured(measured, here):
    measured(rendering(), KeyboardInterrupt())
    result = labkit("render", "--out", here / "out")
    assert result.exit_code == 130
    assert "Interrupted; what was measured until then is kept." in result.stdout
    assert "rendering.json" in written(here / "out")


def test_an_interrupt_while_a_step_is_kept_does_not_lose_it(measured, here, monkeypatch):
    measured(rendering())
    saves = iter([KeyboardInterrupt()])
    whole = Rendering.save

    def save(self, path):
        for interrupt in saves:
            raise interrupt
        return whole(self, path)

    monkeypatch.setattr(Rendering, "save", save)
    assert labkit("render", "--out", here / "out").exit_code == 130
    assert repr(Rendering.load(here / "out" / "rendering.json")) == repr(rendering())


@pytest.mark.parametrize(
    "options",
    [
        ["--rate", "-1"],
        ["--throttle", "0"],
        ["--clicks", "-1"],
        ["--rows", "-1"],
        ["--events", "0"],
        ["--patterns", "fast"],
        ["--patterns", "naive,naive"],
        ["--repeats", "0"],
        ["--network", "fast"],
        ["--browser", "/no/such/browser"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line(options, here):
    assert_is_refused(labkit("render", *options))
    assert written(here) == []


def test_an_earlier_rendering_is_not_overwritten(here):
    (here / "rendering.json").write_text("mine")
    assert_is_refused(labkit("render", "--out", here))
    assert_is_refused(labkit("render", "--out", here / "rendering.json"))
    assert (here / "rendering.json").read_text() == "mine"


# --- labkit browser ---


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a browser and the parts."""
    full = Browser("Chromium", "156.0.1", Path("/x/chromium"), is_shell=False)
    shell = Browser("Chromium headless shell", "156.0.1", Path("/x/shell"), is_shell=True)
    monkeypatch.setattr(chromium, "browsers", lambda named=None: (full, shell))
    monkeypatch.setattr(javascript, "find", lambda: javascript.Parts(tmp_path))
    return full


def test_browser_lists_what_there_is(machine):
    needed()
    result = labkit("browser")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "browser",
        "browser",
        "JavaScript",
        "Playwright",
    ]
    assert "Chromium 156.0.1 (/x/chromium)" in result.stdout


def test_browser_says_how_to_get_one(machine, monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: ())
    result = labkit("browser")
    assert result.exit_code == 1
    assert "none: run playwright install chromium" in result.stdout


def test_browser_says_what_the_exact_counts_need(machine, monkeypatch):
    monkeypatch.setattr(chromium, "browsers", lambda named=None: (machine,))
    assert "headless shell is missing" in labkit("browser").stdout


def test_browser_says_how_to_get_the_parts(machine, monkeypatch):
    def absent():
        raise MissingExtra("the page's JavaScript parts are not installed: run labkit browser --install")

    monkeypatch.setattr(javascript, "find", absent)
    result = labkit("browser")
    assert result.exit_code == 1
    assert "run labkit browser --install" in result.stdout


def test_browser_installs_the_parts_when_it_is_asked(machine, monkeypatch):
    asked = []
    monkeypatch.setattr(javascript, "install", lambda: asked.append(1))
    labkit("browser")
    assert asked == []
    labkit("browser", "--install")
    assert asked == [1]


def test_browser_carries_the_parts_to_a_machine_without_network(machine, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(javascript, "carry", lambda to: asked.append(("to", to)) or to / "page-1")
    monkeypatch.setattr(javascript, "install_from", lambda source: asked.append(("from", source)))
    assert str(tmp_path / "page-1") in labkit("browser", "--carry", str(tmp_path)).stdout
    assert labkit("browser", "--from", str(tmp_path)).exit_code == 0
    assert asked == [("to", tmp_path), ("from", tmp_path)]


def test_browser_says_what_is_wrong_with_the_folder_that_it_is_to_install_from(machine, tmp_path):
    result = labkit("browser", "--from", str(tmp_path))
    assert result.exit_code == 2
    assert "labkit browser --carry FOLDER" in result.stderr


# --- the installed command, a real browser ---


@pytest.mark.measured
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_browser(here):
    needed()
    out = here / "out"
    command = [LABKIT, "render", "--patterns", "naive", "--events", "100", "--repeats", "50", "--out", out]
    with taking_interrupts():
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        first = [process.stdout.readline() for _ in range(2)]
        children = _children(process.pid)
        os.kill(process.pid, signal.SIGINT)
        told, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "run 1 of 50" in "".join(first)
    assert "Interrupted; what was measured until then is kept." in told
    assert "Traceback" not in errors
    assert len(Rendering.load(out / "rendering.json")["naive"].runs) >= 1
    assert children
    assert wait_until(lambda: not any(_runs(child) for child in children), 10)


def _children(pid):
    import psutil

    return psutil.Process(pid).children(recursive=True)


def _runs(process):
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
