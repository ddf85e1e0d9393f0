"""Apps with one known culprit each, and one without: ``python -m tests.support.culprits NAME FOLDER``.

Each is an ordinary Flask-SocketIO app in a process of its own, with one added line. It prints its port, serves until
its standard input is closed, and saves what was seen. `chat` is who waits.
"""

import re
import sys
import threading
import time
from collections.abc import Callable

from flask import Flask
from flask_socketio import SocketIO, emit
from werkzeug.serving import WSGIRequestHandler, make_server

LOCK = threading.Lock()
LETTERS = "a" * 21 + "b"


def build(count):
    """Computes, in Python: some 50 ms a million."""
    return sum(number * number for number in range(count))  # BUILD


def handler(app, socketio):
    @socketio.on("export")
    def export(data):
        build(2_000_000)


def task(app, socketio):
    def refresh():
        while True:
            build(1_500_000)
            time.sleep(0.1)

    socketio.start_background_task(refresh)


def route(app, socketio):
    @app.get("/report")
    def report():
        return str(build(2_000_000))


def extension(app, socketio):
    @socketio.on("search")
    def search(data):
        find(LETTERS)


def find(text):
    for _ in range(2):
        re.match("(a+)+$", text)  # FIND


def lock(app, socketio):
    @socketio.on("checkout")
    def checkout(data):
        with LOCK:
            time.sleep(0.15)  # CHECKOUT


def serial(app, socketio):
    """Its handlers run in their client's receive loop, and one asks something that takes long."""

    @socketio.on("query")
    def query(data):
        time.sleep(0.15)  # QUERY


def reader(app, socketio):
    def feed():
        while True:
            socketio.emit("prices", PRICES)  # FEED
            socketio.sleep(0.01)

    socketio.start_background_task(feed)


def quiet(app, socketio):
    @socketio.on("export")
    def export(data):
        time.sleep(0.15)


PRICES = "1" * 150_000
APPS: dict[str, Callable] = {
    "handler": handler,
    "task": task,
    "route": route,
    "extension": extension,
    "lock": lock,
    "serial": serial,
    "reader": reader,
    "quiet": quiet,
}


class Handler(WSGIRequestHandler):
    """Without Nagle's algorithm, and without a word."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *args):
        """Nothing."""


def main(name, folder):
    import labkit

    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="threading", async_handlers=name != "serial")

    @socketio.on("chat")
    def chat(data):
        if name == "lock":
            with LOCK:
                pass
        emit("said", data)

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inside = labkit.instrument(socketio, blame=True)
    APPS[name](app, socketio)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    inside.record().save(folder)
    inside.watched().save(folder)
    inside.detach()


if __name__ == "__main__":
    main(*sys.argv[1:])
