"""A server in a process of its own, for the modes that cannot share one: gunicorn, gevent, ASGI.

Stamps are taken in the child, on the clock that all processes share, and come back when the run is over. The child ends
when its standard input closes, so it never outlives its parent.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from labkit.base import clock, processes
from labkit.base.errors import LabError, NotPicklable, ServerError
from labkit.base.ports import listen
from labkit.base.processes import OrderedProcess
from labkit.plan import modes
from labkit.server.by_order import ServedByOrder
from labkit.server.setup import Setup
from labkit.strategies import Strategy

#: How long an app may take to start, and how long any other order may take but the one to stop.
START_S, ORDER_S = 30.0, 30.0


class ChildServer(ServedByOrder):
    """A strategy behind a real server in a child process: ``with ChildServer("asgi", strategy, work) as server``.

    Args:
        mode: one of :data:`labkit.plan.modes.MODES` but ``threading``.
        strategy, complex_calculation, stock, options, instrumented, host, port: as
            :class:`~labkit.server.in_process.Server`.

    Raises:
        NotPicklable: strategy or work cannot be sent to another process.
        MissingExtra: a package that the mode needs is absent.
        PortInUse: something listens there.
        ServerError: the app did not start, or its process ended; with its own words.
    """

    def __init__(
        self,
        mode: str,
        strategy: Strategy,
        complex_calculation: Callable[[Any], Any],
        *,
        stock: bool = False,
        options: Mapping[str, Any] | None = None,
        instrumented: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.mode = modes.MODES[mode]
        given = {**strategy.options, **(options or {})}
        super().__init__(
            Setup(mode, strategy, complex_calculation, given, stock, instrumented, host, port, self.mode.maker)
        )
        self._process: _ServerProcess | None = None
        self._serving_pid = 0

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.pid is not None

    @property
    def serving_pid(self) -> int:
        """The process that serves: the child, or gunicorn's worker below it."""
        return self._serving_pid

    @property
    def tuned(self) -> Mapping[str, str]:
        """What differs from a stock server, for people to read."""
        return {} if self.stock else self.mode.tuned

    def start(self) -> None:
        """Start the process, hand over what it serves, wait until it listens."""
        if self.is_running:
            raise ServerError("this server runs already: stop it first, or make another")
        self._kill()  # what is left of one that died
        self.mode.require()
        what = pickled(self.setup)
        if self.setup.port:
            listen(self.setup.host, self.setup.port).close()  # raises the sentence that fits where it cannot
        self._process = _ServerProcess(self.mode, self.setup.host, self.setup.port)
        self._begin_watch()
        try:
            self.port, self._serving_pid = self._order("setup", list(sys.path), what, limit_s=START_S)
        except BaseException:
            self._kill()
            raise

    def _order(self, name: str, *args: Any, limit_s: float = ORDER_S) -> Any:
        """Give an order and wait for its answer; a process that takes longer is killed."""
        process = self._process
        if process is None:
            raise ServerError("this server does not run: start it")
        try:
            with process.time_limit(limit_s):
                return process.order(name, *args)
        finally:
            if process.pid is None:
                self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        self._end_watch()

    def kill(self) -> None:
        """End its processes as ``kill -9`` does; :meth:`start` serves again, at the same port if one was asked for."""
        self._kill()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Let the app close and the process end; nothing that it started stays. Twice does no harm.

        Args:
            timeout_s: after this, the process is killed.
        """
        process, self._process = self._process, None
        if process is None:
            return
        below = [] if process.pid is None else processes.descendants(process.pid)
        try:
            if process.pid is not None:
                with process.time_limit(timeout_s):
                    self.log = process.order("stop")
                    while process.pid is not None:
                        clock.sleep(0.001)
        except ServerError:
            self.log.append(f"killed: it had not stopped after {timeout_s:g} s")
        finally:
            process.kill()
            processes.kill_all(below)
            self._end_watch()


class _ServerProcess(OrderedProcess):
    """The process of one start: its end is an error, and it is not started anew, as others are, by the next order.

    Another process would listen elsewhere, and know nothing of what this one has recorded.
    """

    def __init__(self, mode: modes.Mode, host: str, port: int) -> None:
        self._mode = mode.name
        self._launched = False
        serve = f"from labkit.server.child_worker import main; main({mode.arbiter!r}, {host!r}, {port!r})"
        # Marked: where the child is killed, what it started is found by that.
        super().__init__(f"{mode.first}\n{serve}", own_group=True, marked=True)

    def launch(self) -> None:
        """Start the process, the first time."""
        if not self._launched:
            self._launched = True
            super().launch()

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return ServerError(f"the {self._mode} server ended ({last_words}): see what its app does")


def pickled(setup: Setup) -> bytes:
    """What a server is made of, for another process.

    Raises:
        NotPicklable: strategy or work cannot be sent there.
    """
    import cloudpickle

    try:
        found: bytes = cloudpickle.dumps(setup)
    except Exception as error:
        raise NotPicklable(
            f"mode {setup.mode} runs in another process, and {setup.strategy.name} or its work cannot be sent there "
            f"({error}): open files, locks and connections inside the functions, not outside of them"
        ) from error
    return found
