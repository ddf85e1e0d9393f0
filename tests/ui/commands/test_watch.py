"""`labkit watch`: an app that runs, from a second terminal, which it does not notice."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from labkit.base import clock
from labkit.inside import published, running
from labkit.inside.publishing import PROCESS
from labkit.inside.recent import Recent
from labkit.ui.commands import watch
from tests.support.helpers import RawClient, wait_until
from tests.ui.commands.running import assert_is_refused, labkit

ROOT = Path(__file__).parents[3]
APP = """
import sys
from flask import Flask
from flask_socketio import SocketIO
app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")

@socketio.on("echo")
def echo(number):
    return number

socketio.run(app, port=int(sys.argv[1]), allow_unsafe_werkzeug=True)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app below `labkit run`, whose folder this gives, with one client that has sent three events."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(APP)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, "-m", "labkit", "run", "app.py", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            found = []

            def is_let_in():
                with suppress(OSError):
                    found.append(RawClient(port))
                return found

            assert wait_until(is_let_in, 30)
            with found[0] as client:
                for number in range(3):
                    assert client.ask(f'42{number}["echo",{number}]') == f"43{number}[{number}]"
                (results,) = folder.glob("labkit-results/*")
                assert wait_until(lambda: running.in_folder(results))
                yield type("App", (), {"folder": folder, "results": results, "port": port, "pid": process.pid})
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def server_of(app):
    (found,) = running.in_folder(app.results)
    return found


@pytest.mark.measured
def test_the_run_that_is_there(app, monkeypatch):
    monkeypatch.chdir(app.folder)
    told = labkit("watch", "--once")
    assert told.exit_code == 0, told.stderr
    line = next(line for line in told.stdout.splitlines() if line.startswith("echo"))
    assert line.split()[1] == "3"
    assert "1 connections, 1 by websocket" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80


@pytest.mark.measured
@pytest.mark.parametrize("by", ["folder", "own folder", "pid", "pid of the command", "address"])
def test_one_by_its_name(app, by, here):
    """Also from another folder than that in which it was started."""
    server = server_of(app)
    name = {
        "folder": app.results,
        "own folder": server.folder,
        "pid": server.pid,
        "pid of the command": app.pid,
        "address": f"http://127.0.0.1:{app.port}/socket.io",
    }[by]
    told = labkit("watch", name, "--once", "--json")
    assert told.exit_code == 0, told.stderr
    (line,) = told.stdout.splitlines()
    (process,) = json.loads(line)["processes"]
    assert process["pid"] == server.pid
    assert {each["name"]: each["count"] for each in process["events"]}["echo"] == 3


@pytest.mark.measured
def test_q_ends_it_and_the_app_goes_on(app):
    """In a terminal of 24 lines and 80 columns: it says the same over and over, and at last once more."""
    process, terminal = pty.fork()
    if not process:  # the other side
        os.chdir(app.folder)
        os.environ |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        os.execv(sys.executable, [sys.executable, "-m", "labkit", "watch"])
    shown = bytearray()

    def has_shown(times):
        with suppress(OSError):  # it has ended
            shown.extend(os.read(terminal, 65_536))
        return shown.count(b"Process ") >= times

    try:
        assert wait_until(lambda: has_shown(3), 30), shown
        os.write(terminal, b"q")
        assert wait_until(lambda: b"\x1b[?1049l" in shown or has_shown(10_000), 10), shown
        _, status = os.waitpid(process, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert psutil.pid_exists(server_of(app).pid)


# What is refused, and what does not answer


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ((), "no app that is looked into runs"),
        (("nothing",), "is no folder, no process's number and no address"),
        (("999999999",), "there is no process 999999999"),
        ((str(os.getpid()),), "nobody looks into process"),
        (("ftp://here",), "is no address such as"),
        (("http://127.0.0.1:port",), "is no address such as"),
    ],
)
def test_what_is_not_there_is_refused(name, says, monkeypatch):
    monkeypatch.setattr(psutil.Process, "children", lambda *_, **__: [])  # the app of the tests above is one
    told = labkit("watch", *name, "--once")
    assert_is_refused(told)
    assert says in told.stderr


def test_nobody_listens_at_that_port(monkeypatch):
    monkeypatch.setattr(running, "_listening", lambda port: [])
    told = labkit("watch", "http://127.0.0.1:1", "--once")
    assert_is_refused(told)
    assert "no process of yours listens at port 1" in told.stderr


def run_folder(here, pid, **about):
    place = here / "labkit-results" / "2026-11-29_10-00-00" / f"server-{pid}"
    place.mkdir(parents=True)
    (place / PROCESS).write_text(json.dumps({"pid": pid, "ended": False, **about}))
    return place


def test_one_that_has_ended(here):
    place = run_folder(here, os.getpid(), ended=True)
    assert_is_refused(labkit("watch", "--once"))
    told = labkit("watch", place, "--once")
    assert_is_refused(told, code=1)
    assert "the app has ended" in told.stderr


def test_one_to_which_nobody_has_connected(here, monkeypatch):
    folder = here / "labkit-results" / "2026-11-29_10-00-00"
    folder.mkdir(parents=True)
    (folder / f"made-{os.getpid()}.json").write_text("{}")
    monkeypatch.setattr(watch, "FIRST_WORD_S", 0.3)
    told = labkit("watch", "--once")
    assert_is_refused(told, code=1)
    assert "nobody has connected to the app yet" in told.stderr
    (folder / f"made-{os.getpid()}.json").rename(folder / "made-999999999.json")
    assert_is_refused(labkit("watch", "--once"))


def test_the_number_is_another_process_by_now(here):
    place = run_folder(here, os.getpid())
    os.utime(place / PROCESS, (1, 1))
    assert running.in_folder(place) == ()


def test_one_that_does_not_answer(here, monkeypatch):
    """What it said long ago is no answer."""
    place = run_folder(here, os.getpid())
    file = published.Published(place)
    file.write(Recent(pid=1, taken_ns=clock.now_ns() - 10**10, span_s=60.0, events_seen=0))
    file.close()
    monkeypatch.setattr(watch, "FIRST_WORD_S", 0.3)
    told = labkit("watch", "--once")
    assert_is_refused(told, code=1)
    assert "does not answer" in told.stderr
    assert (place / published.WANTED).exists()


def test_one_that_answers_and_then_is_silent(here, monkeypatch):
    place = run_folder(here, os.getpid())
    file = published.Published(place)
    recent = Recent(pid=4711, taken_ns=clock.now_ns(), span_s=60.0, events_seen=5)
    file.write(recent)
    file.close()
    listening = watch.Listening(place)
    assert listening.hear() == [recent]
    assert listening.are_heard
    monkeypatch.setattr(clock, "now_ns", lambda: recent.taken_ns + 7 * 10**9)
    assert listening.hear() == [recent]
    parts = watch._screen(listening.hear(), 80, 24).renderables
    assert "Process 4711 has said nothing for 7 s" in str(parts[0])


def test_it_tidies_up_after_one_that_was_killed(here):
    place = run_folder(here, os.getpid())
    file = published.Published(place)
    file.write(Recent(pid=1, taken_ns=clock.now_ns(), span_s=60.0, events_seen=0))
    file.close()
    listening = watch.Listening(place.parent)
    assert listening.hear()
    (place / PROCESS).write_text(json.dumps({"pid": os.getpid(), "ended": True}))
    listening._asked_ns = -(10**12)
    assert listening.hear() is None
    assert [path.name for path in place.iterdir()] == [PROCESS]
