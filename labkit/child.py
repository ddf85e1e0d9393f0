"""A server in a process of its own, for the modes that cannot share one: gunicorn, gevent, ASGI.

It shows the same face as :class:`~labkit.server.Server`. Stamps are taken in the child on the clock that all processes
share, and come back when the run is over. The process ends when its standard input closes, so also with its parent.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

from labkit import modes, orders, preload
from labkit.errors import LabError, NotPicklable, ServerError
from labkit.orders import OrderedProcess
from labkit.served import Held, Setup
from labkit.server import listen
from labkit.stamps import Stamps
from labkit.strategies import Strategy

#: How long an app may take to start, and an order other than to start or stop.
START_S, ORDER_S = 30.0, 30.0


class ChildServer(OrderedProcess):
    """A strategy behind a real server in a child process: ``with ChildServer("asgi", strategy, work) as server``.

    Args:
        mode: one of :data:`labkit.modes.MODES` but ``threading``.
        strategy, complex_calculation, stock, options, instrumented, host, port: as :class:`~labkit.server.Server`.

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
        main = f"from labkit.hosting import main; main({self.mode.arbiter!r}, {host!r}, {port!r})"
        super().__init__(main, preamble=_preamble(self.mode), own_group=True)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{self.setup.host}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What differs from a stock server, for people to read."""
        ours = {} if self.setup.stock else dict(self.mode.tuned)
        return ours | {f"SocketIO({key}=...)": repr(value) for key, value in self.setup.options.items()}

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
        below = orders.descendants(self.pid)
        try:
            with self.time_limit(timeout_s):
                self.log = self._ask("stop")
                assert self._process is not None
                self._process.wait()
        except ServerError:
            self.log.append(f"killed: it had not stopped after {timeout_s:g} s")
        finally:
            self.kill()
            orders.kill_all(below)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def preloaded(names: Iterable[str]) -> AbstractContextManager[None]:
    """Within the block, servers of these modes are forked from processes that have imported what a mode needs.

    For several servers of a mode, one after the other: each spares half a second. Modes that there are not are left to
    who starts the first.
    """
    chosen = [modes.MODES[name] for name in names if name in modes.MODES]
    return preload.preloaded(*(_preamble(mode) for mode in chosen if not mode.is_in_process))


def _preamble(mode: modes.Mode) -> str:
    named = [name.partition(":")[0] for name in (mode.maker, mode.arbiter) if isinstance(name, str) and name]
    return f"{mode.first}\nimport {', '.join(['labkit.hosting', *named])}"


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
