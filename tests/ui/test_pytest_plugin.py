"""The pytest plugin, as a reader's test-suite has it: servers and clients that are gone afterwards, expectations."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from labkit.ui import pytest_plugin
from tests.support import simulated

pytest_plugins = ["pytester"]

#: Installed, pytest finds it by itself; before that it is named.
PLUGIN = () if entry_points(group="pytest11", name="labkit") else ("-p", "labkit.ui.pytest_plugin")

#: Plugins of this environment that a reader's need not have, and that take longer to start than all these tests.
WITHOUT = [part for name in ("cacheprovider", "nbval", "anyio", "hypothesispytest") for part in ("-p", f"no:{name}")]

#: What a fresh interpreter may not have loaded before a fixture is used.
HEAVY = ("flask", "flask_socketio", "numpy", "socketio", "engineio", "werkzeug", "matplotlib", "pyparsing", "scipy")

#: A shop that answers: by acknowledgement, by an event, to everybody, and that fails.
SHOP = """
from flask import Flask
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")


@app.route("/")
def index():
    return "the shop"


@socketio.on("price")
def price(data):
    return {"price": data["item"] * 2}


@socketio.on("ask")
def ask(data):
    emit("told", data)


@socketio.on("fail")
def fail(data):
    raise RuntimeError("sold out")
"""

#: Threads and open sockets of this process that were not there before.
LEFT = """
import threading, psutil, time
import pytest


def listening():
    return [c.laddr.port for c in psutil.Process().net_connections("tcp")]


def left(before):
    for _ in range(500):
        threads = set(threading.enumerate()) - before[0]
        ports = [port for port in listening() if port not in before[1]]
        if not threads and not ports:
            return [], []
        time.sleep(0.01)
    return [thread.name for thread in threads], ports


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    before = set(threading.enumerate()), listening()
    yield
    assert left(before) == ([], [])
"""


@pytest.fixture
def suite(pytester):
    """A reader's test-suite beside the shop; fails at its end where a test has left a thread or a port."""
    pytester.makepyfile(shop=SHOP)
    pytester.makeconftest(LEFT)

    def run(source, *arguments):
        pytester.makepyfile(test_shop=source)
        return pytester.runpytest_subprocess(*PLUGIN, *WITHOUT, *arguments)

    return run


def test_pytest_finds_it_once_labkit_is_installed():
    told = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert told["entry-points"]["pytest11"] == {"labkit": pytest_plugin.__name__}


@pytest.mark.measured
def test_pytest_starts_without_anything_heavy():
    code = "import sys, labkit.ui.pytest_plugin\nprint(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "labkit.ui.pytest_plugin" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.measured
def test_a_client_talks_to_a_real_server(suite):
    done = suite(
        """
        import urllib.request

        import pytest
        import shop
        import socketio


        plain = socketio.Server(async_mode="threading")
        plain.on("price", lambda sid, data: shop.price(data))


        @pytest.mark.parametrize("app", [shop.app, shop.socketio, plain], ids=lambda app: type(app).__name__)
        def test_answers(app, socketio_server, socketio_client):
            server = socketio_server(app)
            assert socketio_client(server).call("price", {"item": 21}, timeout=5) == {"price": 42}
            if app is not plain:
                assert urllib.request.urlopen(server.url).read() == b"the shop"


        def test_events_come_to_a_client_of_ones_own(socketio_server, socketio_client):
            server, mine = socketio_server(shop.app), socketio.SimpleClient()
            client = socketio_client(server, client=mine, transports=["websocket"])
            assert client is mine
            client.emit("ask", {"item": 1})
            assert client.receive(timeout=5) == ["told", {"item": 1}]
            assert client.transport == "websocket"


        def test_somebody_who_disconnects_first(socketio_server, socketio_client):
            client = socketio_client(socketio_server(shop.app))
            client.disconnect()


        def test_a_server_that_is_stopped_first(socketio_server, socketio_client):
            server = socketio_server(shop.app)
            socketio_client(server)
            server.stop()
            server.stop()
            assert not server.is_running


        def test_asked_twice_it_is_the_same_server(socketio_server):
            server = socketio_server(shop.app)
            assert socketio_server(shop.app) is server
            server.stop()
            again = socketio_server(shop.app)
            assert again is not server
            assert again.is_running


        def test_nobody_is_there_afterwards(socketio_client):
            with pytest.raises(socketio.exceptions.ConnectionError):
                socketio_client("http://127.0.0.1:9")
        """
    )
    done.assert_outcomes(passed=8)


@pytest.mark.measured
def test_a_failing_test_leaves_nothing_and_says_what_its_server_said(suite):
    done = suite(
        """
        import shop


        def test_sold_out(socketio_server, socketio_client):
            client = socketio_client(socketio_server(shop.app))
            client.emit("fail", {})
            client.emit("fail", {})
            assert client.call("price", {"item": 1}, timeout=5) == {"price": 3}


        def test_it_serves_the_next(socketio_server, socketio_client):
            assert socketio_client(socketio_server(shop.app)).call("price", {"item": 1}, timeout=5) == {"price": 2}
        """
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*Socket.IO server at http://127.0.0.1:*", "2 times:", "*RuntimeError: sold out"])
    assert done.stdout.str().count("sold out") == 2  # its line of code, and what it said


@pytest.mark.measured
def test_twenty_servers_one_after_the_other(suite):
    done = suite(
        """
        import threading

        import pytest
        import shop

        ports = set()


        @pytest.mark.parametrize("number", range(20))
        def test_it_stops_for_good(number, socketio_server, socketio_client):
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("labkit")]
            server = socketio_server(shop.socketio)
            ports.add(server.port)
            assert socketio_client(server).call("price", {"item": number}, timeout=5) == {"price": 2 * number}
        """
    )
    done.assert_outcomes(passed=20)


@pytest.mark.measured
def test_a_failing_expectation_shows_the_table(suite, pytester):
    simulated.run(own_ms=[20, 40, 60]).save(pytester.path / "run")
    done = suite(
        """
        from labkit import Run


        def test_load(expect):
            run = Run.load("run")
            assert expect(run, "lost == 0", "own.max < 30s")
            expect(run, "own.max < 50ms", "own.p99 < 1s")
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            '>*expect(run, "own.max < 50ms", "own.p99 < 1s")*',
            "E * Failed: Expectations: 0 of 2 hold, 1 does not, of 1 nobody can tell.",
            "E * inline *own.max < 50ms*does not hold* 60 ms *",
            "E * inline *own.p99 < 1s *can't tell*",
            "E * inline: 3 answered",
        ]
    )
    assert "verdicts(measured" not in done.stdout.str()  # the reader's line is shown, and not the plugin's


@pytest.mark.measured
def test_load_is_fired_from_another_process(suite):
    done = suite(
        """
        import labkit as lab


        def test_load(fire):
            with lab.serve("inline", lab.io_wait(ms=1)) as server:
                run = fire(server, lab.burst(3), warm_up=1)
            assert run.outcomes["answered"] == 3
        """
    )
    done.assert_outcomes(passed=1)
