"""Apps that know nothing of the lab, each in a process of its own: ``python -m tests.support.strange_app KIND PORT``.

Each serves at the port that it is given until it is killed or its standard input closes.
"""

import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

import labkit as lab
from labkit.base.clock import NS_PER_MS, now_ns
from tests.support.helpers import wait_until

SLEEP_S = 0.05


def flask_app():
    """Flask-SocketIO as its documentation has it, under Werkzeug."""
    from flask import Flask, request
    from flask_socketio import ConnectionRefusedError as Refused
    from flask_socketio import SocketIO, emit, join_room

    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="threading")

    @socketio.on("price")
    def price(*data):
        time.sleep(SLEEP_S)
        return {"price": data}

    @socketio.on("silent")
    def silent(*data):
        pass

    @socketio.on("touch")
    def touch(data):
        Path(data).touch()

    @socketio.on("order")
    def order(data):
        emit("ordered", {"order": data})

    @socketio.on("join")
    def join(data):
        join_room(data["room"])
        emit("joined", data["room"])

    @socketio.on("say")
    def say(data):
        emit("said", {"id": data["id"]}, to=data["room"])

    @socketio.on("length")
    def length(data):
        emit("lengths", {"id": data["id"], "bytes": len(data["file"]), "file": data["file"]})

    @socketio.on("die")
    def die(data):
        if data == 20:
            os._exit(3)

    @socketio.on("connect", namespace="/door")
    def door(auth):
        told = auth or {}, request.headers.get("X-Key"), request.cookies.get("seat"), request.args.get("room")
        if told[1:] != (f"key-{told[0].get('client')}", f"seat-{told[0].get('client')}", "lobby"):
            raise Refused(f"wrong key: {told}")

    @socketio.on("price", namespace="/door")
    def door_price(*data):
        return "inside"

    return app, socketio


def serve_flask(port):
    """`socketio.run`, at a port that is free."""
    app, socketio = flask_app()
    socketio.run(app, port=port, allow_unsafe_werkzeug=True)


def serve_asgi(port, *, inside=False):
    """python-socketio's AsyncServer under uvicorn; the event `echo` holds the loop where it is told to."""
    import socketio
    import uvicorn

    server = socketio.AsyncServer(async_mode="asgi")
    handled = {}
    if inside:
        lab.instrument(server)

    @server.on("echo")
    async def echo(sid, data):
        if isinstance(data, dict):
            time.sleep(data.get("stall_s", 0))
            handled[data.get("n", 0)] = now_ns()
        return data

    @server.on("handled")
    async def tell(sid, path):
        Path(path).write_text(json.dumps(handled))

    @server.on("order")
    async def order(sid, data):
        await server.emit("ordered", {"order": data}, to=sid)

    uvicorn.run(socketio.ASGIApp(server), host="127.0.0.1", port=port, log_level="warning")


@contextlib.contextmanager
def running(kind):
    """The address of such an app, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.strange_app", kind, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        assert wait_until(lambda: _listens(port) or process.poll() is not None, 20)
        assert process.poll() is None, "it did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def stalled(stall_s=1, *, at=50, events=250):
    """What events of the name `echo` carry, of which one makes the handler hold the loop."""
    return [{"n": n, "stall_s": stall_s if n == at else 0} for n in range(events)]


def true_ms(run, url, client, path):
    """By the app's own note of when it had handled each event of a run: how long after it was due."""
    lab.fire(url, lab.burst(1), event="handled", payload=str(path), client=client, bystander="none", warm_up=0)
    handled = json.loads(path.read_text())
    due_ns = run.plan.intended_ns + run.conditions.start_ns
    return np.array([handled[str(n)] for n in range(len(run))]) / NS_PER_MS - due_ns / NS_PER_MS


def p99_ms(latencies_ms):
    """The smallest that is at least as large as 99% of all."""
    return float(np.sort(latencies_ms)[-(-99 * len(latencies_ms) // 100) - 1])


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def main():
    """The process."""

    def end():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    serve = {"flask": serve_flask, "asgi": serve_asgi, "asgi-inside": functools.partial(serve_asgi, inside=True)}
    serve[sys.argv[1]](int(sys.argv[2]))


if __name__ == "__main__":
    main()
