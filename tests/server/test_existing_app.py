"""A server for an app that exists: it stops for good, and the app is what it was before."""

import threading
import urllib.request

import pytest
import socketio
from flask import Flask
from flask_socketio import SocketIO

from labkit.base.errors import LabError, ServerError, UsageError
from labkit.server import existing_app
from labkit.server.existing_app import AppServer
from tests.support.helpers import wait_until

pytestmark = pytest.mark.measured


def shop(**options):
    app = Flask("shop")
    server = SocketIO(app, **{"async_mode": "threading", **options})
    app.add_url_rule("/", "index", lambda: "the shop")

    @server.on("price")
    def price(data):
        return {"price": data * 2}

    @server.on("fail")
    def fail(data):
        raise RuntimeError("sold out")

    @server.on("later")
    def later(data):
        def tick():
            while True:
                server.sleep(0.01)

        server.start_background_task(tick)

    return server


def call(server, event="price", data=21):
    with socketio.SimpleClient() as client:
        client.connect(server.url, transports=["websocket"])
        return client.call(event, data, timeout=5)


@pytest.fixture
def nothing_is_left():
    before = set(threading.enumerate())
    yield
    assert wait_until(lambda: set(threading.enumerate()) <= before), threading.enumerate()


def state(server):
    """What of an app a server could leave changed."""
    eio = server.server.eio
    about = {name: value for name, value in vars(eio).items() if name not in ("handlers", "sequence_number")}
    return {**about, "handlers": dict(eio.handlers), "packets": server.server.packet_class}


def test_it_serves_and_leaves_the_app_as_it_was(nothing_is_left):
    server = shop()
    before = state(server)
    for _ in range(3):
        with AppServer(server) as running:
            assert call(running) == {"price": 42}
            assert urllib.request.urlopen(running.url).read() == b"the shop"
            port = running.port
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=1)
        assert state(server) == before


def test_a_client_that_stays_is_disconnected(nothing_is_left):
    client = socketio.Client(reconnection=False)
    with AppServer(shop()) as running:
        client.connect(running.url)
    assert wait_until(lambda: not client.connected)
    client.eio.queue.put(None)  # its writer may have missed its end, and would wait for 30 s


def test_an_endless_task_ends_with_the_server(nothing_is_left):
    with AppServer(shop()) as running:
        call(running, "later")
        assert any("tick" in thread.name for thread in threading.enumerate())


def test_a_handler_that_raises_is_told_and_the_next_is_answered(nothing_is_left):
    with AppServer(shop()) as running:
        with socketio.SimpleClient() as client:
            client.connect(running.url)
            client.emit("fail", 1)
            assert client.call("price", 21, timeout=5) == {"price": 42}
        assert wait_until(lambda: running.errors)
        (error,) = running.errors
        assert "RuntimeError: sold out" in error
        assert 'raise RuntimeError("sold out")' in error
        assert any("sold out" in line for line in running.log)


def test_it_cannot_be_served_by_two_at_once():
    server = shop()
    with AppServer(server), pytest.raises(ServerError, match="is served already"):
        AppServer(server).start()
    with AppServer(server) as running, pytest.raises(ServerError, match="is served already"):
        running.start()


def test_a_mode_that_was_left_to_flask_socketio_is_threading_meanwhile():
    app = Flask("shop")
    server = SocketIO(app)
    server.on_event("price", lambda data: data)
    server.server.eio.async_mode = "gevent"  # as it is chosen where gevent is installed
    with AppServer(app) as running:
        assert server.server.eio.async_mode == "threading"
        assert call(running, data=1) == 1
    assert server.server.eio.async_mode == "gevent"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Flask("bare"), "no Socket.IO server"),
        (SocketIO, "init_app"),
        (lambda: socketio.AsyncServer(async_mode="asgi"), "event loop"),
        (lambda: SocketIO(Flask("shop"), async_mode="gevent"), "async_mode='gevent'"),
        (lambda: socketio.Server(async_mode="gevent"), "async_mode='gevent'"),
        (lambda: "shop:app", "not a str"),
    ],
)
def test_what_cannot_be_served_is_told(make, said):
    with pytest.raises(UsageError, match=said):
        AppServer(make())


def test_a_patched_process_is_told(monkeypatch):
    monkeypatch.setattr(existing_app, "patched_by", lambda: "gevent")
    with pytest.raises(UsageError, match="gevent has patched this process"):
        AppServer(shop()).start()


def test_a_port_that_is_taken_is_told_and_the_app_can_be_served_elsewhere():
    server = shop()
    with AppServer(shop()) as other:
        with pytest.raises(LabError, match="in use"):
            AppServer(server, port=other.port).start()
        with AppServer(server) as running:
            assert call(running) == {"price": 42}
