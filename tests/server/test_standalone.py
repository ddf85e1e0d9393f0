"""What another interpreter executes: it needs nothing but itself, and says in a sentence why it cannot serve."""

import ast
import inspect
import json
import os
import subprocess
import sys
import types
import uuid

import engineio
import flask
import flask_socketio
import pytest

from labkit.server import standalone
from labkit.server.standalone import Refused, Serving

APP = """
from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app{options})
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Loads an app of a source in a mode, as the process does that serves it."""
    monkeypatch.syspath_prepend(tmp_path)

    def given(source, mode="threading", name="app"):
        module = f"app_{uuid.uuid4().hex}"
        (tmp_path / f"{module}.py").write_text(source)
        serving = Serving({"app": f"{module}:{name}", "mode": mode, "port": 1, "threads": 4})
        return serving, serving.load()

    return given


def test_only_the_standard_library_is_imported_before_it_is_known_what_is_there():
    source = inspect.getsource(standalone)
    tree = ast.parse(source)
    names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert "labkit." not in "".join(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    ast.parse(source, feature_version=(3, 8))


@pytest.mark.parametrize(
    ("mode", "runs_as"), [("threading", "threading"), ("gunicorn", "threading"), ("gevent-unpatched", "gevent")]
)
@pytest.mark.parametrize("name", ["app", "socketio", "socketio.server"])
def test_an_app_that_names_no_mode_gets_the_one_that_is_measured(loaded, mode, runs_as, name):
    serving, found = loaded(APP.format(options=""), mode, name)
    assert callable(found)
    assert standalone.about(serving)["async_mode"] == runs_as


def test_an_app_that_names_the_modes_own_is_served(loaded):
    serving, _ = loaded(APP.format(options=', async_mode="threading"'), "gunicorn")
    assert standalone.about(serving)["async_mode"] == "threading"


def test_the_libraries_are_afterwards_as_they_were(loaded):
    before = (flask.Flask.run, flask_socketio.SocketIO.run, engineio.Server.__init__)
    loaded(APP.format(options=', async_mode="threading"'))
    with pytest.raises(Refused):
        loaded(APP.format(options=', async_mode="gevent"'))
    assert (flask.Flask.run, flask_socketio.SocketIO.run, engineio.Server.__init__) == before


ASYNC = """
import socketio

sio = socketio.AsyncServer()
app = socketio.ASGIApp(sio)
"""


@pytest.mark.parametrize("name", ["app", "sio"])
def test_asgi_serves_an_async_server(loaded, name):
    serving, found = loaded(ASYNC, "asgi", name)
    assert callable(found)
    assert standalone.about(serving)["async_mode"] == "asgi"


@pytest.mark.parametrize(
    ("source", "mode", "name", "said"),
    [
        (APP.format(options=', async_mode="gevent"'), "threading", "app", "names async_mode='gevent', and mode thr"),
        (APP.format(options=', async_mode="threading"'), "gevent-unpatched", "app", "takes 'gevent': leave async_mod"),
        (APP.format(options=""), "asgi", "app", "mode asgi serves an app with an AsyncServer"),
        (ASYNC, "threading", "app", "has an AsyncServer, which mode asgi serves"),
        (ASYNC, "gevent-unpatched", "sio", "has an AsyncServer, which mode asgi serves"),
        (APP.format(options="") + "socketio.run(app)", "threading", "app", "serves it: put what calls run"),
        (APP.format(options="") + "app.run()", "gunicorn", "app", "serves it: put what calls run"),
        (APP.format(options=""), "threading", "nope", "has no nope"),
        (APP.format(options=""), "threading", "SocketIO", "is a type: name a Flask app"),
        ("def app(): pass", "threading", "app", "is a function: name a Flask app"),
        ("from flask import Flask\napp = Flask('a')", "threading", "app", "has no Socket.IO server: call SocketIO"),
        ("from flask_socketio import SocketIO\napp = SocketIO()", "threading", "app", "call socketio.init_app"),
        ("import sys\nsys.exit(3)", "threading", "app", r"ended the process \(exit code 3\)"),
        (
            "import not_there.at_all",
            "threading",
            "app",
            "not_there is lacking, which app_.* imports: .* -m pip install",
        ),
        ("raise ValueError('no database')", "threading", "app", r"ValueError: no database \(app_.*\.py, line 1\)"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(loaded, source, mode, name, said):
    with pytest.raises(Refused, match=said) as raised:
        loaded(source, mode, name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("mode", ["threading", "gunicorn", "gevent-unpatched", "asgi"])
@pytest.mark.parametrize(
    ("by", "module", "patched"),
    [
        ("gevent", "gevent.monkey", {"is_module_patched": lambda name: name == "threading"}),
        ("eventlet", "eventlet.patcher", {"is_monkey_patched": lambda name: name == "thread"}),
    ],
)
def test_an_app_that_patches_threads_by_itself_would_be_something_else(loaded, monkeypatch, mode, by, module, patched):
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**patched))
    with pytest.raises(Refused, match=rf"patches threads \({by}\), and mode {mode} would measure something else"):
        loaded(APP.format(options=""), mode)


def test_an_app_that_patches_as_the_mode_does_is_served(loaded, monkeypatch):
    patched = types.SimpleNamespace(is_module_patched=lambda name: True)
    monkeypatch.setitem(sys.modules, "gevent.monkey", patched)
    assert callable(loaded(APP.format(options=""), "gevent")[1])


def test_a_module_that_is_not_there(loaded):
    with pytest.raises(Refused, match="there is no module shopp here"):
        Serving({"app": "shopp.web:app", "mode": "threading", "port": 1, "threads": 4}).load()


@pytest.mark.parametrize(("switch", "gil"), [(lambda: False, False), (lambda: True, True), (None, True)])
def test_the_gil_is_what_the_interpreter_says(monkeypatch, switch, gil):
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    if switch is not None:
        monkeypatch.setattr(sys, "_is_gil_enabled", switch, raising=False)
    assert standalone.interpreter()["gil"] is gil


def test_of_an_unknown_interpreter_nothing_is_said(monkeypatch):
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    monkeypatch.setattr("platform.python_implementation", lambda: "IronPython")
    monkeypatch.setattr(sys, "pypy_version_info", (7, 3, 17, "final", 0), raising=False)
    told = standalone.interpreter()
    assert told["gil"] is None
    assert told["pypy"] == "7.3.17"


@pytest.mark.measured
@pytest.mark.parametrize(
    ("mode", "lacking"),
    [("gevent", "gevent and flask-socketio are"), ("asgi", "uvicorn and python-socketio are")],
)
def test_an_interpreter_without_packages_says_which(mode, lacking):
    asked = {"app": "shop:app", "mode": mode, "port": 1, "threads": 4}
    command = [sys.executable, "-I", "-S", standalone.__file__, json.dumps(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.read()  # while its standard input is open, it goes on
    told = [line for line in said.splitlines() if line.startswith(standalone.TOLD)]
    problem = json.loads(told[0].removeprefix(standalone.TOLD))["problem"]
    assert f"{lacking} lacking, which mode {mode} and the app need: " in problem
    assert "Traceback" not in said
    assert os.path.basename(sys.executable) in told[0]
