"""One version of an app in a process of its own: what serves, what is said where it does not, what stays: nothing."""

import subprocess
import sys

import pytest

from labkit.base import processes
from labkit.base.errors import NotStarted, UsageError
from labkit.server.version import Launch, Version

pytestmark = pytest.mark.measured

APP = """
from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")
"""

#: A server that is no Socket.IO server, and starts a process that outlives its parent's end.
SERVER = """
import socket, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()[0].close()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "shop.py").write_text(APP)
    (tmp_path / "serve.py").write_text(SERVER)
    return tmp_path


def started(folder, **launch):
    with Version("head", folder, Launch(**launch)):
        raise AssertionError("it started")


def test_an_app_of_the_folder_serves_and_nothing_stays(folder):
    files = sorted(folder.rglob("*"))
    with Version("head", folder, Launch("shop:app")) as version:
        assert version.url.startswith("http://127.0.0.1:")
        assert processes.marked(version._mark)
        assert not version.has_ended()
    assert not processes.marked(version._mark)
    assert sorted(folder.rglob("*")) == files
    version.stop()


def test_a_command_serves_and_what_it_started_ends_too(folder):
    with Version("head", folder, Launch(command=("python", "serve.py", "{port}"))) as version:
        assert len(processes.marked(version._mark)) == 2
    assert not processes.marked(version._mark)


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("shopp:app", "there is no module shopp in this version's folder"),
        ("shop:nope", "shop has no nope"),
        ("shop:Flask", "a Flask app, a SocketIO or a socketio.Server, not a type"),
        ("labkit:fire", "was imported from"),
    ],
)
def test_names_that_lead_nowhere(folder, app, said):
    with pytest.raises(NotStarted, match=said) as raised:
        started(folder, app=app)
    assert raised.value.version == "head"
    assert "Traceback" not in str(raised.value)


def test_an_app_that_fails_is_told_with_its_last_words(folder):
    (folder / "src" / "shop.py").write_text("raise ValueError('no database')")
    with pytest.raises(NotStarted, match="head does not start") as raised:
        started(folder, app="shop:app")
    assert str(raised.value).endswith("ValueError: no database")


def test_a_command_that_listens_nowhere_or_is_none(folder):
    with pytest.raises(NotStarted, match=r"has not listened at port \d+ within 0.3 s.*\n.*waiting"):
        started(
            folder, command=("python", "-uc", "print('waiting'); input_ = __import__('time').sleep(60)"), start_s=0.3
        )
    with pytest.raises(NotStarted, match="cannot be run"):
        started(folder, command=("no-such-command",))


def test_ways_to_start_that_make_no_sense():
    for given in ({}, {"app": "shop:app", "command": ("x",)}, {"app": "shop"}, {"app": "sh-op:app"}):
        with pytest.raises(UsageError):
            Launch(**given)


def test_it_ends_with_who_started_it(folder):
    code = (
        "import os, sys; from pathlib import Path; from labkit.server.version import Launch, Version\n"
        "version = Version('head', Path(sys.argv[1]), Launch('shop:app')); version.start()\n"
        "print(version._mark, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    processes._wait_for(processes.marked(done.stdout.strip()), 3)
    assert not processes.marked(done.stdout.strip())


def test_it_ends_when_its_input_closes_although_nobody_kills_it(folder):
    with Version("head", folder, Launch("shop:app")) as version:
        version._process.stdin.close()
        assert version._process.wait(5) == 0
        assert version.has_ended()
