"""A strategy and a work behind a real server, from one call: what :func:`labkit.serve` starts and hands back."""

import weakref
from collections.abc import Mapping
from html import escape
from typing import Any, Self

from labkit.base.errors import ServerError, UsageError
from labkit.base.patched import patched_by
from labkit.plan import modes
from labkit.plan.work import Calculation, Work, require_picklable
from labkit.scale import redis_server
from labkit.scale.backing import Backing
from labkit.server.child import ChildServer
from labkit.server.contract import Served
from labkit.server.in_process import Server
from labkit.strategies import Register, Strategy
from labkit.strategies import strategy as strategy_of


class Serving:
    """A server that runs, with what it serves: ``with lab.serve("inline", lab.cpu(ms=100)) as server: server.url``.

    It ends with :meth:`stop`, with its ``with`` block, when nobody refers to it any more, and with the process.

    Attributes:
        strategy: how events are handled.
        work: what an event costs.
        mode: one of :data:`labkit.plan.modes.MODES`.
        server: the server itself: its log, its stamps, the errors of its handlers.
    """

    def __init__(
        self, strategy: Strategy, work: Work, mode: str, server: Served, backing: Backing | None = None
    ) -> None:
        self.strategy = strategy
        self.work = work
        self.mode = mode
        self.server = server
        self._backing = backing
        # Without this, a cell that is run again would leave its first server running for ever.
        weakref.finalize(self, _stop, server, backing)

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self.server.is_running

    @property
    def url(self) -> str:
        """Where clients connect, such as ``http://127.0.0.1:40123``."""
        return self.server.url

    def start(self) -> Self:
        """Serve, also again after :meth:`stop`; at another port, unless one was chosen.

        Raises:
            PortInUse: something listens there.
            ServerError: it runs already, or it did not start.
        """
        if self.is_running:
            raise ServerError(f"this server runs already, at {self.url}: fire at it, or stop it first")
        try:
            if self._backing is not None:
                self._backing.start()
            self.server.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop serving; every thread, process, socket and port of it ends. Twice does no harm."""
        _stop(self.server, self._backing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{self._text()}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._text())}</p>"

    def _text(self) -> str:
        where = f"at {self.url}" if self.is_running else "stopped"
        return f"Server {where}: {self.strategy.name} serves {self.work.name}; {modes.MODES[self.mode].served_by}"


def _stop(server: Served, backing: Backing | None) -> None:
    try:
        server.stop()
    finally:
        if backing is not None:
            backing.stop()


def serve(
    strategy: str | Register | Strategy,
    work: Work,
    *,
    mode: str = "threading",
    options: Mapping[str, Any] | None = None,
    stock: bool = False,
    instrumented: bool = True,
    ping_interval_s: float | None = None,
    ping_timeout_s: float | None = None,
    port: int = 0,
) -> Serving:
    """Start a real Flask-SocketIO server that handles events by a strategy.

    It runs on a thread of this process, or in a child process where the mode needs one. It goes on until it is stopped.

    Args:
        strategy: a name (:func:`labkit.strategies.names_in` lists them), a `strategy(...)`, or a `register` function.
        work: what an event costs.
        mode: how it runs: one of :data:`labkit.plan.modes.MODES`; all but ``threading`` run in a child process.
        options: further arguments of ``SocketIO(...)``.
        stock: leave the server's defaults as they are.
        instrumented: stamp the server's stages.
        ping_interval_s, ping_timeout_s: of the heartbeat, in seconds; the library's own where None.
        port: of the loopback address 127.0.0.1; 0 for one that is free.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        MissingExtra: a package that the mode needs is absent, or a Redis that the strategy needs.
        RedisError: that Redis does not answer, or does not start.
        PortInUse: something listens there.
        ServerError: it did not start.
    """
    chosen = require_possible(strategy, work, mode)
    beats = {"ping_interval": ping_interval_s, "ping_timeout": ping_timeout_s}
    settings: dict[str, Any] = {
        "stock": stock,
        "options": {**(options or {}), **{name: value for name, value in beats.items() if value is not None}},
        "instrumented": instrumented,
        "port": port,
    }
    calculation = Calculation(work.function)
    backing = None if chosen.work is None else Backing(chosen, calculation)
    served = chosen if backing is None else backing.start()
    try:
        server: Served
        if modes.MODES[mode].is_in_process and work.place is not None:
            server = work.place.server(served, calculation, **settings)
        elif modes.MODES[mode].is_in_process:
            server = Server(served, calculation, **settings)
        else:
            server = ChildServer(mode, served, calculation, **settings)
    except BaseException:
        if backing is not None:
            backing.stop()
        raise
    return Serving(chosen, work, mode, server, backing).start()


def require_possible(
    strategy: str | Register | Strategy, work: Work, mode: str = "threading", *, own_redis: bool = False
) -> Strategy:
    """The strategy, where it can run in this mode with this work. Nothing is started.

    Args:
        strategy, work, mode: as of :func:`serve`.
        own_redis: a Redis that a strategy needs will be one of the lab's own, whichever is named.

    Raises:
        UsageError: it cannot, and the sentence says why.
        MissingExtra: a package that the mode needs is absent, or a Redis that the strategy needs.
        RedisError: the Redis that is named does not answer.
    """
    if not isinstance(work, Work):
        raise UsageError(f"the work must be a lab.cpu(ms=...), a lab.call(function) or the like, not {work!r}")
    chosen = strategy_of(strategy)
    chosen.require_mode(mode)
    modes.MODES[mode].require()
    if work.place is None and modes.MODES[mode].is_in_process and (by := patched_by()):
        raise UsageError(
            f"{by} has patched this process, so its threads are none, and mode {mode} would measure something else: "
            f"give {'mode=' + repr(by) if by in modes.MODES else 'another process'}, or start one in which nothing is "
            "patched"
        )
    if work.ms is not None:
        require_visible(chosen, work, work.ms)
    if chosen.work is not None:
        (redis_server.require_program if own_redis else redis_server.require_named)()
    if chosen.needs_pickle or not modes.MODES[mode].is_in_process:
        require_picklable(work)
    return chosen


def require_visible(strategy: Strategy, work: Work, service_ms: float) -> None:
    """Raise `UsageError` where the broker would give a task to a second worker while the first is still at it.

    Args:
        strategy: one whose parameter `visibility_timeout_s` says after how long; any other will do.
        work: what an event costs.
        service_ms: how long it takes.
    """
    timeout_s = strategy.settled.get("visibility_timeout_s")
    if timeout_s is not None and service_ms >= 1000 * timeout_s:
        took = f"{work.name}, which takes {service_ms:.0f} ms"
        raise UsageError(
            f"visibility_timeout_s={timeout_s:g} is shorter than a task of {took}, so the broker would give it "
            "to a second worker while the first is at it, and to a third: make it longer than the longest task"
        )
