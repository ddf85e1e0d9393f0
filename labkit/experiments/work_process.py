"""A process of its own for the reader's code: there it is imported, calibrated, diagnosed and, on a thread, served.

What an import does (patching threads, starting a server, printing, ending the interpreter) it does there. The process
outlives the runs of a command, so that a module is imported once, and ends with it.
"""

import contextlib
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil

from labkit.base import clock
from labkit.base.errors import LabError, ServerError, UsageError, WorkloadError
from labkit.base.processes import OrderedProcess
from labkit.base.time_limit import LIMIT_S, too_long
from labkit.plan import modes
from labkit.plan.targets import Named
from labkit.plan.work import Work, call
from labkit.server.by_order import ServedByOrder
from labkit.server.child import pickled
from labkit.server.contract import Served
from labkit.server.setup import Setup
from labkit.strategies import Strategy, require_known

T = TypeVar("T")

#: A module that has listened for so long while it is imported will not end by itself.
SERVES_S = 3.0

#: What an order may take besides the calls of the reader's function, which have a limit each.
ORDER_S = 30.0

#: The worker gives a sign of life each second. Without one for so long, something holds its GIL.
SILENT_S = LIMIT_S + 3

#: Of what the reader's code printed, so much of the end is kept.
MOST_OUTPUT_BYTES = 1_000_000


@dataclass(frozen=True)
class Alive:
    """A sign of life: the worker's oldest call that has not returned.

    Attributes:
        name: of the call; empty where there is none.
        limit_s, for_s: how long it may take, and has taken.
    """

    name: str = ""
    limit_s: float = 0.0
    for_s: float = 0.0


class WorkProcess(OrderedProcess):
    """The parent's end: ``with WorkProcess() as there: work = there.work("shop.jobs:price")``.

    Args:
        mode: one of :data:`labkit.plan.modes.MODES`: the process is patched before anything else where the mode's is.

    Raises:
        ModeError: there is no such mode.

    Attributes:
        is_renewed: start each server in a process that has just imported everything anew, since the work keeps state.
        patched_by: ``gevent`` or ``eventlet`` where an import has patched the process; else empty.
    """

    def __init__(self, mode: str = "threading") -> None:
        require_known(mode)
        self.mode = modes.MODES[mode]
        self.is_renewed = False
        self.patched_by = ""
        self._named: list[Named] = []
        self._printed = b""  # by processes before this one
        code = f"{self.mode.first}\nfrom labkit.experiments.work_worker import main; main()"
        super().__init__(code, own_group=True, marked=True)

    def launch(self) -> None:
        """Start the process, unless it runs; it is not waited for."""
        if self.pid is None:
            super().launch()
            self.send("path", list(sys.path))

    def __reduce__(self) -> tuple[Any, ...]:
        # A work that is sent there finds its function there.
        return _here, ()

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return WorkloadError(f"the process of your code ended ({last_words}): see what it does")

    def work(self, target: str, payloads: list[Any] | None = None, *, app: str | None = None) -> Work:
        """A work by its name, imported there.

        Args:
            target: ``package.module:name``.
            payloads: what its events carry; see :func:`labkit.plan.work.call`.
            app: of the Flask app in whose context it runs, ``package.module:create_app``.

        Raises:
            WorkloadError: it cannot be imported, does not end within 30 s, or is no function that can be called.
            UsageError: its import patches threads, and the mode has real ones.
        """
        named = Named(target, app or "")
        work = replace(call(named, payloads), name=target, place=self)
        self._take(named)
        self._named.append(named)
        return work

    def _take(self, named: Named) -> None:
        with self._while_importing(named.target):
            self.patched_by = self.order("take", named.target, named.app)
        by = self.patched_by
        if by and by != self.mode.name:
            instead = "measure it with --mode gevent, as it is served" if by == "gevent" else f"{by} is not measured"
            raise UsageError(
                f"importing {named.target.partition(':')[0]!r} patches its process with {by} (monkey_patch), so that "
                f"its threads are none, and mode {self.mode.name} would measure something else: {instead}, or give a "
                "module that patches nothing"
            )

    @contextmanager
    def _while_importing(self, target: str) -> Iterator[None]:
        """End the process where the import does not end, and sooner where it serves; say which it was."""
        module = target.partition(":")[0]
        done = threading.Event()
        why: list[str] = []

        def watch() -> None:
            limit_ns, listening_ns = clock.now_ns() + round(LIMIT_S * clock.NS_PER_S), 0
            while not done.wait(0.2):
                now_ns = clock.now_ns()
                if self._listens():
                    listening_ns = listening_ns or now_ns
                if listening_ns and now_ns - listening_ns > SERVES_S * clock.NS_PER_S:
                    why.append("it starts a server and does not end")
                elif now_ns > limit_ns:
                    why.append(f"it does not end within {LIMIT_S:g} s")
                else:
                    continue
                self._kill_tree()
                return

        watching = threading.Thread(target=watch, name="labkit-import", daemon=True)
        watching.start()
        try:
            yield
        except LabError:
            if why:
                raise WorkloadError(
                    f"importing {module!r}: {why[0]}: let it only define things, and do the rest below if __name__ == "
                    '"__main__":'
                ) from None
            raise
        finally:
            done.set()
            watching.join()

    def _listens(self) -> bool:
        if (pid := self.pid) is None:
            return False
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):  # a reloader serves from another process
                with contextlib.suppress(psutil.Error):
                    if any(one.status == psutil.CONN_LISTEN for one in each.net_connections(kind="tcp")):
                        return True
        return False

    def run(self, job: Callable[..., T], work: Work, *args: Any, **kwargs: Any) -> T:
        """What ``job(work, *args, **kwargs)`` returns, or raises, there.

        Raises:
            WorkloadError: a call of the reader's function does not return in time, or ends the process.
        """
        with self._while_calling():
            answer: T = self.order("run", pickle.dumps((job, work, args, kwargs)))
        return answer

    def receive(self) -> Any:
        """The answer to the order before; signs of life are looked at by who waits."""
        while isinstance(answer := super().receive(), Alive):
            self._alive, self._alive_ns = answer, clock.now_ns()
        return answer

    @contextmanager
    def _while_calling(self) -> Iterator[None]:
        """End the process where a call takes longer than it may, or nothing is heard of it any more."""
        done = threading.Event()
        late: list[WorkloadError] = []
        self._alive, self._alive_ns = Alive(), clock.now_ns()

        def watch() -> None:
            while not done.wait(0.5):
                alive, silent_s = self._alive, (clock.now_ns() - self._alive_ns) / clock.NS_PER_S
                # The worker itself gives up a call on a thread; this is for one that keeps it from doing so.
                if alive.name and alive.for_s + silent_s > alive.limit_s + 2:
                    late.append(too_long(alive.name, alive.limit_s))
                elif silent_s > SILENT_S:
                    late.append(WorkloadError(f"nothing was heard of the process of your code for {SILENT_S:g} s"))
                else:
                    continue
                self._kill_tree()
                return

        watching = threading.Thread(target=watch, name="labkit-calls", daemon=True)
        watching.start()
        try:
            yield
        except LabError:
            if late:
                raise late[0] from None
            raise
        finally:
            done.set()
            watching.join()

    def renew(self) -> None:
        """End the process and begin again: everything is imported anew, and nothing of before is left."""
        self.kill()
        for named in self._named:
            self._take(named)

    def server(self, strategy: Strategy, calculation: Callable[[Any], Any], **settings: Any) -> Served:
        """A server on a thread of that process; the arguments are those of :class:`labkit.server.in_process.Server`."""
        return _ThereServer(self, strategy, calculation, **settings)

    def keep_output(self, path: Path) -> int:
        """Keep what the reader's code printed, where it printed anything; how many lines that is.

        Both of its streams, in the order in which they were written; the last million bytes where it is more.
        """
        printed = self._printed + self._read_output()
        if printed:
            path.write_bytes(printed[-MOST_OUTPUT_BYTES:])
        return len(printed.splitlines())

    def _read_output(self) -> bytes:
        if self._process is None:
            return b""
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - MOST_OUTPUT_BYTES))
        return self._stderr.read()

    def kill(self) -> None:
        """End the process, whatever it does, and those that it started; what it printed is kept."""
        self._printed = (self._printed + self._read_output())[-MOST_OUTPUT_BYTES:]
        super().kill()


def _here() -> None:
    """What a process of its own is, in that process."""


class _ThereServer(ServedByOrder):
    """A server on a thread of the process of the reader's code."""

    def __init__(
        self,
        place: WorkProcess,
        strategy: Strategy,
        calculation: Callable[[Any], Any],
        *,
        stock: bool = False,
        options: Mapping[str, Any] | None = None,
        instrumented: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        given = {**strategy.options, **(options or {})}
        super().__init__(Setup("threading", strategy, calculation, given, stock, instrumented, host, port))
        self._place = place
        self._pid = 0
        self._tuned: Mapping[str, str] = {}

    @property
    def is_running(self) -> bool:
        """Whether it can be connected to."""
        return self._pid != 0 and self._place.pid == self._pid

    @property
    def serving_pid(self) -> int:
        """The process that serves."""
        return self._pid

    @property
    def tuned(self) -> Mapping[str, str]:
        """What differs from a stock server, for people to read."""
        return self._tuned

    def start(self) -> None:
        """Make the app there, listen, serve."""
        if self.is_running:
            raise ServerError("this server runs already: stop it first, or make another")
        if self._place.is_renewed:
            self._place.renew()
        self.port, self._tuned = self._order("serve", pickled(self.setup))
        self._pid = self._place.pid or 0

    def _order(self, name: str, *args: Any, limit_s: float = ORDER_S) -> Any:
        ended = ServerError(f"the process of your code did not {name} within {limit_s:g} s: see what it does")
        with self._place.time_limit(limit_s, ended):
            return self._place.order(name, *args)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop serving; the process goes on. Twice does no harm."""
        if self.is_running:
            self._pid = 0
            self.log = self._order("stop", timeout_s, limit_s=timeout_s + ORDER_S)
        self._pid = 0
