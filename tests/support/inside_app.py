"""What tests of the room `inside` share: rows of a record, clients, and an app that serves in a mode of its own.

``python -m tests.support.inside_app MODE FOLDER`` prints its port, serves until standard input is closed, and has an
event ``save`` that writes the record into the folder.
"""

import contextlib
import sys
import urllib.request


def columns(table):
    """A table of a record as one dictionary a row."""
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def rows(record, name):
    """The events of that name, each with its columns."""
    return [event for event in columns(record.events) if record.names[event["name"]] == name]


def GET(url, body=None):  # noqa: N802 (what it asks)
    """An HTTP request; a POST where there is a body."""
    with urllib.request.urlopen(url, data=None if body is None else body.encode(), timeout=5) as response:
        return response.read().decode()


def polled(url, event):
    """Open a connection by polling, send one event, and take its two answers; the sid and those."""
    address = f"{url}/socket.io/?EIO=4&transport=polling"
    sid = GET(address).split('"sid":"')[1].split('"')[0]
    address += f"&sid={sid}"
    GET(address, "40")
    assert GET(address).startswith("40")
    GET(address, event)
    answers = []
    while len(answers) < 2:
        answers += GET(address).split("\x1e")
    return sid, answers


def talk(url, save=False):
    """python-socketio's own client: by polling, then by websocket; what it was answered."""
    import socketio

    client = socketio.Client(handle_sigint=False)
    client.connect(url, namespaces=["/", "/chat"])
    try:
        assert client.transport() == "websocket"
        told = {
            "echo": client.call("echo", (1, "two"), timeout=5),
            "hi": client.call("hi", 3, namespace="/chat", timeout=5),
            "unknown": client.call("unknown", 5, timeout=5),
        }
        if save:
            told["binary"] = client.call("echo", b"1234", timeout=5)
            assert client.call("save", timeout=5) == "saved"
    finally:
        client.disconnect()
    return told


def flask_app(mode, folder):
    from flask import Flask
    from flask_socketio import Namespace, SocketIO, emit

    import labkit

    app = Flask("tested")
    socketio = SocketIO(app, async_mode="gevent" if mode == "gevent" else "threading")
    inside = labkit.instrument(socketio)

    class Chat(Namespace):
        def on_connect(self):
            pass

        def on_hi(self, number):
            socketio.sleep(0.01)
            return number

    socketio.on_namespace(Chat("/chat"))

    @socketio.on("echo")
    def echo(*arguments):
        emit("echoed", arguments)
        return arguments

    @socketio.on("*")
    def anything(name, *arguments):
        return [name, *arguments]

    @socketio.on("save")
    def save():
        inside.record().save(folder)
        return "saved"

    return app


def asgi_app(folder):
    import asyncio

    import socketio as plain

    import labkit

    server = plain.AsyncServer(async_mode="asgi")
    inside = labkit.instrument(server)

    class Chat(plain.AsyncNamespace):
        async def on_connect(self, sid, environ):
            pass

        async def on_hi(self, sid, number):
            async def later():
                await self.emit("later", to=sid)

            task = asyncio.create_task(later())
            await asyncio.sleep(0.01)
            await task
            return number

    server.register_namespace(Chat("/chat"))

    @server.on("echo")
    async def echo(sid, *arguments):
        await server.emit("echoed", arguments, to=sid)
        return arguments

    @server.on("*")
    def anything(name, sid, *arguments):
        return [name, *arguments]

    @server.on("save")
    async def save(sid):
        inside.record().save(folder)
        return "saved"

    return plain.ASGIApp(server)


def free_port():
    import socket

    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def tell(port):
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def main(mode, folder):
    port = free_port()
    if mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
        import gevent
        from gevent import pywsgi

        server = pywsgi.WSGIServer(("127.0.0.1", port), flask_app(mode, folder), log=None)
        server.start()
        tell(port)
        gevent.get_hub().threadpool.apply(sys.stdin.read)
    elif mode == "gunicorn":
        import os
        import signal
        import threading

        from gunicorn.app.base import BaseApplication

        class Application(BaseApplication):
            def load_config(self):
                settings = {
                    "bind": f"127.0.0.1:{port}",
                    "worker_class": "gthread",
                    "threads": 20,
                    "loglevel": "critical",
                }
                for name, value in {**settings, "when_ready": ready, "graceful_timeout": 1}.items():
                    self.cfg.set(name, value)

            def load(self):
                return flask_app(mode, folder)

        def ready(arbiter):
            tell(port)

        def end():
            sys.stdin.read()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=end, daemon=True).start()
        sys.argv = sys.argv[:1]
        Application().run()
    elif mode == "asgi":
        import threading

        import uvicorn

        class Server(uvicorn.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets)
                tell(port)

        server = Server(uvicorn.Config(asgi_app(folder), port=port, log_level="critical"))

        def end():
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=end, daemon=True).start()
        server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
