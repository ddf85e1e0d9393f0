"""``labkit gate``: exit codes, what it shows and keeps, its refusals, and an end that leaves nothing."""

import itertools
import json
import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from labkit.base.errors import NotStarted
from labkit.experiments.gate import Gate
from labkit.runs import difference
from labkit.runs.gate import AGAIN, BASE, HEAD, SIDES
from labkit.ui.commands.gate import gate
from tests.base.test_checkout import git
from tests.runs.test_gate import side
from tests.support.helpers import swallowed, wait_until
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit, written

pytestmark = pytest.mark.measured  # git and the warden are processes

APP = """
import time

from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")


@socketio.on("price")
def price(data):
    time.sleep(0.005)
    return data
"""

FIRE = ("--app", "shop:app", "--event", "price", "--data", "{}", "--burst", 10)
BY_BASE = "own.p50 < 1.1 * base"


@pytest.fixture
def repository():
    """The working directory is one, and its file is not as committed."""
    Path("shop.py").write_text(APP)
    git(".", "init", "-q", "-b", "main")
    git(".", "add", "shop.py")
    git(".", "commit", "-qm", "one")
    Path("shop.py").write_text(f"{APP}\n")


@pytest.fixture
def measured(monkeypatch):
    """Says what the gate is to measure, instead of starting anything; `error` comes after all of it."""
    monkeypatch.setattr(difference, "RESAMPLES", 99)
    monkeypatch.setattr("labkit.plots.style.save", lambda figure, path: path)

    def given(rounds=10, error=None, swallows=False, **head):
        sides = {name: side(rounds, i, weather=0.05) for i, name in enumerate((BASE, AGAIN))}
        sides[HEAD] = side(rounds, 2, **{"weather": 0.05, **head})

        def runs(_):
            for number, name in itertools.product(range(rounds), SIDES):
                yield name, sides[name][number]
                if swallows and number == 2:
                    swallowed(KeyboardInterrupt())
            if error is not None:
                raise error

        monkeypatch.setattr(Gate, "try_both", lambda _: None)
        monkeypatch.setattr(Gate, "runs", runs)

    return given


@pytest.mark.parametrize(
    ("code", "given", "lines"),
    [
        (0, {}, ()),
        (3, {"slower": 1.5}, ()),
        (0, {"slower": 0.5}, ()),
        (4, {"rounds": 2, "slower": 1.5}, ()),
        (1, {"own_ms": [50.0] * 9 + [float("inf")]}, ()),
        (0, {"slower": 0.9}, (BY_BASE,)),
        (5, {"slower": 1.5}, (BY_BASE,)),
        (0, {"slower": 1.5}, ("own.p50 < 3 * base",)),
        (3, {"slower": 1.5}, ("own.p50 < 200ms",)),
        (5, {}, ("own.p50 < 2ms",)),
        (4, {}, ("own.p98 < 200ms",)),
        (130, {"slower": 1.5, "error": KeyboardInterrupt()}, ()),
        (6, {"error": NotStarted("base does not start", "base")}, ()),
        (7, {"error": NotStarted("head does not start", "head")}, ()),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_exit_codes(measured, code, given, lines):
    measured(**given)
    asked = [word for line in lines for word in ("--expect", line)]
    done = labkit("gate", "--base", ".", *FIRE, *asked, "--json", "--out", "kept", "--junit", "gate.xml")
    assert done.exit_code == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(Path("kept/gate.json").read_text())
    assert told["exit_code"] == code
    assert ElementTree.parse("gate.xml").getroot()[0].get("tests") == str(len(told["changes"]) + len(lines))
    assert (told["early"] != "") == (code in (6, 7, 130))


def test_an_interrupt_that_python_swallows_ends_it_soon(measured):
    measured(swallows=True)
    assert labkit("gate", "--base", ".", *FIRE, "--out", "kept").exit_code == 130
    kept = list(Path("kept").glob("*/run-*.json"))
    assert len(kept) == 2 * len(SIDES) + 2  # two rounds, a run, and the one into which it fell


def test_slower_is_told_everywhere(measured):
    measured(slower=1.5)
    done = labkit("gate", "--base", ".", *FIRE, "--out", "kept", "--junit", "gate.xml", "--summary", "gate.md")
    shown = " ".join(done.stdout.split())
    assert "shop:app, own.p50: head is 1." in shown
    assert "Floor of noise, the base against itself: own.p50 1." in shown
    assert shown.endswith("Slower.")
    assert Path("gate.md").read_text().startswith("## labkit gate: Slower.")
    assert ElementTree.parse("gate.xml").getroot()[0].get("failures") == "1"
    assert written(Path("kept")) == ["base", "base-again", "gate.json", "head"]
    assert labkit("diff", "kept/base", "kept/head").exit_code == 3


@pytest.mark.parametrize(
    "asked",
    [
        ("--base", "no-ref", *FIRE),
        ("--base", ".", "--event", "price"),
        ("--base", ".", *FIRE, "--cmd", "python shop.py"),
        ("--base", ".", "--cmd", "python 'shop.py"),
        ("--base", ".", "--app", "shop"),
        ("--base", ".", *FIRE, "--repeats", 0),
        ("--base", ".", *FIRE, "--rate", 5),
        ("--base", ".", *FIRE, "--resolution", 1),
        ("--base", ".", *FIRE, "--expect", "own.p98 <"),
        ("--base", ".", *FIRE, "--summary", "nowhere/gate.md"),
        (*FIRE,),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(asked):
    assert_is_refused(labkit("gate", *asked))
    assert written(Path()) == []


def test_a_branch_against_the_working_tree(repository):
    done = labkit("gate", "--base", "main", *FIRE, "--repeats", 1, "--expect", "lost == 0", "--json", "--out", "kept")
    assert done.exit_code == 4, done.stdout + done.stderr  # one round can't tell
    told = json.loads(done.stdout)
    assert told["base"].startswith("main (")
    assert "the working tree as it is, with 1 file changed" in told["notes"][0]
    assert told["rounds"] == 1
    assert told["changes"][0]["figure"] == "own.p50"
    assert min(told["changes"][0]["first_ms"], told["changes"][0]["second_ms"]) >= 5
    assert "too few runs to tell" in told["changes"][0]["sentence"] or "INVALID" in told["changes"][0]["sentence"]
    assert git(".", "status", "--porcelain", "shop.py", "__pycache__") == " M shop.py\n"
    assert not list(Path(tempfile.gettempdir()).glob(f"labkit-{os.getpid()}-*/tree"))


def test_a_head_that_does_not_start_is_told_before_anything_is_measured(repository):
    Path("shop.py").write_text("raise ValueError('no database')")
    done = labkit("gate", "--base", "main", *FIRE, "--out", "kept")
    assert done.exit_code == 7
    assert done.stderr.startswith("labkit: head does not start (exit code 1); its last words:")
    assert done.stderr.endswith("ValueError: no database\n")
    assert written(Path("kept")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_however_it_ends_nothing_stays(repository, monkeypatch, number, code):
    Path("temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(Path("temporary").resolve()))
    arguments = ["gate", "--base", "main", *map(str, FIRE), "--out", "kept"]
    with subprocess.Popen([LABKIT, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert wait_until(lambda: _serving(process.pid), 20)
        process.send_signal(number)
    assert process.returncode == code
    assert wait_until(lambda: not list(Path("temporary").glob("labkit-*/tree")) and not _serving(process.pid), 10)


def _serving(pid):
    """Whether a version of the gate serves: one that was started for its temporary folder."""
    import psutil

    place = str(Path("temporary").resolve())
    found = []
    for each in psutil.process_iter():
        try:
            found += [each] if "labkit.server.version_worker" in each.cmdline() and each.cwd().startswith(place) else []
        except psutil.Error:
            continue
    return found


def test_the_workflow_of_the_guide_asks_for_what_there_is():
    """Its command, as a shell would split it; that it runs was tried by hand, in a shallow clone."""
    guide = (Path(__file__).parents[3] / ".github" / "GUIDE.md").read_text("utf-8")
    (step,) = [text for text in guide.split("```yaml")[1:] if "labkit gate" in text]
    line = step.split("- run: |")[1].split("||")[0].replace("\\\n", " ")
    with gate.make_context("gate", shlex.split(line)[2:]) as context:
        assert (context.params["base"], context.params["head"], context.params["app"]) == ("HEAD^1", ".", "shop:app")
        assert context.params["summary"] == Path("$GITHUB_STEP_SUMMARY")
