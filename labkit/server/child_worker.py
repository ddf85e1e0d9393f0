"""The child's end of a :class:`~labkit.server.child.ChildServer`: a server in the main thread, orders in one beside it.

Orders are carried out on a thread of the operating system, whatever is patched: a hub or an event loop that a handler
holds could not see that the parent has ended.
"""

import _thread
import contextlib
import os
import pickle
import pkgutil
import sys
from collections.abc import Callable
from typing import Any, cast

import psutil

from labkit.base import processes
from labkit.base.errors import LabError, ServerError
from labkit.base.processes import Pipes
from labkit.server import event_handlers
from labkit.server.contract import App, Host
from labkit.server.kept import Kept
from labkit.server.setup import Setup
from labkit.server.stamps import Stamps
from labkit.server.steady import Held, held_still


def main(arbiter: str, host: str, port: int) -> None:
    """The process.

    Args:
        arbiter: ``module:name`` of what listens in the app's stead; empty where the app listens by itself.
        host, port: where an arbiter listens; an app has both in its setup.
    """
    serving = ServingProcess()
    if arbiter:
        pkgutil.resolve_name(arbiter)(host, port, serving)
    else:
        app = cast(Host, serving.build())
        serving.end = app.stop
        app.serve(serving.ready)
        serving.finish()


class ServingProcess:
    """One app in this process, and what its parent orders.

    Attributes:
        end: called when the parent orders to stop. What an arbiter serves is closed at once; what serves itself first
            returns from ``serve``.
    """

    def __init__(self) -> None:
        self.pipes = Pipes()
        self.log: list[str] = Kept()
        self.root = os.getpid()  # an arbiter's; the worker that it forks finds it here
        self.stamps = Stamps(0)
        self.end = self.finish
        self._holding = contextlib.ExitStack()
        self._orders: dict[str, Callable[..., Any]] = {
            "handlers": lambda: event_handlers.of_app(self.app),
            "record": self._record,
            "collect": self._collect,
            "hold": self._hold,
            "full_collections": self._full_collections,
            "release": self._holding.close,
        }

    def build(self) -> App:
        """Take what is to be served, and make its app; where that fails, tell the parent and end."""
        try:
            _, (path, pickled) = self.pipes.take()
        except EOFError:
            os._exit(0)
        try:
            sys.path[:] = path  # as the parent's, or what it imported from could not be found
            self.app = _made(pickle.loads(pickled), self.log)
        except LabError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 (told to the parent)
            self._give_up(ServerError(f"the server could not be made ({type(error).__name__}: {error}): mend its app"))
        return self.app

    def _give_up(self, error: LabError) -> None:
        self.pipes.answer(error)
        os._exit(1)

    def ready(self, port: int) -> None:
        """Tell the parent the port, and take orders from now on."""
        monkey = sys.modules.get("gevent.monkey")
        start = _thread.start_new_thread if monkey is None else monkey.get_original("_thread", "start_new_thread")
        start(self._obey, ())
        self.pipes.answer((port, os.getpid()))

    def finish(self) -> None:
        """Close the strategy, answer the order to stop, end the process."""
        try:
            if self.app.close is not None:
                self.app.close()
        except Exception as error:  # noqa: BLE001 (a strategy's own; the process must end all the same)
            self.log.append(f"the strategy's close failed: {type(error).__name__}: {error}")
        self.pipes.answer(self.log)
        os._exit(0)

    def _obey(self) -> None:
        """Carry out one order after the other, until the one to stop."""
        while True:
            try:
                name, args = self.pipes.take()
                if name == "stop":
                    break
                self.pipes.answer(self._orders[name](*args))
            except EOFError:
                self._end_with_parent()
            except Exception as error:  # noqa: BLE001 (an answer is owed)
                self.pipes.answer(ServerError(f"the server's process failed ({type(error).__name__}: {error})"))
        self.end()

    def _end_with_parent(self) -> None:
        """End gunicorn's arbiter, what the strategy started, and this process, whatever they do."""
        own = os.getpid()
        below = [process for process in processes.descendants(self.root) if process.pid != own]
        if self.root != own:
            processes.kill_all([psutil.Process(self.root)])  # first: it would start another worker
        processes.kill_all(below)
        os._exit(0)

    def _record(self, events: int) -> None:
        self.stamps = Stamps(events)
        if self.app.hooks is not None:
            self.app.hooks.record(self.stamps)

    def _collect(self) -> tuple[dict[str, Any], list[str], list[str]]:
        hooks = self.app.hooks
        if hooks is not None:
            self.stamps.settle()
            hooks.stamps = None
        return self.stamps.columns(), [] if hooks is None else list(hooks.errors), list(self.log)

    def _hold(self, switch_interval_s: float | None, freeze_gc: bool) -> float:
        self._held: Held = self._holding.enter_context(held_still(switch_interval_s, freeze_gc))
        return self._held.switch_interval_s

    def _full_collections(self) -> int:
        return self._held.full_collections()


def _made(setup: Setup, log: list[str]) -> App:
    maker = pkgutil.resolve_name(setup.maker) if isinstance(setup.maker, str) else setup.maker
    return cast(App, maker(setup, log))
