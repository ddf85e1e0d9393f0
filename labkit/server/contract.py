"""What is served, and the face that every server shows, whether it is a thread of this process or a child's."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from labkit.base.errors import ServerError
from labkit.server.stamps import Stamps
from labkit.server.steady import Held
from labkit.strategies import Strategy

#: The event that a bystander sends: the server does nothing but acknowledge it.
PING_EVENT = "bystander"


class Served(Protocol):
    """A server as a measurement sees it, whether it is a thread of this process or a child's."""

    @property
    def url(self) -> str: ...

    @property
    def is_running(self) -> bool: ...

    @property
    def serving_pid(self) -> int: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def tuned(self) -> Mapping[str, str]: ...

    @property
    def stock(self) -> bool: ...

    @property
    def instrumented(self) -> bool: ...

    @property
    def log(self) -> list[str]: ...

    @property
    def errors(self) -> list[str]: ...

    def record(self, events: int) -> None: ...

    def collect(self) -> Stamps: ...

    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> AbstractContextManager[Held]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class App(Protocol):
    """What a mode serves, made by ``maker(setup, log)`` in the process that serves.

    Attributes:
        hooks: that stamp events; None where there are none.
        close: what the strategy returned.
    """

    hooks: Any
    close: Callable[[], object] | None


class Host(App, Protocol):
    """An app that serves itself. Where an arbiter serves the app, an :class:`App` is all that is asked for."""

    def serve(self, ready: Callable[[int], object]) -> None:
        """Listen, say on which port, serve until stopped."""

    def stop(self) -> None:
        """From another thread: end :meth:`serve`."""


@dataclass(frozen=True)
class Setup:
    """What a server is made of.

    Attributes:
        mode: one of :data:`labkit.plan.modes.MODES`.
        strategy: how events are handled.
        calculation: what the strategy calls with an event's data.
        options: arguments of ``SocketIO(...)`` or ``AsyncServer(...)``, the strategy's among them.
        stock: leave the server's defaults untouched.
        instrumented: place the hooks that stamp events.
        host, port: where to listen.
        maker: what makes the server, in the process that serves; as :attr:`labkit.plan.modes.Mode.maker`.
    """

    mode: str
    strategy: Strategy
    calculation: Callable[[Any], Any]
    options: Mapping[str, Any]
    stock: bool = False
    instrumented: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    maker: str | Callable[..., object] = ""

    def register(self, socketio: Any) -> Callable[[], object] | None:
        """Register the strategy; its close function, where it has one."""
        try:
            return self.strategy.register(socketio, self.calculation, **self.strategy.parameters)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ServerError(f"{self.strategy.name} could not be registered ({reason}): mend its register") from error


def refused_options(error: Exception) -> ServerError:
    """The error where the library does not take the options."""
    return ServerError(f"SocketIO(...) does not take these options ({error}): change them")


def acknowledge(*_: object) -> None:
    """Return nothing: Socket.IO sends the acknowledgement."""


def list_logger(log: list[str]) -> logging.Logger:
    """A logger of its own, so that nothing reaches the notebook's stderr."""

    class _Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(self.format(record))

    logger = logging.Logger("labkit.server.in_process", logging.WARNING)
    logger.addHandler(_Handler())
    return logger
