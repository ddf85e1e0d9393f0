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
from typing import Any

import psutil

from labkit.base import processes
from labkit.base.errors import LabError, ServerError
from labkit.base.processes import Pipes
from labkit.server.contract import Host, Setup
from labkit.server.stamps import Stamps
from labkit.server.steady import Held, held_still


def main(arbiter: str, host: str, port: int) -> None:
    """The process."""
    hosting = Hosting(arbiter)
    if arbiter:
        pkgutil.resolve_name(arbiter)(host, port, hosting)
    else:
        hosting.build().serve(hosting.ready)
        hosting.finish()


class Hosting:
    """One server in this process, and what its parent orders.

    Args:
        arbiter: what serves the app in this process' stead; empty where the app serves itself.
    """

    def __init__(self, arbiter: str = "") -> None:
        self.arbiter = arbiter
        self.pipes = Pipes()
        self.log: list[str] = []
        self.root = os.getpid()
        self.stamps = Stamps(0)
        self._holding = contextlib.ExitStack()

    def build(self) -> Any:
        """Take what is to be served, and make its server; where that fails, tell the parent and end."""
        try:
            _, (path, pickled) = self.pipes.take()
        except EOFError:
            os._exit(0)
        try:
            sys.path[:] = path
            setup: Setup = pickle.loads(pickled)
            self.host: Host = _made(setup, self.log)
        except LabError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 (told to the parent)
            self._give_up(ServerError(f"the server could not be made ({type(error).__name__}: {error}): mend its app"))
        return self.host

    def _give_up(self, error: LabError) -> None:
        self.pipes.answer(error)
        os._exit(1)

    def ready(self, port: int) -> None:
        """Say so, and take orders from now on."""
        monkey = sys.modules.get("gevent.monkey")
        start = _thread.start_new_thread if monkey is None else monkey.get_original("_thread", "start_new_thread")
        start(self._obey, ())
        self.pipes.answer((port, os.getpid()))

    def finish(self) -> None:
        """Close the strategy, answer the order to stop, end."""
        try:
            if self.host.close is not None:
                self.host.close()
        except Exception as error:  # noqa: BLE001 (a strategy's own; the process must end all the same)
            self.log.append(f"the strategy's close failed: {type(error).__name__}: {error}")
        self.pipes.answer(self.log)
        os._exit(0)

    def _obey(self) -> None:
        while True:
            try:
                name, args = self.pipes.take()
                if name == "stop":
                    break
                self.pipes.answer(getattr(self, f"do_{name}")(*args))
            except EOFError:
                self._end_with_parent()
            except Exception as error:  # noqa: BLE001 (an answer is owed)
                self.pipes.answer(ServerError(f"the server's process failed ({type(error).__name__}: {error})"))
        if self.arbiter:  # which serves, and ends with its worker
            self.finish()
        else:
            self.host.stop()

    def _end_with_parent(self) -> None:
        """End gunicorn's arbiter, what the strategy started, and this process, whatever they do."""
        own = os.getpid()
        below = [process for process in processes.descendants(self.root) if process.pid != own]
        if self.root != own:
            processes.kill_all([psutil.Process(self.root)])  # first: it would start another worker
        processes.kill_all(below)
        os._exit(0)

    def do_record(self, events: int) -> None:
        self.stamps = Stamps(events)
        if self.host.hooks is not None:
            self.host.hooks.record(self.stamps)

    def do_collect(self) -> tuple[dict[str, Any], list[str], list[str]]:
        hooks = self.host.hooks
        if hooks is not None:
            hooks.stamps = None
        return self.stamps.columns(), [] if hooks is None else list(hooks.errors), list(self.log)

    def do_hold(self, switch_interval_s: float | None, freeze_gc: bool) -> float:
        self._held: Held = self._holding.enter_context(held_still(switch_interval_s, freeze_gc))
        return self._held.switch_interval_s

    def do_full_collections(self) -> int:
        return self._held.full_collections()

    def do_release(self) -> None:
        self._holding.close()


def _made(setup: Setup, log: list[str]) -> Any:
    """A :class:`~labkit.server.contract.Host`."""
    maker = pkgutil.resolve_name(setup.maker) if isinstance(setup.maker, str) else setup.maker
    return maker(setup, log)
