"""What a server is made of; it travels to the process that serves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import ServerError
from labkit.strategies import Strategy


@dataclass(frozen=True)
class Setup:
    """What a server is made of.

    Attributes:
        mode: one of :data:`labkit.plan.modes.MODES`.
        strategy: how events are handled.
        calculation: what the strategy calls with an event's data.
        options: arguments of ``SocketIO(...)`` or ``AsyncServer(...)``, the strategy's among them.
        stock: leave the server's defaults as they are.
        instrumented: place the hooks that stamp events.
        host, port: where to listen; port 0 for one that is free.
        names: by which the server may be asked for besides its address and loopback's; ``*`` for any.
        maker: what makes the app, as :attr:`labkit.plan.modes.Mode.maker`; empty where the server is a thread.
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
    names: tuple[str, ...] = ()

    @property
    def may_start_processes(self) -> bool:
        """Whether what is served may start processes: a strategy that needs them, or one that is not the lab's own."""
        is_own = self.strategy.register.__module__.startswith("labkit.strategies.")
        return self.strategy.needs_pickle or not is_own

    def register(self, socketio: Any) -> Callable[[], object] | None:
        """Register the strategy; its close function, where it has one.

        Raises:
            ServerError: its `register` raised.
        """
        register = self.strategy.register
        try:
            return register(socketio, self.calculation, **self.strategy.parameters_of(register))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ServerError(f"{self.strategy.name} could not be registered ({reason}): mend its register") from error
