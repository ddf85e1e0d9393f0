"""In the app's process: nothing that the app could see, and a record that is there however the process ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import socketio

from labkit.inside import launched, run_folder, watch
from labkit.inside.publishing import Publishing
from labkit.plan.replay import replay

BOOT = Path(launched.__file__).with_name("boot")

#: What an app can see of the interpreter that it runs in.
SEEN = """
import sys, threading
finders = [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path]
print(sorted(sys.modules), sys.path, finders, threading.active_count())
"""


class Threads:
    """Real threads that a test runs by hand."""

    def __init__(self):
        self.started = []

    def start(self, function, arguments):
        self.started.append(lambda: function(*arguments))


@pytest.fixture
def exits(monkeypatch):
    """What is registered to run at the end of the process."""
    found = []
    monkeypatch.setattr(launched.atexit, "register", found.append)
    monkeypatch.setattr(launched.os, "register_at_fork", lambda **hooks: None)
    monkeypatch.delattr(launched.os, "mkfifo", raising=False)  # nobody asks: it sleeps, as where there are no pipes
    yield found
    for each in found:
        if isinstance(getattr(each, "__self__", None), Publishing):
            each()  # its thread is a real one
    watch._at_exit()  # and so are those of watches; this was registered when the module was imported


def made(folder, threads, sleep=lambda _: None, events=16, **more):
    server = socketio.Server(async_mode="threading")
    told = json.dumps({"folder": str(folder), "events": events, "payloads": False, **more})
    launched.made(server, told, threads.start, sleep)
    return server


def request(server):
    """The first request of a client: Engine.IO answers it."""
    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": "EIO=4&transport=polling", "HTTP_HOST": "a"}
    return b"".join(server.handle_request(environ, lambda *_: None))


def test_a_server_that_serves_nobody_starts_nothing(tmp_path, exits):
    threads = Threads()
    server = made(tmp_path, threads)
    assert (threads.started, exits) == ([], [])
    assert [path.name for path in tmp_path.iterdir()] == [f"made-{os.getpid()}.json"]
    server._labkit_inside.detach()


def test_the_first_request_starts_one_thread_and_takes_its_hook_away(tmp_path, exits):
    threads = Threads()
    server = made(tmp_path, threads)
    assert "handle_request" in vars(server.eio)
    assert request(server).startswith(b"0{")
    assert "handle_request" not in vars(server.eio)
    request(server)
    assert (len(threads.started), len(exits)) == (1, 2)  # at the end it is saved, and no more published
    server._labkit_inside.detach()


def test_spans_are_made_where_they_are_asked_for(tmp_path, exits, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "labkit.inside.otel", raising=False)
    server = socketio.Server(async_mode="threading")
    launched.made(
        server, json.dumps({"folder": str(tmp_path), "events": 16, "payloads": False, "otel": True}), *(None,) * 2
    )
    (note,) = tmp_path.glob("made-*.json")
    assert json.loads(note.read_text())["problems"] == [
        "spans and metrics need opentelemetry-api: pip install 'labkit[export]'"
    ]
    assert "handle_request" in vars(server.eio)  # and it is looked into all the same


def test_at_the_end_all_is_saved(tmp_path, exits):
    server = made(tmp_path, Threads())
    request(server)
    for at_exit in exits:
        at_exit()
    (served,) = run_folder.read(tmp_path).served
    assert (served.pid, served.ended, served.record.connections_seen) == (os.getpid(), True, 1)
    assert "python-socketio" in served.versions
    server._labkit_inside.detach()


def test_while_it_runs_it_is_saved_where_there_is_something_new(tmp_path, exits):
    saved, threads = [], Threads()
    own = tmp_path / f"server-{os.getpid()}"

    class Ended(BaseException):
        pass

    def sleep(seconds):
        assert seconds >= launched.SAVED_EVERY_S
        saved.append((own / "inside.json").exists() and os.stat(own / "inside.json").st_mtime_ns)
        if len(saved) == 4:
            raise Ended

    server = made(tmp_path, threads, sleep)
    request(server)
    with pytest.raises(Ended):
        threads.started[0]()
    assert saved[0] is False
    assert saved[1] == saved[2] == saved[3] > 0
    assert not run_folder.read(tmp_path).served[0].ended
    server._labkit_inside.detach()


def test_a_fork_that_has_served_nobody_does_not_save_its_parents_record(tmp_path, exits, monkeypatch):
    server = made(tmp_path, Threads())
    request(server)
    monkeypatch.setattr(launched.os, "getpid", lambda: 1)
    for at_exit in exits:
        at_exit()
    assert not list(tmp_path.glob("*/inside.json"))
    server._labkit_inside.detach()


def test_what_events_carry_is_recorded_and_a_fork_leaves_its_parents_to_it(tmp_path, exits, monkeypatch):
    forks = []
    monkeypatch.setattr(launched.os, "register_at_fork", lambda **hooks: forks.extend(hooks.values()))
    server = made(tmp_path, Threads(), recording=str(tmp_path / "sent.jsonl"))
    server._handle_event("nobody", "/", None, ["parents"])
    forks[0]()
    server._handle_event("nobody", "/", 7, ["price", {"item": 1}])
    request(server)
    for at_exit in exits:
        at_exit()
    found = replay(tmp_path / "sent.jsonl")
    assert (found.names, found.payloads, found.asks) == (("price",), (({"item": 1},),), (True,))
    told = run_folder.recording(tmp_path)
    assert (told.files, told.events, told.missing) == ((str(tmp_path / "sent.jsonl"),), 1, {})
    server._labkit_inside.detach()


def test_two_servers_of_a_process_have_a_folder_each(tmp_path, exits):
    for _ in range(2):
        server = made(tmp_path, Threads())
        request(server)
        server._labkit_inside.detach()
    names = sorted(path.name for path in tmp_path.glob("server-*"))
    assert names == [f"server-{os.getpid()}", f"server-{os.getpid()}-2"]


def test_a_library_of_another_version_is_told_and_the_app_goes_on(tmp_path, exits, monkeypatch):
    monkeypatch.delattr(socketio.Server, "_handle_event_internal")
    server = made(tmp_path, Threads())
    assert request(server).startswith(b"0{")
    (problem,) = run_folder.read(tmp_path).problems
    assert "_handle_event_internal" in problem
    assert not list(tmp_path.glob("server-*"))


@pytest.mark.measured
def test_until_a_server_is_made_the_app_sees_nothing(tmp_path):
    def seen(**more):
        environment = {**os.environ, **more}
        return subprocess.run(
            [sys.executable, "-c", SEEN], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )

    without = seen(PYTHONPATH=str(tmp_path))
    within = seen(PYTHONPATH=os.pathsep.join((str(BOOT), str(tmp_path))), LABKIT_RUN="{}")
    assert within.stderr == ""
    assert "'sitecustomize'" in within.stdout
    assert within.stdout.count("'_Finder', ") == 2
    assert within.stdout.replace("'sitecustomize', ", "").replace("'_Finder', ", "") == without.stdout


@pytest.mark.measured
def test_the_environments_own_sitecustomize_runs_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('its own', __file__)")
    path = os.pathsep.join((str(BOOT), str(tmp_path)))
    code = "import sitecustomize; print(sitecustomize.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    own = str(tmp_path / "sitecustomize.py")
    assert told.stdout.splitlines() == [f"its own {own}", own]


@pytest.mark.measured
def test_an_environment_without_labkit_is_looked_into_with_the_commands(tmp_path):
    """The program may have an environment of its own: labkit comes from where the command has it."""
    stranger = tmp_path / "socketio"
    stranger.mkdir()
    (stranger / "__init__.py").touch()
    (stranger / "base_server.py").write_text("class BaseServer:\n    'a server'\n    def __init__(self, a=1): pass\n")
    told = {"folder": str(tmp_path), "package": str(Path(launched.__file__).parents[1]), "events": 4, "payloads": False}
    code = "import socketio.base_server as b; b.BaseServer(); print(vars(b.__spec__.loader))"
    done = subprocess.run(
        # -S: no site-packages; our folder's `sitecustomize` is run by hand.
        [sys.executable, "-S", "-c", f"import sitecustomize; {code}"],
        env={"PYTHONPATH": os.pathsep.join((str(BOOT), str(tmp_path))), "LABKIT_RUN": json.dumps(told)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "exec_module" not in done.stdout
    assert done.stderr == ""
    (problem,) = run_folder.read(tmp_path).problems
    assert "BaseServer is no server" in problem  # so says labkit, which was found


@pytest.mark.measured
def test_a_version_without_a_base_of_servers_is_told_and_the_app_goes_on(tmp_path):
    """python-socketio before 5.10."""
    stranger = tmp_path / "socketio"
    stranger.mkdir()
    (stranger / "__init__.py").write_text("from .server import Server\n")
    (stranger / "server.py").write_text("class Server:\n    def __init__(self, a=1): self.a = a\n")
    told = {"folder": str(tmp_path), "package": str(Path(launched.__file__).parents[1]), "events": 4, "payloads": False}
    code = (
        "import sys, socketio; print(socketio.Server(5).a, [f for f in sys.meta_path if type(f).__name__ == '_Finder'])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sitecustomize; {code}"],
        env={"PYTHONPATH": os.pathsep.join((str(BOOT), str(tmp_path))), "LABKIT_RUN": json.dumps(told)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("5 []\n", "")
    (problem,) = run_folder.read(tmp_path).problems
    assert "Server is no server" in problem
