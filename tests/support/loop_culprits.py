"""Apps whose handlers share a thread, each with a background task that computes or blocks there.

``python -m tests.support.loop_culprits NAME FOLDER``, as :mod:`tests.support.culprits`: under gevent's hub, and in an
event loop of asyncio's under uvicorn. `chat` is who waits.
"""

import gc
import sys
import threading
import time
from time import sleep as block  # as a driver in C does it: gevent cannot patch this

#: Of each app: whether its background task blocks, or else computes; None where it has none.
APPS = {"hub-computes": False, "hub-blocks": True, "loop-computes": False, "loop-blocks": True, "loop-late": None}


def build(count):
    """Computes, in Python: some 50 ms a million."""
    return sum(number * number for number in range(count))  # TASK-BUILD


def disturb(blocks):
    if blocks:
        block(0.2)  # TASK-BLOCKS
    else:
        build(3_000_000)


def under_gevent(blocks, folder):
    import gevent
    from flask import Flask
    from flask_socketio import SocketIO, emit
    from gevent import pywsgi

    import labkit

    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="gevent")

    @socketio.on("chat")
    def chat(data):
        emit("said", data)

    def refresh():
        while True:
            disturb(blocks)
            socketio.sleep(0.1)

    server = pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    inside = labkit.instrument(socketio, blame=True)
    socketio.start_background_task(refresh)
    say(server.server_port)
    gevent.get_hub().threadpool.apply(sys.stdin.read)
    keep(inside, folder)


def under_asyncio(blocks, folder):
    import asyncio
    import socket

    import socketio
    import uvicorn

    import labkit

    # Of the app without a task, people ask for what blocks; and its heartbeats are quick.
    beats = {"ping_interval": 0.2, "ping_timeout": 9} if blocks is None else {}
    server = socketio.AsyncServer(async_mode="asgi", **beats)

    @server.on("export")
    async def export(sid, data):
        block(0.5)  # EXPORT-BLOCKS

    @server.on("chat")
    async def chat(sid, data):
        await server.emit("said", data)

    async def refresh():
        while True:
            disturb(blocks)
            await asyncio.sleep(0.1)

    async def serve():
        if blocks is not None:
            server.start_background_task(refresh)
        await runner.serve(sockets=[sock])

    inside = labkit.instrument(server, blame=True)
    sock = socket.create_server(("127.0.0.1", 0))
    runner = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(server), log_level="error", timeout_graceful_shutdown=1))
    say(sock.getsockname()[1])
    threading.Thread(target=lambda: (sys.stdin.read(), setattr(runner, "should_exit", True)), daemon=True).start()
    asyncio.run(serve())
    keep(inside, folder)


def say(port):
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def keep(inside, folder):
    inside.record().save(folder)
    inside.watched().save(folder)
    inside.detach()


if __name__ == "__main__":
    gc.set_threshold(100_000)  # what the imports leave is no part of this
    if sys.argv[1].startswith("hub"):
        from gevent import monkey

        monkey.patch_all()
        assert block is not time.sleep
        under_gevent(APPS[sys.argv[1]], sys.argv[2])
    else:
        under_asyncio(APPS[sys.argv[1]], sys.argv[2])
