"""A Flask-SocketIO server on a thread of this process, which can be started and stopped as often as one likes.

``socketio.run()`` gives no handle and no port. ``socketio.stop()`` cannot stop Werkzeug. A plain ``make_server`` leaks
threads and descriptors at every stop: each websocket has four threads, and two of them wait in a read. So the lab knows
every thread and socket that its server starts, and ends them in an order in which none waits for another.

Two settings differ from Werkzeug's defaults; ``stock=True`` leaves both alone:

- Nagle's algorithm is off: with it, small answers wait for the client's delayed acknowledgement (40 ms on Linux).
- A connection ends when its websocket does: Werkzeug goes on reading it as HTTP (and answers 400 to leftover frames).
"""

import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from flask import Flask
from flask_socketio import SocketIO

from labkit.base import clock
from labkit.base.errors import ServerError
from labkit.base.ports import knock, listen
from labkit.base.time_limit import call_within
from labkit.server import event_handlers, message_queue
from labkit.server.contract import Served
from labkit.server.hooks import Hooks
from labkit.server.hosts.flask_threading import ThreadingHost
from labkit.server.setup import Setup
from labkit.server.stamps import Stamps
from labkit.server.steady import Held, held_still
from labkit.server.threads import Threads
from labkit.server.werkzeug_server import TUNED, TrackingServer
from labkit.strategies import Strategy

#: How long who listens to a message queue may take to hear that the server stops, before it is told again.
_WAKE_NS = 100 * clock.NS_PER_MS


class Extension(Protocol):
    """Something to serve beside a strategy: routes, further events."""

    def extend(self, app: Flask, socketio: SocketIO) -> Callable[[], object] | None:
        """Register it; may return a function that ends what it began, called when the server stops."""


class InProcessApp(Protocol):
    """What is served on threads of this process.

    Attributes:
        app: the WSGI application.
        socketio: what has the ``socketio.Server`` in its attribute `server`.
        hooks: what stamps events; None where nothing does.
        close: called first when the server stops; None where nothing is.
    """

    app: Any
    socketio: Any
    hooks: Hooks | None
    close: Callable[[], object] | None


class Server(Served):
    """A strategy behind a real Flask-SocketIO server: ``with Server(strategy, work) as server: server.url``.

    Args:
        strategy: how events are handled.
        complex_calculation: what the strategy calls with an event's data.
        stock: leave every default of Werkzeug as it is.
        options: further arguments of ``SocketIO(...)``; they win over the strategy's.
        instrumented: place the hooks that stamp events.
        extension: served beside the strategy, such as the lab's page.
        host: loopback; anything else is up to the caller.
        port: 0 for one that is free.
        names: by which a browser may ask for it besides loopback's, such as a proxy's; ``*`` for any.

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
        names: Sequence[str] = (),
    ) -> None:
        given = {**strategy.options, **(options or {})}
        super().__init__(
            Setup(
                "threading", strategy, complex_calculation, given, stock, instrumented, host, port, names=tuple(names)
            )
        )
        self.extension = extension
        self._stamps = Stamps(0)
        self._app: InProcessApp | None = None
        self._wsgi: TrackingServer | None = None

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self._wsgi is not None

    @property
    def serving_pid(self) -> int:
        """The process that serves: this one."""
        return os.getpid()

    @property
    def tuned(self) -> dict[str, str]:
        """What differs from a stock server, for people to read."""
        return {} if self.stock else dict(TUNED)

    @property
    def hooks(self) -> Hooks | None:
        """What stamps events; None before the start, and where nothing does."""
        return None if self._app is None else self._app.hooks

    @property
    def socketio(self) -> SocketIO:
        """Of the app that is or was served."""
        assert self._app is not None
        socketio: SocketIO = self._app.socketio
        return socketio

    @property
    def errors(self) -> list[str]:
        """Tracebacks of handlers that raised, in the order in which they did."""
        return [] if self.hooks is None else self.hooks.errors

    def handlers(self) -> Mapping[str, tuple[str, ...]] | None:
        """Of each namespace the events that have a handler."""
        return event_handlers.of_app(self._app)

    def record(self, events: int) -> None:
        """From now on stamp this many events."""
        self._stamps = Stamps(events)
        if self.hooks is not None:
            self.hooks.record(self._stamps)

    def collect(self) -> Stamps:
        """Stop stamping; the stamps since :meth:`record`, all of them missing where there are no hooks."""
        if self.hooks is not None:
            self._stamps.settle()
            self.hooks.stamps = None
        return self._stamps

    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> AbstractContextManager[Held]:
        """Hold still what is known to change results, in this process."""
        return held_still(switch_interval_s, freeze_gc)

    def start(self) -> None:
        """Listen, register the strategy, serve."""
        if self._wsgi is not None:
            raise ServerError("this server runs already: stop it first, or make another")
        listening = listen(self.setup.host, self.setup.port)
        self._threads = self._make_threads()
        self._stopping = threading.Event()
        self._close_extension: Callable[[], object] | None = None
        self._begin_watch()
        try:
            # All of it new at each start: engine.io's service task never starts a second time.
            app = self._app = self._make_app()
            if self.extension is not None:
                self._close_extension = self.extension.extend(app.app, app.socketio)
            eio = app.socketio.server.eio
            # Twice what engine.io gives a client that is silent: this never ends one that engine.io would keep.
            silent_s = 2.0 * (eio.ping_interval + eio.ping_timeout)
            self._wsgi = TrackingServer(listening, app.app, self._threads, self.log, self.stock, silent_s)
        except BaseException as error:
            told: BaseException | None = error if isinstance(error, KeyboardInterrupt) else None
            while told is not None:
                # What `register` had made is still held by its frames: of a pool they keep the processes.
                traceback.clear_frames(told.__traceback__)
                told = told.__context__
            self._stopping.set()  # what `register` began before it raised ends too
            self._threads.join_all(clock.now_ns() + clock.NS_PER_S)
            listening.close()
            self._end_watch()
            raise
        self.port = self._wsgi.port
        self._accepting = threading.Thread(target=self._accept, args=(self._wsgi,), name="labkit-server", daemon=True)
        self._accepting.start()

    def _make_threads(self) -> Threads:
        """What makes the threads of this server, from its start to its stop."""
        return Threads(self.log)

    def _make_app(self) -> "InProcessApp":
        """What is served."""
        return _InProcessApp(self.setup, self.log, self._threads, self._sleep)

    def _accept(self, wsgi: TrackingServer) -> None:
        # Not self._wsgi: that is None from the beginning of the stop, and clients may still come meanwhile.
        while not self._stopping.is_set():
            wsgi.handle_request()

    def _sleep(self, seconds: float = 0) -> None:
        # Also behind socketio.sleep(): a loop that a strategy leaves behind ends here instead of spinning.
        if self._stopping.wait(seconds):
            raise SystemExit

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving and end every thread and socket of this server; twice does no harm.

        Args:
            timeout_s: how long to wait for the strategy's own close, and then for threads that are still at work (a
                handler cannot be interrupted). What is left is named in :attr:`log`.
        """
        wsgi, self._wsgi = self._wsgi, None
        if wsgi is None:
            return
        try:
            self._run_closers(timeout_s)
        finally:
            deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
            self._stopping.set()
            knock(self.setup.host, self.port)
            if self._accepting is not threading.current_thread():  # as where the collector stops a forgotten server
                self._accepting.join()
            eio = self.socketio.server.eio
            for connection in list(eio.sockets.values()):
                # Never eio.disconnect(): it waits for the queue, for ever if the client does not read.
                connection.close(wait=False)
            self._threads.join_named("writer", clock.now_ns() + 20 * clock.NS_PER_MS)  # time for a goodbye
            wsgi.hang_up()
            message_queue.wake(self.socketio.server.manager)
            if eio.service_task_handle is not None and self._service_task_began(deadline_ns):
                self.socketio.server.shutdown()
            # Once more, now and then: one that had only begun to listen has not heard it.
            while self._threads.join_all(min(deadline_ns, clock.now_ns() + _WAKE_NS)) and clock.now_ns() < deadline_ns:
                message_queue.wake(self.socketio.server.manager)
            for name in self._threads.join_all(deadline_ns):
                self.log.append(f"still at work {timeout_s:g} s after the stop: {name}")
            message_queue.hang_up(self.socketio.server.manager)
            wsgi.server_close()
            self._end_watch()

    def _service_task_began(self, deadline_ns: int) -> bool:
        """Wait until engine.io's service task has made its own event, without which it cannot be ended."""
        eio = self.socketio.server.eio
        while getattr(eio, "service_task_event", None) is None:
            if clock.now_ns() > deadline_ns:
                self.log.append("engine.io's service task had not begun when the server stopped")
                return False
            clock.sleep(0.001)
        return True

    def _run_closers(self, timeout_s: float) -> None:
        assert self._app is not None
        for close in (self._close_extension, self._app.close):
            try:
                if close is not None:
                    call_within(timeout_s, "it", close)
            except Exception as error:  # noqa: BLE001 (a strategy's own; the server must stop all the same)
                self.log.append(f"{self.setup.strategy.name}'s close failed: {type(error).__name__}: {error}")


class _InProcessApp(ThreadingHost):
    """The app of a server that can be stopped: its threads are known, and what sleeps in it wakes at the stop."""

    def __init__(self, setup: Setup, log: list[str], threads: Threads, sleep: Callable[[float], None]) -> None:
        self._threads = threads
        self._sleep = sleep
        super().__init__(setup, log)

    def prepare(self) -> dict[str, Any]:
        """Let engine.io take our threads and our sleep."""
        eio = self.socketio.server.eio
        make = self._threads.make
        # The driver's table is shared by all servers of the process, so this one gets a copy.
        eio._async = {**eio._async, "thread": make}
        eio.sleep = self._sleep
        message_queue.end_at_stop(self.socketio.server.manager, self._sleep)
        return {"thread_class": make}
