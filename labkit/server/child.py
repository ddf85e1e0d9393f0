"""A server in a process of its own, for the modes that cannot share one: gunicorn, gevent, ASGI.

It shows the same face as :class:`~labkit.server.in_process.Server`. Stamps are taken in the child on the clock that all processes
share, and come back when the run is over. The process ends when its standard input closes, so also with its parent.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from labkit.base import processes
from labkit.base.errors import LabError, NotPicklable, ServerError
from labkit.base.processes import OrderedProcess
from labkit.plan import modes
from labkit.server.contract import Setup
from labkit.server.in_process import listen
from labkit.server.stamps import Stamps
from labkit.server.steady import Held
from labkit.strategies import Strategy

#: How long an app may take to start, and an order other than to start or stop.
START_S, ORDER_S = 30.0, 30.0


class ChildServer(OrderedProcess):
    """A strategy behind a real server in a child process: ``with ChildServer("asgi", strategy, work) as server``.

    Args:
        mode: one of :data:`labkit.plan.modes.MODES` but ``threading``.
        strategy, complex_calculation, stock, options, instrumented, host, port: as :class:`~labkit.server.in_process.Server`.

    Raises:
        NotPicklable: strategy or work cannot be sent to another process.
        MissingExtra: a package that the mode needs is absent.
        PortInUse: something listens there.
        ServerError: the app did not start; with its own words.
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
        self.setup = Setup(
            mode,
            strategy,
            complex_calculation,
            {**strategy.options, **(options or {})},
            stock,
            instrumented,
            host,
            port,
            self.mode.maker,
        )
        self.port = port
        self.log: list[str] = []
        self.errors: list[str] = []
        self._serving_pid = 0
        self._events = 0
        serve = f"from labkit.server.child_worker import main; main({self.mode.arbiter!r}, {host!r}, {port!r})"
        super().__init__(f"{self.mode.first}\n{serve}", own_group=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{self.setup.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.pid is not None

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``SocketIO(...)`` or ``AsyncServer(...)`` is given."""
        return self.setup.options

    @property
    def tuned(self) -> Mapping[str, str]:
        """What differs from a stock server, for people to read."""
        return {} if self.setup.stock else self.mode.tuned

    @property
    def stock(self) -> bool:
        """Whether the server's defaults are left as they are."""
        return self.setup.stock

    @property
    def instrumented(self) -> bool:
        """Whether hooks stamp events."""
        return self.setup.instrumented

    @property
    def serving_pid(self) -> int:
        """The process that serves: the child, or gunicorn's worker below it."""
        return self._serving_pid

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return ServerError(f"the {self.setup.mode} server ended ({last_words}): see what its app does")

    def start(self) -> None:
        """Start the process, hand over what it serves, wait until it listens."""
        if self.pid is not None:
            raise ServerError("this server runs already: stop it first, or make another")
        self.mode.require()
        pickled = _pickled(self.setup)
        if self.setup.port:
            listen(self.setup.host, self.setup.port).close()  # raises the sentence that fits where it cannot
        self.launch()
        try:
            with self.time_limit(START_S):
                self.port, self._serving_pid = self._ask("setup", list(sys.path), pickled)
        except BaseException:
            self.kill()
            raise

    def _ask(self, name: str, *args: Any) -> Any:
        super().send(name, *args)
        return self.receive()

    def send(self, name: str, *args: Any) -> None:
        """Give an order without waiting; to a server that runs."""
        if self.pid is None:
            raise self._ended() if self._process is not None else ServerError("this server does not run: start it")
        super().send(name, *args)

    def order(self, name: str, *args: Any) -> Any:
        """Give an order and wait for its answer."""
        with self.time_limit(ORDER_S):
            return super().order(name, *args)

    def record(self, events: int) -> None:
        """From now on stamp so many events."""
        self._events = events
        self.order("record", events)

    def collect(self) -> Stamps:
        """Stamp no more; the stamps since :meth:`record`."""
        columns, self.errors, self.log = self.order("collect")
        stamps = Stamps(self._events)
        for name, column in columns.items():
            setattr(stamps, name, column)
        return stamps

    @contextmanager
    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> Iterator[Held]:
        """Hold still what is known to change results, in the process that serves."""
        now_s = self.order("hold", switch_interval_s, freeze_gc)
        try:
            yield Held(now_s, lambda: int(self.order("full_collections")))
        finally:
            if self.pid is not None:
                self.order("release")

    def stop(self, timeout_s: float = 5.0) -> None:
        """Let the app close and the process end; after `timeout_s` it is killed. Nothing that it started stays."""
        if self.pid is None:
            self.kill()
            return
        below = processes.descendants(self.pid)
        try:
            with self.time_limit(timeout_s):
                self.log = self._ask("stop")
                assert self._process is not None
                self._process.wait()
        except ServerError:
            self.log.append(f"killed: it had not stopped after {timeout_s:g} s")
        finally:
            self.kill()
            processes.kill_all(below)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _pickled(setup: Setup) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(setup)
    except Exception as error:
        raise NotPicklable(
            f"mode {setup.mode} runs in another process, and {setup.strategy.name} or its work cannot be sent there "
            f"({error}): open files, locks and connections inside the functions, not outside of them"
        ) from error
    return pickled
