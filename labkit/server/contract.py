"""What every server shows to a measurement, and what a mode has to provide so that it can be served.

A measurement talks to a :class:`Served`: a server on a thread of this process, or one in a child process. A mode makes
an :class:`App` in the process that serves. An app that also listens by itself is a :class:`Host`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from labkit.base import warden
from labkit.server.kept import Kept
from labkit.server.setup import Setup
from labkit.server.stamps import Stamps
from labkit.server.steady import Held

#: The event that a bystander sends: the server does nothing but acknowledge it.
PING_EVENT = "bystander"


class Served(ABC):
    """A server, wherever it runs: ``with server: server.url``.

    Attributes:
        setup: what it is made of.
        port: where it listens, since it was started.
        log: what the server complained of, a line each.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.port = setup.port
        self.log: list[str] = Kept()
        self._watch: warden.Watch | None = None

    def _begin_watch(self) -> None:
        """What is served leaves no process behind, however this one ends. In a notebook only where it may start one."""
        if self._watch is None and (self.setup.may_start_processes or warden.is_kept()):
            self._watch = warden.Watch()

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end()

    @property
    def url(self) -> str:
        """Where clients connect: ``http://127.0.0.1:PORT``."""
        return f"http://{self.setup.host}:{self.port}"

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``SocketIO(...)`` or ``AsyncServer(...)`` is given."""
        return self.setup.options

    @property
    def stock(self) -> bool:
        """Whether the server's defaults are left as they are."""
        return self.setup.stock

    @property
    def instrumented(self) -> bool:
        """Whether hooks stamp events."""
        return self.setup.instrumented

    @property
    @abstractmethod
    def tuned(self) -> Mapping[str, str]:
        """What differs from a stock server, for people to read."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether it can be connected to."""

    @property
    @abstractmethod
    def serving_pid(self) -> int:
        """The process that serves."""

    @property
    @abstractmethod
    def errors(self) -> list[str]:
        """Tracebacks of handlers that raised, in the order in which they did."""

    def handlers(self) -> Mapping[str, tuple[str, ...]] | None:
        """Of each namespace the events that have a handler; None where that cannot be told."""
        return None

    @abstractmethod
    def record(self, events: int) -> None:
        """From now on stamp this many events."""

    @abstractmethod
    def collect(self) -> Stamps:
        """Stop stamping; the stamps since :meth:`record`, all of them missing where there are no hooks."""

    @abstractmethod
    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> AbstractContextManager[Held]:
        """Hold still what is known to change results, in the process that serves."""

    @abstractmethod
    def start(self) -> None:
        """Make the app, listen, serve."""

    @abstractmethod
    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving; twice does no harm."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


class App(Protocol):
    """What a mode serves, made by ``maker(setup, log)`` in the process that serves.

    Attributes:
        hooks: what stamps events; None where nothing does.
        close: what the strategy returned.
    """

    hooks: Any
    close: Callable[[], object] | None


class Host(App, Protocol):
    """An app that listens by itself. Where an arbiter listens for it, as gunicorn does, an :class:`App` is enough."""

    def serve(self, ready: Callable[[int], object]) -> None:
        """Listen, tell `ready` the port, serve until stopped."""

    def stop(self) -> None:
        """From another thread: end :meth:`serve`."""
