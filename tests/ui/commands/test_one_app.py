"""``labkit compare --serve``: exit codes, what it shows and keeps, its refusals, and where its options are."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from labkit.base.errors import ClientError, NotStarted
from labkit.experiments.one_app import Servers
from labkit.runs import difference
from labkit.ui.commands.fire import fire
from labkit.ui.commands.one_app import servers
from tests.runs.test_one_app import across
from tests.support.helpers import swallowed, wait_until
from tests.ui.commands.running import LABKIT, assert_is_refused, labkit, written

SERVE = ("compare", "--serve", "shop:app", "--event", "price", "--data", "{}", "--burst", 10)
BOTH = {"threading": {"own_ms": 40.0}, "gevent": {"own_ms": 20.0}}


@pytest.fixture
def measured(monkeypatch):
    """Says what is to be measured, instead of starting anything; `error` comes after all of it."""
    monkeypatch.setattr(difference, "RESAMPLES", 99)
    monkeypatch.setattr("labkit.plots.style.save", lambda figure, path: path)

    def given(servers=BOTH, failed=None, error=None, repeats=6, swallows=False):
        found = across(servers, repeats)

        def try_all(order):
            order.failed.update(failed or {})

        def runs(order):
            for run in found.result.runs:
                yield run
                if swallows:
                    swallowed(KeyboardInterrupt())
            if isinstance(error, NotStarted):
                order.failed.update(dict.fromkeys(order.names, str(error)))
            if error is not None:
                raise error

        monkeypatch.setattr(Servers, "try_all", try_all)
        monkeypatch.setattr(Servers, "runs", runs)

    return given


@pytest.mark.parametrize(
    ("code", "given", "lines"),
    [
        (0, {}, ()),
        (1, {"failed": {"gunicorn": "it is not there"}}, ()),
        (1, {"servers": {**BOTH, "gunicorn": {"own_ms": [20.0] * 199 + [float("inf")]}}}, ()),
        (0, {}, ("gevent: own.p50 < 30ms", "gevent: own.p50 < 0.8 * base")),
        (3, {}, ("gevent: own.p50 < 1ms",)),
        (4, {"repeats": 2}, ("gevent: own.p50 < 0.8 * base",)),
        (130, {"error": KeyboardInterrupt()}, ()),
        (1, {"error": ClientError("the client ended")}, ()),
        (1, {"error": NotStarted("gevent ended", "gevent")}, ()),
    ],
)
def test_exit_codes(measured, code, given, lines):
    measured(**given)
    expected = [word for line in lines for word in ("--expect", line)]
    done = labkit(*SERVE, *expected, "--json", "--out", "kept", "--modes", "threading,gunicorn,gevent")
    assert done.exit_code == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(Path("kept/summary.json").read_text())
    assert [one["name"] for one in told["servers"]] == [one["name"] for one in told["strategies"]]
    assert told["servers"][0]["gil"] is True
    assert len(written(Path("kept"))) > 4


def test_an_interrupt_that_python_swallows_ends_it_soon(measured):
    measured(swallows=True)
    assert labkit(*SERVE, "--out", "kept", "--modes", "threading,gevent").exit_code == 130
    assert len(list(Path("kept").glob("run-*.json"))) == 2  # the one in which it came, too


def test_what_follows_is_shown(measured):
    measured(failed={"gunicorn": "it is not there"})
    done = labkit(*SERVE, "--out", "kept", "--summary", "summary.md")
    shown = " ".join(done.stdout.split())
    assert "gunicorn is left out: it is not there shop:app as it is, under threading, gunicorn, gevent" in shown
    assert "Own answers come soonest under gevent: 2.0x (" in shown
    assert "Python 3.13.0: with a GIL, so one thread at a time ran Python code." in shown
    assert "(it waits for the GIL)" in shown
    assert "| gevent" in Path("summary.md").read_text()


@pytest.mark.parametrize(
    "more",
    [
        ("--modes", "threading,eventlet"),
        ("--modes", ""),
        ("--modes", "gevent,gevent"),
        ("--python", "nowhere/python"),
        ("--repeats", "0"),
        ("--rate", "10"),
        ("--strategies", "inline"),
        ("--start-timeout", "soon"),
        ("--expect", "gunicorn: own.p50 << 1"),
        ("--expect", "uvicorn: own.p50 < 1ms"),
        ("--summary", "nowhere/summary.md"),
        ("TARGET",),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(measured, more):
    measured()
    assert_is_refused(labkit(*SERVE, *more))
    assert written(Path()) == []


def test_the_options_of_a_plan_are_those_of_fire():
    names = {each.name for each in servers.params}
    assert {each.name for each in fire.params} - names == {"url", "i_own_this_server"}


def test_each_help_leads_to_the_other():
    assert "labkit compare --serve shop:app --help" in " ".join(labkit("compare", "--help").stdout.split())
    told = labkit("compare", "--serve", "shop:app", "--help").stdout
    assert told.startswith("Usage: labkit compare [OPTIONS]\n")
    assert "--python PATH" in told
    assert "labkit compare --help" in told


APP = """
from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app)
socketio.on("price")(lambda data: data)
"""


@pytest.mark.measured
def test_an_app_is_measured_and_ctrl_c_keeps_what_was():
    Path("shop.py").write_text(APP)
    shown = ("--modes", "threading,asgi", "--bystander", "none", "--repeats", "1000", "--out", "kept")
    command = [LABKIT, *map(str, SERVE), *shown]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert wait_until(lambda: list(Path("kept").glob("run-*.json")), timeout_s=60)
        os.kill(process.pid, signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 130, said
    assert "asgi is left out: mode asgi serves an app with an AsyncServer" in said
    assert "Interrupted after" in said
    told = json.loads(Path("kept/summary.json").read_text())
    assert told["servers"][0]["async_mode"] == "threading"
    assert Path("kept/servers.png").exists()
    assert written(Path()) == ["kept", "shop.py"]
