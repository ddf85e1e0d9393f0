"""What is served, and the face that every server shows, whether it is a thread of this process or a child's."""

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

from labkit import interrupts
from labkit.errors import ServerError
from labkit.stamps import Stamps
from labkit.strategies import Strategy

#: The event that a bystander sends: the server does nothing but acknowledge it.
PING_EVENT = "bystander"


@dataclass(frozen=True)
class Held:
    """What is held still in the server's process while a run lasts.

    Attributes:
        switch_interval_s: of ``sys.setswitchinterval``, as it is now.
        full_collections: asks how many full garbage collections there were since.
    """

    switch_interval_s: float
    full_collections: Callable[[], int]


class Served(Protocol):
    """A running server, as a measurement sees it."""

    @property
    def url(self) -> str: ...

    @property
    def serving_pid(self) -> int: ...

    @property
    def settings(self) -> dict[str, str]: ...

    @property
    def log(self) -> list[str]: ...

    @property
    def errors(self) -> list[str]: ...

    def record(self, events: int) -> None: ...

    def collect(self) -> Stamps: ...

    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> AbstractContextManager[Held]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


class Host(Protocol):
    """A server of a mode, made by ``maker(setup, log)`` in the process that serves, and not yet listening.

    Attributes:
        instrument: the hooks that stamp events; None where there are none.
        close: what the strategy returned.
    """

    instrument: Any
    close: Callable[[], object] | None

    def serve(self, ready: Callable[[int], object]) -> None:
        """Listen, say on which port, serve until stopped."""

    def stop(self) -> None:
        """From another thread: end :meth:`serve`. Absent where an arbiter ends the process."""


@dataclass(frozen=True)
class Setup:
    """What a server is made of.

    Attributes:
        mode: one of :data:`labkit.modes.MODES`.
        strategy: how events are handled.
        calculation: what the strategy calls with an event's data.
        options: arguments of ``SocketIO(...)`` or ``AsyncServer(...)``, the strategy's among them.
        stock: leave the server's defaults untouched.
        instrumented: place the hooks that stamp events.
        host, port: where to listen.
        maker: what makes the server, in the process that serves; as :attr:`labkit.modes.Mode.maker`.
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

    logger = logging.Logger("labkit.server", logging.WARNING)
    logger.addHandler(_Handler())
    return logger


@contextmanager
def held_still(switch_interval_s: float | None, freeze_gc: bool) -> Iterator[Held]:
    """Hold still what is known to change results in this process, and put it back."""
    before_s = sys.getswitchinterval()
    if switch_interval_s is not None:
        sys.setswitchinterval(switch_interval_s)
    if freeze_gc:
        with interrupts.kept():
            gc.collect()
        gc.freeze()
    collections = gc.get_stats()[-1]["collections"]
    try:
        yield Held(sys.getswitchinterval(), lambda: gc.get_stats()[-1]["collections"] - collections)
    finally:
        if freeze_gc:
            gc.unfreeze()
        sys.setswitchinterval(before_s)
