"""What the claims about too much of something compare: queues, threads, order, clients that do not read.

As in :mod:`labkit.judges`: a comparison in, the measured value over its bound out; 1 or more holds.
"""

import math

import numpy as np

from labkit.comparison import Comparison
from labkit.judges import Untestable, burst, later, one, ratio, service_ms, waits
from labkit.records import ANSWERED, SUPERSEDED, Run

#: What the sockets of both sides may hold of a client that does not read, with room to spare; in bytes.
SOCKETS_HOLD = 8_000_000


def _runs_of(result: Comparison, exhibit: str) -> tuple[Run, ...]:
    """Of an exhibit, whatever its parameters."""
    for name in result.strategies:
        if name == exhibit or name.startswith(f"{exhibit},"):
            return result.of(name)
    raise Untestable(f"needs runs of {exhibit}")


def _parameter(runs: tuple[Run, ...], name: str) -> float:
    value = runs[0].environment.get("parameters", {}).get(name)
    if not isinstance(value, int | float):
        raise Untestable(f"needs runs that say what {name} was")
    return float(value)


def _last_ms(runs: tuple[Run, ...]) -> float:
    """The longest that an answered event took; NaN where none was."""
    own = np.concatenate([run.own_ms for run in runs])
    own = own[np.isfinite(own)]
    return float(own.max()) if len(own) else math.nan


def shedding_bounds(result: Comparison) -> float:
    waits(result)
    events = burst(result)
    shedding, queueing = _runs_of(result, "load-shedding"), _runs_of(result, "ack-first")
    workers, waiting = _parameter(shedding, "workers"), _parameter(shedding, "waiting")
    if events < 4 * (waiting + workers):
        raise Untestable("needs a burst of four times what load-shedding holds")
    bounded = 2 * (waiting / workers + 1) * service_ms(result)
    grown = 0.5 * events / _parameter(queueing, "workers") * service_ms(result)
    # numpy's, since it keeps NaN: what was not measured must not pass.
    return float(np.minimum(ratio(bounded, _last_ms(shedding)), ratio(_last_ms(queueing), grown)))


def conflation_works_less(result: Comparison) -> float:
    runs = _runs_of(result, "conflate")
    worked = 0
    for run in runs:
        outcome = run.events["outcome"]
        for connection in range(run.plan.connections):
            own = outcome[run.plan.connection == connection]
            if len(own) < 8:
                raise Untestable("needs at least eight events on each connection")
            if own[-1] != ANSWERED or not np.isin(own, (ANSWERED, SUPERSEDED)).all():
                return 0.0
        worked += int(np.count_nonzero(outcome == ANSWERED))
    return ratio(sum(len(run) for run in runs) / 2, worked)


def a_thread_each(result: Comparison) -> float:
    events = burst(result)
    threads = one(result, "inline", serial=False).threads
    if threads is None:
        raise Untestable("needs runs whose threads were counted")
    return ratio(threads, events / 2)


def everyone_is_told(result: Comparison) -> float:
    told = all(
        s.outcomes["answered"] + s.outcomes["shed"] + s.outcomes["superseded"] == s.events
        and s.duplicates == s.late == s.strays == s.unaccounted == 0
        for s in result.summaries
    )
    return 1.0 if told else 0.0


def order_is_kept(result: Comparison) -> float:
    for run in _runs_of(result, "ordered-pool"):
        if np.bincount(run.plan.connection).max() < 4:
            raise Untestable("needs at least four events on a connection")
        for connection in range(run.plan.connections):
            own = run.plan.connection == connection
            if (run.events["outcome"][own] != ANSWERED).any() or (np.diff(run.events["delivered"][own]) < 0).any():
                return 0.0
    return 1.0


def acknowledged_first(result: Comparison) -> float:
    runs = _runs_of(result, "ack-first")
    acked = np.concatenate([run.acked_ms for run in runs])
    if len(acked) == 0:
        raise Untestable("needs runs whose client asked for acknowledgements")
    return ratio(float(np.median(np.concatenate([run.own_ms for run in runs]))), float(np.median(acked))) / 3


def dropping_bounds_memory(result: Comparison) -> float:
    piles = []
    for exhibit in ("inline", "drop-for-slow"):
        pile = _runs_of(result, exhibit)[0].environment.get("slow_consumer")
        if pile is None:
            raise Untestable(f"needs runs of {exhibit} with a client that does not read")
        if pile["messages"] * pile["size_bytes"] < 2 * SOCKETS_HOLD:
            raise Untestable("needs more bytes than the sockets of both sides can hold")
        piles.append(pile)
    inline, dropping = piles
    piled = ratio(inline["waiting_peak"], inline["messages"] / 2)
    memory = ratio(inline["piled_mb"], max(dropping["piled_mb"], 1e-3)) / 10
    bounded = ratio(inline["waiting_peak"], max(dropping["waiting_peak"], 1)) / 10
    return float(np.min([piled, memory, bounded]))


def _windows(result: Comparison) -> list[tuple[float, tuple[Run, ...]]]:
    """Of each window of `server-batch` its ms and its runs, by length."""
    names = [n for n in result.strategies if n == "server-batch" or n.startswith("server-batch,")]
    if not names:
        raise Untestable("needs runs of server-batch")
    return sorted(((_parameter(result.of(n), "window_ms"), result.of(n)) for n in names), key=lambda pair: pair[0])


def _messages(runs: tuple[Run, ...]) -> float:
    """In how many messages the answers of a run came: those of one message share its instant and its connection."""
    pairs = [np.stack([run.deliveries["connection"], run.deliveries["at"]]) for run in runs]
    return float(np.mean([np.unique(pair, axis=1).shape[1] for pair in pairs]))


def batching_saves_messages(result: Comparison) -> float:
    least = math.inf
    for window_ms, runs in _windows(result):
        together = (runs[0].plan.rate_hz or 0) * window_ms / 1000 / runs[0].plan.connections
        if together < 2:
            raise Untestable("needs a steady rate of two events or more a window")
        least = min(least, ratio(len(runs[0]), _messages(runs)) / (together / 1.5))
    return least


def batching_saves_switches(result: Comparison) -> float:
    inline = _runs_of(result, "inline")
    return ratio(_switches(inline), _switches(_windows(result)[-1][1])) / 1.25


def _switches(runs: tuple[Run, ...]) -> float:
    """Context switches of a run's server, the mean."""
    counts = [count for run in runs if (count := run.environment.get("server_switches")) is not None]
    if len(counts) < len(runs):
        raise Untestable("needs a server in this process, on a system that counts its context switches")
    return float(np.mean(counts))


def batching_costs_time(result: Comparison) -> float:
    plain = result[_runs_of(result, "inline")[0].strategy].own.p50_ms
    window_ms, runs = _windows(result)[-1]
    return (result[runs[0].strategy].own.p50_ms - plain) / (window_ms / 4)


def batching_helps_no_work(result: Comparison) -> float:
    batched = result[_windows(result)[0][1][0].strategy]
    return later(result, batched, one(result, "inline", serial=False)) / 0.75
