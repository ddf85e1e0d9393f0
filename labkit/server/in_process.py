"""A Flask-SocketIO server on a thread, that starts and stops as often as one likes.

``socketio.run()`` gives no handle and no port, ``socketio.stop()`` cannot stop Werkzeug, and a plain ``make_server``
leaks threads and descriptors at every stop (each websocket has four threads, of which two wait in a read). So the lab
keeps a list of all threads and sockets that its server starts, and ends them in an order in which none waits for
another. Two settings differ from Werkzeug's defaults; ``stock=True`` leaves both alone:

- Nagle's algorithm is off: with it, small answers wait for the client's delayed acknowledgement (40 ms on Linux).
- A connection ends when its websocket does: Werkzeug goes on reading it as HTTP (and answers 400 to leftover frames).
"""

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from engineio.async_drivers._websocket_wsgi import SimpleWebSocketWSGI
from flask import Flask
from flask_socketio import SocketIO
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from labkit.base import clock
from labkit.base.errors import PortInUse, ServerError
from labkit.server.contract import Setup
from labkit.server.hooks import Hooks
from labkit.server.hosts.flask_threading import ThreadingHost
from labkit.server.stamps import Stamps
from labkit.server.steady import Held, held_still
from labkit.strategies import Strategy

#: What differs from a stock server, for people to read; recorded with every run.
TUNED = {
    "Nagle's algorithm": "off (Werkzeug's default: on)",
    "connection after its websocket": "closed (Werkzeug's default: read as HTTP)",
}


class Extension(Protocol):
    """Something more to serve beside a strategy: routes, further events."""

    def extend(self, app: Flask, socketio: SocketIO) -> Callable[[], object] | None:
        """Register it; may return a function that ends what it began, called when the server stops."""


class Server:
    """A strategy behind a real Flask-SocketIO server: ``with Server(strategy, work) as server: server.url``.

    Args:
        strategy: how events are handled.
        complex_calculation: what the strategy calls with an event's data.
        stock: leave every default of Werkzeug untouched.
        options: further arguments of ``SocketIO(...)``; they win over the strategy's.
        instrumented: place the hooks that stamp events.
        extension: served beside the strategy, such as the lab's page.
        host: loopback; anything else is up to the caller.
        port: 0 for one that is free.

    Raises:
        PortInUse: something listens there.
        ServerError: the strategy could not be registered.
    """

    def __init__(
        self,
        strategy: Strategy,
        complex_calculation: Callable[[Any], Any],
        *,
        stock: bool = False,
        options: Mapping[str, Any] | None = None,
        instrumented: bool = True,
        extension: Extension | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        given = {**strategy.options, **(options or {})}
        self.setup = Setup("threading", strategy, complex_calculation, given, stock, instrumented, host, port)
        self.extension = extension
        self.port = port
        self.log: list[str] = []
        self._stamps = Stamps(0)
        self._app: _InProcessApp | None = None
        self._wsgi: _TrackingServer | None = None

    @property
    def url(self) -> str:
        """Where clients connect: ``http://127.0.0.1:PORT``."""
        return f"http://{self.setup.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self._wsgi is not None

    @property
    def serving_pid(self) -> int:
        """The process that serves: this one."""
        return os.getpid()

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``SocketIO(...)`` is given."""
        return self.setup.options

    @property
    def tuned(self) -> dict[str, str]:
        """What differs from a stock server, for people to read."""
        return {} if self.setup.stock else dict(TUNED)

    @property
    def stock(self) -> bool:
        """Whether the server's defaults are left as they are."""
        return self.setup.stock

    @property
    def instrumented(self) -> bool:
        """Whether hooks stamp events."""
        return self.setup.instrumented

    @property
    def hooks(self) -> Hooks | None:
        """That stamp events; None before the start, and where there are none."""
        return None if self._app is None else self._app.hooks

    @property
    def socketio(self) -> SocketIO:
        """Of the app that is or was served."""
        assert self._app is not None
        return self._app.socketio

    def record(self, events: int) -> None:
        """From now on stamp so many events."""
        self._stamps = Stamps(events)
        if self.hooks is not None:
            self.hooks.record(self._stamps)

    def collect(self) -> Stamps:
        """Stamp no more; the stamps since :meth:`record`, all of them missing without hooks."""
        if self.hooks is not None:
            self.hooks.stamps = None
        return self._stamps

    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> AbstractContextManager[Held]:
        """Hold still what is known to change results, in this process."""
        return held_still(switch_interval_s, freeze_gc)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, register the strategy, serve."""
        if self._wsgi is not None:
            raise ServerError("this server runs already: stop it first, or make another")
        listening = listen(self.setup.host, self.setup.port)
        self._threads = _Threads(self.log)
        self._stopping = threading.Event()
        self._close_extension: Callable[[], object] | None = None
        try:
            # All of it new at each start: engine.io's service task never starts a second time.
            app = self._app = _InProcessApp(self.setup, self.log, self._threads, self._sleep)
            if self.extension is not None:
                self._close_extension = self.extension.extend(app.app, app.socketio)
            handler = type(
                "_Handler", (_StockHandler if self.setup.stock else _TunedHandler,), {"server_log": self.log}
            )
            self._wsgi = _TrackingServer(listening, app.app, handler, self._threads, self.log)
        except BaseException:
            self._stopping.set()  # what `register` began before it raised ends too
            self._threads.join(clock.now_ns() + clock.NS_PER_S)
            listening.close()
            raise
        self.port = self._wsgi.port
        self._accepting = threading.Thread(target=self._accept, name="labkit-server", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        assert self._wsgi is not None
        while not self._stopping.is_set():
            self._wsgi.handle_request()

    def _sleep(self, seconds: float = 0) -> None:
        # Also behind socketio.sleep(): a loop that a strategy leaves behind ends here instead of spinning.
        if self._stopping.wait(seconds):
            raise SystemExit

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving and end every thread and socket of this server; twice does no harm.

        Args:
            timeout_s: how long to wait for threads that are still at work (a handler cannot be interrupted). Those that
                are left are named in :attr:`log`.
        """
        wsgi, self._wsgi = self._wsgi, None
        if wsgi is None:
            return
        deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
        try:
            self._run_closers()
        finally:
            self._stopping.set()
            _knock(self.setup.host, self.port)
            self._accepting.join()
            eio = self.socketio.server.eio
            for connection in list(eio.sockets.values()):
                # Never eio.disconnect(): it waits for the queue, for ever if the client does not read.
                connection.close(wait=False)
            self._threads.join_named("writer", clock.now_ns() + 20 * clock.NS_PER_MS)  # time for a goodbye
            wsgi.hang_up()
            if eio.service_task_handle is not None and self._service_task_began(deadline_ns):
                self.socketio.server.shutdown()
            for name in self._threads.join(deadline_ns):
                self.log.append(f"still at work {timeout_s:g} s after the stop: {name}")
            wsgi.server_close()

    def _service_task_began(self, deadline_ns: int) -> bool:
        """Wait until engine.io's service task has made its own event, without which it cannot be ended."""
        eio = self.socketio.server.eio
        while getattr(eio, "service_task_event", None) is None:
            if clock.now_ns() > deadline_ns:
                self.log.append("engine.io's service task had not begun when the server stopped")
                return False
            clock.sleep(0.001)
        return True

    def _run_closers(self) -> None:
        assert self._app is not None
        for close in (self._close_extension, self._app.close):
            try:
                if close is not None:
                    close()
            except Exception as error:  # noqa: BLE001 (a strategy's own; the server must stop all the same)
                self.log.append(f"{self.setup.strategy.name}'s close failed: {type(error).__name__}: {error}")

    @property
    def errors(self) -> list[str]:
        """Tracebacks of handlers that raised, in the order in which they did."""
        return [] if self.hooks is None else self.hooks.errors


class _InProcessApp(ThreadingHost):
    """The app of a server that can be stopped: its threads are known, and what sleeps in it wakes at the stop."""

    def __init__(self, setup: Setup, log: list[str], threads: "_Threads", sleep: Callable[[float], None]) -> None:
        self._threads = threads
        self._sleep = sleep
        super().__init__(setup, log)

    def prepare(self) -> dict[str, Any]:
        """Let engine.io take our threads and our sleep."""
        eio = self.socketio.server.eio
        make = self._threads.make
        # The driver's table is shared by all servers of the process, so this one gets a copy.
        eio._async = {
            **eio._async,
            "thread": make,
            "websocket": lambda handler, server: SimpleWebSocketWSGI(handler, server, thread_class=make),
        }
        eio.sleep = self._sleep
        return {"thread_class": make}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `PortInUse` or `ServerError` where that cannot be."""
    # Werkzeug would print and exit the process where the port is taken.
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} on {host} is in use: stop what listens there, or leave port=0") from error
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def _knock(host: str, port: int) -> None:
    """Wake the thread that waits for a connection, so that it sees that it should stop."""
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()


class _Threads:
    """Makes the threads of one server, and can wait for all of them."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.started: set[threading.Thread] = set()

    def make(self, *args: Any, **kwargs: Any) -> threading.Thread:
        """A daemon thread, as engine.io's own, that puts its traceback into the log instead of on stderr."""
        return _Thread(self, *args, **kwargs)

    def join_named(self, part: str, deadline_ns: int) -> None:
        for thread in list(self.started):
            if part in thread.name:
                _join(thread, deadline_ns)

    def join(self, deadline_ns: int) -> list[str]:
        """Wait for all; the names of those that are still at work at the deadline."""
        while others := self.started - {threading.current_thread()}:
            if clock.now_ns() >= deadline_ns:
                return [thread.name for thread in others]
            for thread in others:
                _join(thread, deadline_ns)
        return []


def _join(thread: threading.Thread, deadline_ns: int) -> None:
    if thread is threading.current_thread():
        return
    try:
        thread.join(max(0.0, (deadline_ns - clock.now_ns()) / clock.NS_PER_S))
    except RuntimeError:
        clock.sleep(0.001)  # listed, and about to be started


class _Thread(threading.Thread):
    def __init__(self, ledger: _Threads, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "daemon": True})
        self._ledger = ledger

    def start(self) -> None:
        self._ledger.started.add(self)
        super().start()

    def run(self) -> None:
        try:
            with contextlib.suppress(SystemExit):  # of _sleep
                super().run()
        except Exception as error:  # noqa: BLE001 (a thread ends by it either way)
            self._ledger.log.append(f"{self.name}: {type(error).__name__}: {error}")
        finally:
            self._ledger.started.discard(self)


class _StockHandler(WSGIRequestHandler):
    """Werkzeug's own, but it keeps errors instead of printing them."""

    server_log: list[str]

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (Werkzeug's)
        if type != "info":
            self.server_log.append(message % args if args else message)


class _TunedHandler(_StockHandler):
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        super().handle_one_request()
        headers = getattr(self, "headers", None)
        if headers is not None and headers.get("Upgrade", "").lower() == "websocket":
            self.close_connection = True


class _TrackingServer(ThreadedWSGIServer):
    """Knows its connections and their threads."""

    def __init__(self, listening: socket.socket, app: Flask, handler: type, ledger: _Threads, log: list[str]) -> None:
        self._ledger = ledger
        self._log = log
        self._open: set[socket.socket] = set()
        host, port = listening.getsockname()[:2]
        super().__init__(host, port, app, handler, fd=listening.fileno())  # which it duplicates
        listening.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self._ledger.make(target=self.process_request_thread, args=(request, client_address)).start()

    def shutdown_request(self, request: Any) -> None:
        # simple-websocket's thread may wait in a read of this socket: closing alone would not wake it.
        _shut(request)
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        import traceback

        self._log.append(traceback.format_exc())

    def hang_up(self) -> None:
        """Break what is still connected, so that no thread waits in a read or a write."""
        for request in list(self._open):
            _shut(request)


def _shut(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
