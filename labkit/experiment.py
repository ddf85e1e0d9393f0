"""Measure one strategy, compare several: the server here, the client in its own process, the confounders held still."""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import psutil
from numpy.typing import NDArray

from labkit import client as clients
from labkit import clock, environment, interrupts, ledger, modes
from labkit.calibration import Expected, expect
from labkit.child import ChildServer, preloaded
from labkit.comparison import Comparison
from labkit.errors import TooMuchMemory, UsageError
from labkit.firing import Job
from labkit.metrics import BOUNDS_MS
from labkit.records import Run
from labkit.schedules import Schedule
from labkit.served import PING_EVENT, Served
from labkit.server import Server
from labkit.strategies import Register, Strategy, strategy
from labkit.workloads import Calculation, Work, calibration_turns, require_picklable, spin

T = TypeVar("T")

Exhibit = str | Register | Strategy

#: Bytes that an event takes in server, client and record together, at most (measured: about 900).
BYTES_AN_EVENT = 2_000

#: The lab's own work is the same for the same name, so it is calibrated once a session. A function of the reader's may
#: depend on anything, and is calibrated anew for every measurement or comparison.
_calibrated_once = lru_cache(maxsize=16)(expect)


def expected_answers(work: Work, plan: Schedule) -> Expected:
    """What each event of a plan must be answered, and what it costs when nothing else runs."""
    calibrate = expect if work.kind == "call" else _calibrated_once
    return calibrate(work, len(plan), plan.seed)


@interrupts.kept()
def measure(
    exhibit: Exhibit,
    work: Work,
    plan: Schedule,
    *,
    mode: str = "threading",
    options: Mapping[str, Any] | None = None,
    stock: bool = False,
    instrumented: bool = True,
    ping_hz: float = 50.0,
    window_s: float | None = None,
    timeout_s: float | None = None,
    ping_interval_s: float | None = None,
    ping_timeout_s: float | None = None,
    switch_interval_s: float | None = None,
    freeze_gc: bool = True,
    warm_up: int = 2,
    acknowledge: bool = False,
    reads_from_s: float = 0.0,
    client: clients.Client | None = None,
    expected: Expected | None = None,
) -> Run:
    """Fire a plan once at one strategy.

    Args:
        exhibit: an exhibit's name, a `strategy(...)`, or a `register` function.
        work: what an event costs.
        plan: what is sent when.
        mode: how the server runs: one of :data:`labkit.modes.MODES`.
        options: further arguments of ``SocketIO(...)``.
        stock: leave the server's defaults as they are.
        instrumented: stamp the server's stages.
        ping_hz: the bystander's rate; 0 for no bystander.
        window_s: how long it pings; by default the plan's span and the time that one server would need for all of it,
            the same for every strategy.
        timeout_s: an event without an answer so long after its intended start has timed out; by default 5 s and three
            times that need.
        ping_interval_s, ping_timeout_s: of the server's heartbeat; the library's own (25 s and 20 s) where None.
            Clients are told the first in whole seconds, rounded down.
        switch_interval_s: of ``sys.setswitchinterval`` during the run; Python's own where None.
        freeze_gc: keep the garbage collector off what is there already, during the run.
        warm_up: events a connection before the run that are not counted.
        acknowledge: the client asks for an acknowledgement of every event (``run.acked_ms``).
        reads_from_s: the senders read nothing until then: slow consumers; their window of receiving is small, too.
        client: who fires; by default the session's client process.
        expected: of an earlier :func:`expected_answers`, which costs one run of the work a payload.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        LabError: server or client failed; both are stopped.
    """
    chosen = strategy(exhibit)
    chosen.require_mode(mode)
    modes.MODES[mode].require()
    if chosen.needs_pickle or not modes.MODES[mode].is_in_process:
        require_picklable(work)
    _require_memory(len(plan))
    expected = expected or expected_answers(work, plan)
    need_s = expected.mean_service_ms * len(plan) / 1000
    window_s = _not_negative("window_s", plan.span_s + need_s if window_s is None else window_s)
    timeout_s = _not_negative("timeout_s", 5 + 3 * need_s if timeout_s is None else timeout_s)
    ping_hz = _not_negative("ping_hz", ping_hz)
    reads_from_s = _not_negative("reads_from_s", reads_from_s)
    if switch_interval_s is not None and not switch_interval_s > 0:
        raise UsageError(f"switch_interval_s must be above 0, not {switch_interval_s}")
    ping_ns = _ping_ns(ping_hz, window_s)
    firing = client or clients.shared()

    spare = [spare_cpu(firing)]
    job = Job(
        intended_ns=plan.intended_ns,
        connection=plan.connection,
        payloads=list(expected.payloads),
        expected=list(expected.answers) if expected.checked else None,
        ping_ns=ping_ns,
        ping_event=PING_EVENT,
        timeout_ns=round(timeout_s * clock.NS_PER_S),
        acknowledge=acknowledge,
        reads_from_ns=round(reads_from_s * clock.NS_PER_S),
    )
    for option, value_s in (("ping_interval", ping_interval_s), ("ping_timeout", ping_timeout_s)):
        if value_s is not None:
            options = {**(options or {}), option: _not_negative(f"{option}_s", value_s)}
    server = _served(mode, chosen, work, stock=stock, options=options, instrumented=instrumented)
    try:
        with server, server.held_still(switch_interval_s, freeze_gc) as held:
            firing.open(server.url, plan.connections, ping_hz > 0)
            asked = warm_up * plan.connections
            answered = firing.warm(list(expected.payloads[:1]) * warm_up, timeout_s) if asked else 0
            server.record(len(plan))
            cpu, switched = _ServerCpu(server.serving_pid, firing), _switches(server.serving_pid)
            parted = clock.parting()
            fired = firing.fire(replace(job, watch_pid=server.serving_pid))
            server_cpu_s = cpu.spent_s()
            server_switches = None if switched is None else (_switches(server.serving_pid) or 0) - switched
            stamps = server.collect()
            about = {
                **environment.describe(),
                "measured": clock.utc_stamp(),
                "start_ns": fired.start_ns,
                "seed": plan.seed,
                "server_settings": server.settings,
                "stock": stock,
                "switch_interval_s": held.switch_interval_s,
                "gc_frozen": freeze_gc,
                "full_collections": held.full_collections(),
                "client_collections": fired.collections,
                "client_cpu_s": fired.cpu_ns / clock.NS_PER_S,
                "server_cpu_s": server_cpu_s,
                "server_switches": server_switches,
                "parameters": {name: _json(value) for name, value in chosen.settled.items()},
                "warm_up": [asked, answered],
                "answers_checked": expected.checked,
                "ping_hz": ping_hz,
                "window_s": window_s,
                "duration_s": (fired.end_ns - fired.start_ns) / clock.NS_PER_S,
                "clock_resolution_s": clock.resolution_s(),
                "clocks_parted_s": parted(),
                "heartbeats": fired.heartbeats and fired.heartbeats.to_dict(),
                "closed": {
                    "senders": int(np.count_nonzero(fired.closed_ns[: plan.connections])),
                    "others": int(np.count_nonzero(fired.closed_ns[plan.connections :])),
                },
                "handler_errors": [error.strip().splitlines()[-1] for error in server.errors],
            }
            firing.close()
    except BaseException:
        firing.close()
        raise
    spare.append(spare_cpu(firing))
    about |= {"spare_cpu": spare, "server_log": server.log[:20]}
    return ledger.close(
        fired,
        stamps,
        strategy=chosen.name,
        work=work.name,
        mode=mode,
        plan=plan,
        ping_ns=ping_ns,
        timeout_s=timeout_s,
        service_ms=expected.service_ms,
        environment=about,
    )


def _served(mode: str, chosen: Strategy, work: Work, **settings: Any) -> Served:
    calculation = Calculation(work.function)
    if modes.MODES[mode].is_in_process:
        return Server(chosen, calculation, **settings)
    return ChildServer(mode, chosen, calculation, **settings)


def interleaved(things: Sequence[T], repeats: int, seed: int = 0) -> list[T]:
    """Each strategy once a round, in an order that each round draws anew: a slow minute hits all of them alike."""
    shuffle = random.Random(seed)
    order: list[T] = []
    for _ in range(repeats):
        block = list(things)
        shuffle.shuffle(block)
        order += block
    return order


def refuse(exhibits: Sequence[Exhibit], work: Work, *, repeats: int = 1, mode: str = "threading") -> list[Strategy]:
    """The strategies, if they can be measured together with this work in this mode. Starts nothing.

    Raises:
        LabError: they cannot: its sentence says why.
    """
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}")
    chosen = [strategy(exhibit) for exhibit in exhibits]
    if not chosen:
        raise UsageError("there is no strategy to measure: name at least one")
    names = [s.name for s in chosen]
    if len(set(names)) < len(names):
        raise UsageError(f"two strategies have one name ({', '.join(names)}): give one of them name=...")
    for s in chosen:
        s.require_mode(mode)
        modes.MODES[mode].require()
        if s.needs_pickle or not modes.MODES[mode].is_in_process:
            require_picklable(work)
    return chosen


def measurements(
    exhibits: Sequence[Exhibit], work: Work, plan: Schedule, *, repeats: int = 3, seed: int = 0, **settings: Any
) -> Iterator[Run]:
    """The runs of a comparison one by one, for those who show or save each as it comes.

    What can be refused is refused at once, before the first: names, modes, work that cannot go to another process.
    """
    chosen = refuse(exhibits, work, repeats=repeats, mode=settings.get("mode", "threading"))
    settings.setdefault("expected", expected_answers(work, plan))
    return one_by_one([(s, settings) for s in interleaved(chosen, repeats, seed)], work, plan)


def one_by_one(order: Sequence[tuple[Strategy, Mapping[str, Any]]], work: Work, plan: Schedule) -> Iterator[Run]:
    """Each strategy with its settings, in this order. What their modes need is imported once for all."""
    with preloaded({settings.get("mode", "threading") for _, settings in order}):
        for chosen, settings in order:
            yield measure(chosen, work, plan, **settings)


def compare(
    exhibits: Sequence[Exhibit],
    work: Work,
    plan: Schedule,
    *,
    repeats: int = 3,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Callable[[int, int, Run], object] | None = None,
    **settings: Any,
) -> Comparison:
    """Measure several strategies with the same plan, interleaved in random order, `repeats` times each.

    Args:
        exhibits: as for :func:`measure`, several.
        work, plan: the same for all.
        repeats: runs of each.
        seed: of the order.
        bounds_ms: of the verdicts.
        progress: called after each run, never during one, with how many are done, of how many, and the run.
        settings: further arguments of :func:`measure`.
    """
    total = len(exhibits) * repeats
    runs: list[Run] = []
    for run in measurements(exhibits, work, plan, repeats=repeats, seed=seed, **settings):
        runs.append(run)
        if progress is not None:
            progress(len(runs), total, run)
    return Comparison(tuple(runs), bounds_ms)


def vary(
    exhibit: Exhibit,
    work: Work,
    plan: Schedule,
    variants: Mapping[str, Mapping[str, Any]],
    *,
    repeats: int = 3,
    seed: int = 0,
    **settings: Any,
) -> Comparison:
    """One strategy under several settings of :func:`measure`, interleaved in random order, `repeats` times each.

    Args:
        exhibit, work, plan: the same for all.
        variants: of each the name under which it is shown, and its settings, as ``{"stock": {"stock": True}}``.
        repeats: runs of each.
        seed: of the order.
        settings: what all share.
    """
    if repeats < 1 or not variants:
        raise UsageError("give at least one variant, and 1 or more repeats")
    settings.setdefault("expected", expected_answers(work, plan))
    named = [strategy(exhibit, name=name) for name in variants]
    order = [(s, {**settings, **variants[s.name]}) for s in interleaved(named, repeats, seed)]
    return Comparison(tuple(one_by_one(order, work, plan)))


def spare_cpu(client: clients.Client) -> float | None:
    """Of the CPU that a fixed loop found alone, the share that two of them find now, one here and one in the client."""
    process = getattr(client, "processes", (client,))[0]  # of a fleet, the first
    if not isinstance(process, clients.ClientProcess):
        return None  # both would hold one GIL
    turns, alone_ms = calibration_turns()
    process.send("spin", turns)
    try:
        here_ms = spin(turns)
    except BaseException:
        process.kill()  # its answer would be taken for the next order's
        raise
    there_ms: float = process.receive()
    return round(min(1.0, alone_ms / max(here_ms, there_ms)), 3)


class _ServerCpu:
    """CPU seconds of the server's process and its children since now, the client left out."""

    def __init__(self, pid: int, client: clients.Client) -> None:
        self._server = psutil.Process(pid)
        self._clients = client.pids
        self._before_ns = self._now_ns()

    def _now_ns(self) -> int:
        ours = self._server.pid == os.getpid()
        total = clock.process_cpu_ns() if ours else 0  # finer than what the system tells of others
        processes = self._server.children(recursive=True)
        for process in processes if ours else [self._server, *processes]:
            if process.pid not in self._clients:
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue  # it has just ended
                total += round((times.user + times.system) * clock.NS_PER_S)
        return total

    def spent_s(self) -> float:
        return (self._now_ns() - self._before_ns) / clock.NS_PER_S


def _switches(pid: int) -> int | None:
    """How often the threads of a server in this process gave a core up, or had to; None of others, and on Windows."""
    try:
        import resource
    except ImportError:
        return None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw + usage.ru_nivcsw if pid == os.getpid() else None


def _ping_ns(ping_hz: float, window_s: float) -> NDArray[np.int64]:
    if ping_hz == 0:
        return np.zeros(0, np.int64)
    # Half an interval late: a ping that is due with the burst would measure the client's own sending.
    return np.round((np.arange(max(1, round(window_s * ping_hz))) + 0.5) / ping_hz * clock.NS_PER_S).astype(np.int64)


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def _not_negative(name: str, value: float) -> float:
    if not 0 <= value < 1e6:
        raise UsageError(f"{name} must be 0 or more, not {value}")
    return value


def _require_memory(events: int) -> None:
    available = psutil.virtual_memory().available
    if events * BYTES_AN_EVENT > available:
        raise TooMuchMemory(
            f"{events:,} events need about {events * BYTES_AN_EVENT / 1e9:.1f} GB and {available / 1e9:.1f} GB "
            "are free: fire fewer"
        )
