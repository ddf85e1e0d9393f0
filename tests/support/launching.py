"""An app that `labkit run` starts, as a user does: a process of its own, a client, a signal."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.helpers import RawClient, taking_interrupts, wait_until

ROOT = Path(__file__).parents[2]

#: Takes its port as its last argument; `python` and `-m` start it, and a web server imports it.
APP = """
import sys, time
from flask import Flask
from flask_socketio import SocketIO
app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")

@socketio.on("compute")
def compute(ms):
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass
    return "done"

@socketio.on("broken")
def broken():
    raise KeyError("secret")

if __name__ == "__main__":
    print("arguments", sys.argv, flush=True)
    socketio.run(app, port=int(sys.argv[-1]), allow_unsafe_werkzeug=True, use_reloader="--reload" in sys.argv)
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def launched(folder, *command, **environment):
    """A program in that folder, whose output is in the files `out` and `err` there; ended at the end, if need be."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (
        open(folder / "out", "wb") as out,
        open(folder / "err", "wb") as err,
        taking_interrupts(),
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def client(port, timeout_s=30):
    """A client of the app, as soon as that lets somebody in."""
    found = []

    def is_let_in():
        with contextlib.suppress(OSError):
            found.append(RawClient(port))
        return found

    assert wait_until(is_let_in, timeout_s), "nobody is let in"
    return found[0]
