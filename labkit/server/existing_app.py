"""A server on a thread of this process for an app that exists: a test's, with its own handlers and settings.

It is served as the lab serves its own (:mod:`labkit.server.in_process`), so that it stops for good: no thread, socket
or port is left. Whatever has to differ for that is changed on the app's own instances, and put back at the stop. So an
app that a module makes once can be served by one test after the other.

Werkzeug is tuned as for the lab's own servers: a stock one keeps the connection of a websocket that has ended, for
which websocket-client waits 3 s at each disconnect.
"""

import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any
from weakref import WeakSet

import socketio as python_socketio
from flask import Flask
from flask_socketio import SocketIO

from labkit.base.errors import ServerError, UsageError
from labkit.base.patched import patched_by
from labkit.server.hooks import Hooks
from labkit.server.hosts.bounds import bound
from labkit.server.in_process import Server
from labkit.server.kept import Kept
from labkit.server.threads import Threads
from labkit.server.websocket import WebsocketOfWSGI
from labkit.strategies import Strategy

#: What is changed on engine.io's server while it is served. `bound` changes the last two.
_CHANGED = ("_async", "async_mode", "sleep", "start_service_task", "create_queue", "handlers")

#: The engine.io servers that are served now.
_SERVED: "WeakSet[Any]" = WeakSet()

#: What engine.io makes at its first request, and takes for its own at the next start.
_MADE = ("service_task_handle", "service_task_event")


class AppServer(Server):
    """A Flask app with Flask-SocketIO, a ``SocketIO``, or a ``socketio.Server``: ``with AppServer(app) as server``.

    Args:
        app: the app. Its ``async_mode`` is `threading`, or was left to Flask-SocketIO: then it is that meanwhile.
        host, port: where to listen; port 0 for one that is free.

    Raises:
        UsageError: it is no such app, or of another ``async_mode``.
    """

    def __init__(self, app: Any, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.given = app
        self._existing = _Existing(app)
        served = Strategy(getattr(app, "import_name", type(app).__name__), _nothing)
        super().__init__(served, _nothing, instrumented=False, host=host, port=port)
        self._errors: list[str] = Kept()

    @property
    def errors(self) -> list[str]:
        """Tracebacks of handlers and background tasks that raised, in the order in which they did."""
        return self._errors

    def start(self) -> None:
        """Listen, and serve.

        Raises:
            UsageError: something has patched this process's threads.
            ServerError: it runs already, or the app is served by another.
            PortInUse: something listens there.
        """
        if by := patched_by():
            raise UsageError(
                f"{by} has patched this process, so its threads are none: serve the app in an unpatched one"
            )
        self._existing.require_free()
        try:
            super().start()
        except BaseException:
            self._existing.put_back()
            raise

    def stop(self, timeout_s: float = 5.0) -> None:
        """As :meth:`labkit.server.in_process.Server.stop`; the app is then as it was before."""
        was_running = self.is_running
        try:
            super().stop(timeout_s)
        finally:
            if was_running:
                self._existing.put_back()

    def _begin_watch(self) -> None:
        """A test's process is not the lab's to keep."""

    def _make_threads(self) -> Threads:
        return _Telling(self.log, self._errors)

    def _make_app(self) -> "_Existing":
        self._existing.take(self._threads, self._sleep, self.log)
        return self._existing


def _nothing(*_: object) -> None:
    """Registers nothing, and calculates nothing: the app has its own handlers."""


class _Telling(Threads):
    """Threads whose tracebacks are kept."""

    def __init__(self, log: list[str], errors: list[str]) -> None:
        super().__init__(log)
        self._errors = errors

    def failed(self, name: str, error: Exception) -> None:
        super().failed(name, error)
        self._errors.append("".join(traceback.format_exception(error)))


class _Existing:
    """What of an app is changed while it is served, and put back."""

    hooks: Hooks | None = None
    close: Callable[[], object] | None = None

    def __init__(self, app: Any) -> None:
        self.app, self.socketio = _parts(app)
        self.server = self.socketio.server
        if isinstance(self.server, python_socketio.AsyncServer) or not isinstance(self.server, python_socketio.Server):
            raise UsageError("an AsyncServer needs an event loop, and is not served here: give a threading one")
        mode = self.server.eio.async_mode
        given = getattr(self.socketio, "server_options", {}).get("async_mode")
        if mode != "threading" and (given is not None or not isinstance(self.socketio, SocketIO)):
            raise UsageError(f"this app was made with async_mode={mode!r}: make it with 'threading' for the test")
        self._before: dict[str, Any] | None = None

    def require_free(self) -> None:
        """Raise `ServerError` where it is served already."""
        if self.server.eio in _SERVED or self.server.eio.service_task_handle is not None:
            raise ServerError("this app is served already: stop that server first, or make another app")

    def take(self, threads: Threads, sleep: Callable[[float], None], log: list[str]) -> None:
        """Let engine.io take the server's threads and its sleep, and bound what a client can hold."""
        server, eio = self.server, self.server.eio
        self._before = {name: vars(eio)[name] for name in _CHANGED if name in vars(eio)}
        self._before["handlers"] = dict(eio.handlers)
        self._packets = server.packet_class
        _SERVED.add(eio)
        driver = (
            import_module("engineio.async_drivers.threading")._async if eio.async_mode != "threading" else eio._async
        )
        given = {"max_message_size": eio.max_http_buffer_size, "thread_class": threads.make}
        websocket = {"websocket": lambda handler, _: WebsocketOfWSGI(handler, None, **given)}
        eio._async = {**driver, "thread": threads.make, **websocket}
        eio.async_mode, eio.sleep = "threading", sleep
        bound(server, log)

    def put_back(self) -> None:
        """Make the app what it was, ready to be served again."""
        before, self._before = self._before, None
        if before is None:
            return
        eio = self.server.eio
        _SERVED.discard(eio)
        for name in _CHANGED:
            vars(eio).pop(name, None)
        vars(eio).update(before)
        for name in _MADE:
            setattr(eio, name, None)
        self.server.packet_class = self._packets


def _parts(app: Any) -> tuple[Any, Any]:
    """The WSGI application of an app, and what has its ``socketio.Server`` in `server`."""
    if isinstance(app, Flask):
        if "socketio" not in app.extensions:
            raise UsageError("this Flask app has no Socket.IO server: call SocketIO(app), or give what that returns")
        return app, app.extensions["socketio"]
    if isinstance(app, SocketIO):
        middleware = getattr(app, "sockio_mw", None)
        if middleware is None:
            raise UsageError("this SocketIO has no Flask app yet: call socketio.init_app(app) first")
        return middleware.flask_app, app
    if isinstance(app, python_socketio.Server):
        return python_socketio.WSGIApp(app), _Holder(app)
    if isinstance(app, python_socketio.AsyncServer):
        raise UsageError("an AsyncServer needs an event loop, and is not served here: give a threading one")
    raise UsageError(f"a server serves a Flask app, a SocketIO or a socketio.Server, not a {type(app).__name__}")


class _Holder:
    """A ``socketio.Server`` where Flask-SocketIO has its own."""

    def __init__(self, server: Any) -> None:
        self.server = server
