"""Bursts of every kind with faults in between, and what is held after each: for a soak."""

import contextlib
import gc
import math
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from scipy import stats

import labkit as lab
from labkit.client.process import ClientProcess
from labkit.plan.modes import MODES
from labkit.plan.schedules import burst
from labkit.plan.work import cpu, io_wait
from labkit.strategies import Strategy, names_in
from tests.support.helpers import RawClient, descriptors, wait_until

#: What is looked at after each burst, with its unit, and by how much its trend may grow over the whole soak.
HELD = {
    "threads": ("", 0.0),
    "descriptors": ("", 1.0),  # the last pool of loky's may keep a pipe and a semaphore, until the next is made
    "processes": ("", 0.0),
    "shared memory": (" files", 1.0),
    "memory": (" MB", 10.0),
}

#: No fault is as frequent as each of the faults.
FAULTS = ("none", "a client leaves", "a handler raises", "a worker is killed")

#: Fired first and not looked at: what is imported, and kept once for all pools, comes with it.
_FIRST = (("threading", "process-pool"), ("threading", "inline"))


def failing(socketio, complex_calculation):
    """A strategy that raises for every second event."""
    from flask_socketio import emit

    @socketio.on("message")
    def handle_message(data):
        if data["id"] % 2:
            raise LookupError("on purpose")
        emit("response", complex_calculation(data))


async def _failing_on_a_loop(socketio, complex_calculation, sid, data):
    if data["id"] % 2:
        raise LookupError("on purpose")
    await socketio.emit("response", complex_calculation(data), to=sid)


def failing_on_a_loop(socketio, complex_calculation):
    """The same under an event loop."""

    async def handle_message(sid, data):
        await _failing_on_a_loop(socketio, complex_calculation, sid, data)

    socketio.on("message", handle_message)


@dataclass(frozen=True)
class Case:
    """One burst.

    Attributes:
        mode, strategy, fault: which.
        events, ms: how many, and what each costs.
        computes: whether it computes; else it waits.
        connections: how many clients send.
    """

    mode: str
    strategy: str
    fault: str
    events: int
    ms: float
    computes: bool
    connections: int

    @classmethod
    def drawn(cls, rng, modes=tuple(MODES)):
        """One at random; a worker is killed only where there is one."""
        mode = rng.choice(modes)
        fault = rng.choice(FAULTS)
        pools = [name for name in names_in(mode) if "process-pool" in name or name == "dear-elsewhere"]
        names = pools if fault == "a worker is killed" and pools else names_in(mode)
        events = rng.randint(4, 20)
        ms, computes, connections = rng.choice((1, 5)), rng.random() < 0.5, rng.randint(1, events)
        return cls(mode, rng.choice(names), fault, events, ms, computes, connections)


def fire(case, client, rng):
    """Fire one burst; the run, whose books are closed whatever the fault was."""
    strategy = case.strategy
    if case.fault == "a handler raises":
        register = failing_on_a_loop if MODES[case.mode].is_asynchronous else failing
        strategy = Strategy("failing", register, modes=frozenset({case.mode}))
    work = cpu(case.ms) if case.computes else io_wait(case.ms)
    with lab.serve(strategy, work, mode=case.mode) as serving, _fault(case, serving, rng):
        # Who waits for an answer that never comes waits no longer than it takes to be sure.
        timeout_s = 1.0 if case.fault == "a handler raises" else 5.0
        return lab.fire(serving, burst(case.events, connections=case.connections), client=client, timeout_s=timeout_s)


@contextlib.contextmanager
def _fault(case, serving, rng):
    """Let it happen while the block is at work."""
    acts = {"a client leaves": _leave, "a worker is killed": _kill}
    if case.fault not in acts:
        yield
        return
    thread = threading.Thread(target=acts[case.fault], args=(serving, rng.uniform(0, 0.1), rng.random() < 0.5))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _leave(serving, after_s, abort):
    """Another client sends, and leaves before it is answered."""
    time.sleep(after_s)
    with contextlib.suppress(OSError, AssertionError), RawClient(serving.server.port) as stranger:
        stranger.send('42["message",{"id":1000000,"payload":1}]')
        if abort:
            stranger.abort()


def _kill(serving, after_s, _):
    """A process of the server's own, of its pool's, ends; only one below what serves."""
    time.sleep(after_s)
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(serving.server.serving_pid).children()
        workers = [process for process in below if "popen_loky" in " ".join(process.cmdline())]
        if workers:
            workers[0].kill()


def held():
    """What this process and its children hold now."""
    own = psutil.Process()
    family = [own, *own.children(recursive=True)]
    ours = {str(process.pid) for process in family}
    shared = Path("/dev/shm")
    return {
        "threads": threading.active_count(),
        "descriptors": descriptors(),
        "processes": len(family),
        "shared memory": sum(any(f"-{pid}-" in file.name for pid in ours) for file in shared.glob("*")),
        "memory": own.memory_info().rss / 1e6,
    }


@dataclass(frozen=True)
class Trend:
    """What one thing did over a soak.

    Attributes:
        name: of :data:`HELD`.
        first, last: its median over the first and the last tenth.
        slope, low, high: per burst, by least squares, with its 95% interval.
        bursts: how many it was looked at after.
    """

    name: str
    first: float
    last: float
    slope: float
    low: float
    high: float
    bursts: int

    @classmethod
    def of(cls, name, values):
        """The trend of values that were taken one after the other."""
        count, tenth = len(values), max(1, len(values) // 10)
        middle = [sorted(part)[len(part) // 2] for part in (values[:tenth], values[-tenth:])]
        if len(set(values)) == 1:
            return cls(name, *middle, 0.0, 0.0, 0.0, count)
        if count < 3:
            return cls(name, *middle, math.nan, -math.inf, math.inf, count)
        found = stats.linregress(range(count), values)
        wide = stats.t.ppf(0.975, count - 2) * found.stderr
        return cls(name, *middle, found.slope, found.slope - wide, found.slope + wide, count)

    @property
    def grows(self):
        """Whether it surely does, by more than it may, and has not come back."""
        allowed = HELD[self.name][1]
        return bool(self.low > 0 and self.low * self.bursts > allowed and self.last - self.first > allowed)


@dataclass(frozen=True)
class Soaked:
    """A soak that is over.

    Attributes:
        bursts, events, unaccounted: how many.
        trends: one for each of :data:`HELD`.
        faults: how often each happened.
    """

    bursts: int
    events: int
    unaccounted: int
    trends: tuple[Trend, ...]
    faults: dict[str, int]


def soak(seconds, seed, modes=tuple(MODES), told=None, least=3):
    """Fire bursts for so long.

    Args:
        seconds: how long.
        seed: of everything that is drawn.
        modes: of the servers.
        told: called after each burst with its number, its case, its run and what is held.
        least: so many bursts, however long they take.
    """
    rng = random.Random(seed)
    series = {name: [] for name in HELD}
    faults = dict.fromkeys(FAULTS, 0)
    bursts = events = unaccounted = 0
    with ClientProcess() as client:
        for mode, strategy in _FIRST:
            fire(Case(mode, strategy, "none", 4, 1, True, 2), client, rng)
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < seconds or bursts < least:
            case = Case.drawn(rng, modes)
            run = fire(case, client, rng)
            bursts, events, unaccounted = bursts + 1, events + len(run), unaccounted + run.unaccounted
            faults[case.fault] += 1
            now = _settled(series)
            for name, value in now.items():
                series[name].append(value)
            if told is not None:
                told(bursts, case, run, now)
    trends = tuple(Trend.of(name, values) for name, values in series.items())
    return Soaked(bursts, events, unaccounted, trends, faults)


def _settled(series):
    """What is held once it is as it was, or 2 s after: threads and processes take a moment to end."""
    gc.collect()
    least = {name: min(values, default=math.inf) for name, values in series.items() if name != "memory"}
    wait_until(lambda: all(held()[name] <= value for name, value in least.items()), 2.0 if series["threads"] else 0.3)
    return held()
