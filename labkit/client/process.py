"""The client: fires a plan from another process, so that it shares neither GIL nor garbage with the server.

One process lives as long as the session: starting one costs half a second, and a client that has just started is
slower than one that has run. It takes orders on its standard input and ends when that closes, so it never outlives
the notebook, however the kernel ends.
"""

import atexit
import functools
import select
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

from labkit.base import interrupts
from labkit.base.errors import ClientError, LabError
from labkit.base.processes import OrderedProcess, Pipes
from labkit.client.firing import Job
from labkit.client.generator import Generator
from labkit.plan.exchange import USUAL, Exchange
from labkit.plan.visit import AT_ONCE, Visit
from labkit.plan.work import spin
from labkit.runs.conditions import INSIDE, OUTSIDE
from labkit.runs.fired import Fired

#: Between two looks of who waits for a firing.
TICK_S = 0.2


class Client(Protocol):
    """What fires at a server: a :class:`ClientProcess`, a :class:`ClientThread` or a fleet."""

    @property
    def pids(self) -> tuple[int, ...]: ...

    @property
    def place(self) -> str: ...

    def open(
        self,
        url: str,
        senders: int,
        bystander: bool = True,
        listener: bool = True,
        timeout_s: float = 10,
        exchange: Exchange = USUAL,
        visit: Visit = AT_ONCE,
    ) -> None: ...

    def arrivals(self) -> list[tuple[int, int, int, int, int]]: ...

    def warm(self, payloads: list[Any], timeout_s: float) -> int: ...

    def seen_answers(self) -> frozenset[str]: ...

    def fire(self, job: Job) -> Fired: ...

    def spin_beside(self, turns: int) -> float | None: ...

    def close(self) -> None: ...


class _ByOrder:
    """What a :class:`~labkit.client.generator.Generator` does, as orders that are carried out where it is."""

    def order(self, name: str, *args: Any) -> Any:
        """Give an order and wait for its answer."""
        raise NotImplementedError

    def open(
        self,
        url: str,
        senders: int,
        bystander: bool = True,
        listener: bool = True,
        timeout_s: float = 10,
        exchange: Exchange = USUAL,
        visit: Visit = AT_ONCE,
    ) -> None:
        """Connect everybody."""
        self.order("open", url, senders, bystander, listener, timeout_s, exchange, visit)

    def arrivals(self) -> list[tuple[int, int, int, int, int]]:
        """When each connection came (:meth:`labkit.client.generator.Generator.arrivals`)."""
        came: list[tuple[int, int, int, int, int]] = self.order("arrivals")
        return came

    def warm(self, payloads: list[Any], timeout_s: float) -> int:
        """Warm up; how many events were answered."""
        answered: int = self.order("warm", payloads, timeout_s)
        return answered

    def seen_answers(self) -> frozenset[str]:
        """How the events of the last warm-up were answered (:attr:`labkit.client.generator.Generator.seen`)."""
        seen: frozenset[str] = self.order("seen_answers")
        return seen

    def fire(self, job: Job) -> Fired:
        """Fire the plan."""
        fired: Fired = self.order("fire", job)
        return fired


class ClientProcess(OrderedProcess, _ByOrder):
    """A generator in a process of its own, which the first order starts.

    Raises:
        ClientError: of every method, where the process has ended; the next order starts another.
        LabError: whatever the generator raised.
    """

    place = OUTSIDE

    def __init__(self) -> None:
        # A group of its own: what ends the parent's whole group (a terminal that closes) leaves the end to the parent.
        super().__init__("from labkit.client.process import _serve; _serve()", own_group=True)

    def start(self) -> None:
        """Start the process, unless it runs."""
        self.launch()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process, while it runs."""
        return () if self.pid is None else (self.pid,)

    def fire_watched(self, job: Job, tick: Callable[[], object]) -> tuple[Fired, KeyboardInterrupt | None]:
        """Fire the plan. An interrupt ends the sending, and what was sent is still waited for; a second one raises.

        Args:
            job: what is fired.
            tick: called some times a second meanwhile.

        Returns:
            What the clients saw, and the interrupt that has cut it short.
        """
        interrupt: KeyboardInterrupt | None = None
        self.send("fire", job)
        try:
            self.wait(tick)
        except KeyboardInterrupt as error:
            interrupts.heard()
            interrupt = error
            self.send("cut")
        except BaseException:
            self.kill()  # its answer would be taken for the next order's
            raise
        fired: Fired = self.receive()
        return fired, interrupt

    def wait(self, tick: Callable[[], object]) -> None:
        """Until an answer comes, or the process ends."""
        assert self._process is not None
        assert self._process.stdout is not None
        while not select.select([self._process.stdout], [], [], TICK_S)[0]:
            tick()

    def spin_beside(self, turns: int) -> float | None:
        """Compute for `turns` turns there and here at once; how many ms of wall time the slower took."""
        self.send("spin", turns)
        try:
            here_ms = spin(turns)
        except BaseException:
            self.kill()  # its answer would be taken for the next order's
            raise
        there_ms: float = self.receive()
        return max(here_ms, there_ms)

    def ended(self, last_words: str) -> LabError:
        """What to raise where it has ended."""
        return ClientError(f"the client process ended ({last_words}): run it again")

    def close(self) -> None:
        """Disconnect everybody; the process goes on."""
        if self.pid is not None:
            self.order("close")


class ClientThread(_ByOrder):
    """A generator on a thread of the server's own process; only to show how much that falsifies.

    One thread, which is not the caller's, carries out all orders: a notebook's main thread has an event loop already.
    """

    #: No process of its own.
    pids: tuple[int, ...] = ()
    place = INSIDE

    def __init__(self) -> None:
        self._generator: Generator | None = None
        self._thread = ThreadPoolExecutor(1, "labkit-client")

    def order(self, name: str, *args: Any) -> Any:
        """Give an order and wait for its answer."""

        def work() -> Any:
            if self._generator is None:
                self._generator = Generator()
            return _carry_out(self._generator, name, args)

        return self._thread.submit(work).result()

    def spin_beside(self, turns: int) -> None:
        """None: two loops in one process would share a GIL."""

    def close(self) -> None:
        """Disconnect everybody."""
        if self._generator is not None:
            self.order("close")
            self._generator.loop.close()
            self._generator = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        self._thread.shutdown()


@functools.cache
def shared() -> ClientProcess:
    """The session's one client process."""
    client = ClientProcess()
    atexit.register(client.kill)
    return client


def _carry_out(generator: Generator, name: str, args: tuple[Any, ...]) -> Any:
    try:
        work: Any = spin if name == "spin" else getattr(generator, name)
        return work(*args)
    except LabError:
        raise
    except Exception as error:
        raise ClientError(f"the client failed ({type(error).__name__}: {error})") from error


def _serve() -> None:
    """The process: one order after the other, until its standard input closes."""
    import os
    import queue
    import signal
    import traceback

    # Ctrl-C goes to the whole group of processes; what to do about it is the parent's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipes = Pipes()
    orders: queue.SimpleQueue[tuple[str, tuple[Any, ...]]] = queue.SimpleQueue()

    def read() -> None:
        # Beside the work, so that the parent's end is seen in the middle of a firing too.
        try:
            while True:
                order = pipes.take()
                if order[0] == "cut":  # has no answer, and does not wait for its turn
                    generator.cut()
                else:
                    orders.put(order)
        except EOFError:
            os._exit(0)
        except Exception:  # noqa: BLE001 (its last words, which the parent reads)
            traceback.print_exc()
            os._exit(1)

    generator = Generator()
    threading.Thread(target=read, daemon=True).start()
    while True:
        name, args = orders.get()
        try:
            answer = _carry_out(generator, name, args)
        except LabError as error:
            answer = error
        pipes.answer(answer)
