"""The worker's end of a :class:`~labkit.experiments.work_process.WorkProcess`: one order after the other, on the main
thread, where an import expects to be."""

import contextlib
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from labkit.base import clock, processes
from labkit.base.errors import LabError, ServerError, WorkloadError
from labkit.base.patched import original, patched_by
from labkit.base.processes import Pipes
from labkit.base.text import one_line, told
from labkit.base.time_limit import running
from labkit.experiments.work_process import Alive
from labkit.plan.targets import Named
from labkit.server.in_process import Server
from labkit.server.setup import Setup

#: Between two signs of life.
ALIVE_S = 1.0


def main() -> None:
    """The process."""
    worker = _Worker()
    original("_thread", "start_new_thread")(worker.give_signs, ())
    worker.obey()


class _Worker:
    def __init__(self) -> None:
        self.pipes = Pipes()
        self.server: Server | None = None
        self._lock = original("_thread", "allocate_lock")()
        self._sleep = original("time", "sleep")
        self._busy = False
        self._holding = contextlib.ExitStack()
        self._orders: dict[str, Callable[..., Any]] = {
            "take": self._take,
            "run": self._run,
            "serve": self._serve,
            "handlers": lambda: self._served().handlers(),
            "record": lambda events: self._served().record(events),
            "collect": self._collect,
            "hold": self._hold,
            "full_collections": self._full_collections,
            "release": self._holding.close,
            "stop": self._stop,
        }

    def give_signs(self) -> None:
        """On a thread of the system, whatever is patched: say once a second what call is still being made."""
        while True:
            self._sleep(ALIVE_S)
            oldest = running[:1]
            name, limit_s, since_ns = oldest[0] if oldest else ("", 0.0, clock.now_ns())
            with self._lock:
                if self._busy:
                    try:
                        self.pipes.answer(Alive(name, limit_s, (clock.now_ns() - since_ns) / clock.NS_PER_S))
                    except OSError:
                        self._end()  # nobody reads any more

    def obey(self) -> None:
        """Carry out orders until the parent has ended."""
        _, (sys.path[:],) = self._ordered()  # as the parent's, or what it imported from could not be found
        while True:
            name, args = self._ordered()
            self._busy = True
            try:
                answer = self._orders[name](*args)
            except BaseException as error:  # noqa: BLE001 (told to the parent)
                answer = _failed(error)
            self._answer(answer)

    def _ordered(self) -> tuple[str, tuple[Any, ...]]:
        try:
            return self.pipes.take()
        except EOFError:
            self._end()

    def _answer(self, answer: Any) -> None:
        with self._lock:
            self._busy = False
            self.pipes.answer(answer)

    def _end(self) -> NoReturn:
        """End with the parent, and all that was started here with it."""
        processes.kill_all(processes.descendants(os.getpid()))
        os._exit(0)

    def _take(self, target: str, app: str) -> str:
        _ = Named(target, app).found
        return patched_by()

    def _run(self, pickled: bytes) -> Any:
        job, work, args, kwargs = pickle.loads(pickled)
        if isinstance(work.function, Named):
            work = replace(work, function=work.function.found)
        return job(work, *args, **kwargs)

    def _served(self) -> Server:
        if self.server is None:
            raise ServerError("no server runs in this process: start it")
        return self.server

    def _serve(self, pickled: bytes) -> tuple[int, dict[str, str]]:
        setup: Setup = pickle.loads(pickled)
        server = Server(
            setup.strategy,
            setup.calculation,
            stock=setup.stock,
            options=setup.options,
            instrumented=setup.instrumented,
            host=setup.host,
            port=setup.port,
        )
        server.start()
        self.server = server
        return server.port, server.tuned

    def _collect(self) -> tuple[dict[str, Any], list[str], list[str]]:
        server = self._served()
        return server.collect().columns(), list(server.errors), list(server.log)

    def _hold(self, switch_interval_s: float | None, freeze_gc: bool) -> float:
        self._held = self._holding.enter_context(self._served().held_still(switch_interval_s, freeze_gc))
        return self._held.switch_interval_s

    def _full_collections(self) -> int:
        return self._held.full_collections()

    def _stop(self, timeout_s: float) -> list[str]:
        server, self.server = self.server, None
        if server is None:
            return []
        server.stop(timeout_s)
        return server.log


def _failed(error: BaseException) -> LabError:
    if isinstance(error, LabError):
        return error
    if isinstance(error, SystemExit):
        return WorkloadError(f"your code ends the interpreter (exit code {error.code}): let it return or raise instead")
    return WorkloadError(f"the process of your code failed ({one_line(told(error))}): see what it does")
