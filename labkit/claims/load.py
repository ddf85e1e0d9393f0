"""The claims about too much of something: bursts, queues, threads, clients that do not read."""

import math

import numpy as np

from labkit.base.text import ratio
from labkit.claims.claim import ONE, Claim
from labkit.claims.evidence import Untestable, burst, later, one, service_ms, waits
from labkit.experiments.batching import mean_switches, messages
from labkit.experiments.slow_reader import Backlog
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.runs.stages import Outcome
from labkit.strategies import plain_name

_BACKGROUND = "Use background threads or async tasks for expensive computation."

#: What the sockets of both sides may hold of a client that does not read, with room to spare; in bytes.
SOCKETS_HOLD = 8_000_000


def _runs_of(result: Comparison, strategy: str) -> tuple[Run, ...]:
    """Of a strategy, whatever its parameters."""
    for name in result.strategies:
        if name == strategy or name.startswith(f"{strategy},"):
            return result.of(name)
    raise Untestable(f"needs runs of {strategy}")


def _parameter(runs: tuple[Run, ...], name: str) -> float:
    value = runs[0].conditions.parameters.get(name)
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
            if own[-1] != Outcome.ANSWERED or not np.isin(own, (Outcome.ANSWERED, Outcome.SUPERSEDED)).all():
                return 0.0
        worked += int(np.count_nonzero(outcome == Outcome.ANSWERED))
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
        if (run.events["outcome"] != Outcome.ANSWERED).any() or run.order.overtaken:
            return 0.0
        if not run.order.is_asked:
            raise Untestable("needs several events of a client under way at once")
    return 1.0


def acknowledged_first(result: Comparison) -> float:
    runs = _runs_of(result, "ack-first")
    acked = np.concatenate([run.acked_ms for run in runs])
    if len(acked) == 0:
        raise Untestable("needs runs whose client asked for acknowledgements")
    return ratio(float(np.median(np.concatenate([run.own_ms for run in runs]))), float(np.median(acked))) / 3


def dropping_bounds_memory(piles: tuple[Backlog, ...]) -> float:
    found = []
    for strategy in ("inline", "drop-for-slow"):
        pile = next((p for p in piles if plain_name(p.run.strategy) == strategy), None)
        if pile is None:
            raise Untestable(f"needs runs of {strategy} with a client that does not read")
        if len(pile.run) * pile.size_bytes < 2 * SOCKETS_HOLD:
            raise Untestable("needs more bytes than the sockets of both sides can hold")
        found.append(pile)
    inline, dropping = found
    piled = ratio(inline.waiting_peak, len(inline.run) / 2)
    memory = ratio(inline.piled_mb, max(dropping.piled_mb, 1e-3)) / 10
    bounded = ratio(inline.waiting_peak, max(dropping.waiting_peak, 1)) / 10
    return float(np.min([piled, memory, bounded]))


def _windows(result: Comparison) -> list[tuple[float, tuple[Run, ...]]]:
    """Of each window of `server-batch` its ms and its runs, by length."""
    names = [n for n in result.strategies if n == "server-batch" or n.startswith("server-batch,")]
    if not names:
        raise Untestable("needs runs of server-batch")
    return sorted(((_parameter(result.of(n), "window_ms"), result.of(n)) for n in names), key=lambda pair: pair[0])


def batching_saves_messages(result: Comparison) -> float:
    least = math.inf
    for window_ms, runs in _windows(result):
        together = (runs[0].plan.rate_hz or 0) * window_ms / 1000 / runs[0].plan.connections
        if together < 2:
            raise Untestable("needs a steady rate of two events or more a window")
        least = min(least, ratio(len(runs[0]), float(np.mean([messages(run) for run in runs]))) / (together / 1.5))
    return least


def batching_saves_switches(result: Comparison) -> float:
    inline = _runs_of(result, "inline")
    return ratio(_switches(inline), _switches(_windows(result)[-1][1])) / 1.25


def _switches(runs: tuple[Run, ...]) -> float:
    counted = mean_switches(runs)
    if counted is None:
        raise Untestable("needs a server in this process, on a system that counts its context switches")
    return counted


def batching_costs_time(result: Comparison) -> float:
    plain = result[_runs_of(result, "inline")[0].strategy].own.p50_ms
    window_ms, runs = _windows(result)[-1]
    return (result[runs[0].strategy].own.p50_ms - plain) / (window_ms / 4)


def batching_helps_no_work(result: Comparison) -> float:
    batched = result[_windows(result)[0][1][0].strategy]
    return later(result, batched, one(result, "inline", serial=False)) / 0.75


CLAIMS = (
    Claim(
        slug="unbounded-threads",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="With default settings there is a thread for every event in flight, and nothing bounds how many.",
        reading="server thread",
        condition="burst of work that takes longer than the burst's arrival, inline, default settings",
        margin="threads at the peak at least half the burst; theory: one for each event",
        judge=a_thread_each,
    ),
    Claim(
        slug="shedding-bounds-latency",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="Whom load-shedding answers, it answers within what its queue can hold; "
        "behind a queue without a limit the last waits for the whole burst.",
        reading="connection",
        condition="burst of waiting work, four times what load-shedding holds; load-shedding and ack-first",
        margin="the longest answer of the one at most twice its queue's length over its workers, and a service; of the "
        "other at least half the burst over its workers; theory: first in, first out, by so many workers",
        judge=shedding_bounds,
    ),
    Claim(
        slug="conflation-does-less-work",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="Conflation does less than half of the work, answers the newest event of every client, "
        "and tells the clients of all others.",
        reading="connection",
        condition="burst, eight events or more a connection, conflate",
        margin="at most half of the events worked on; theory: the first, and the newest when it is done; else exact",
        judge=conflation_works_less,
    ),
    Claim(
        slug="everyone-is-told",
        lines=(),
        quote="(the measure itself: a strategy that declines must say so)",
        sentence="Every event got exactly one answer: a result, or word that there will be none.",
        reading="connection",
        condition="any",
        margin="exact counts",
        judge=everyone_is_told,
        exact=True,
    ),
    Claim(
        slug="ordered-pool-keeps-order",
        lines=(12,),
        quote=_BACKGROUND,
        sentence="A pool can keep the order of each client's events.",
        reading="connection",
        condition="several events a connection, ordered-pool",
        margin="exact: no answer before that to an earlier event of the same client",
        judge=order_is_kept,
        exact=True,
    ),
    Claim(
        slug="ack-comes-first",
        lines=(5, 6),
        quote="B improves responsiveness and reduces input delay.",
        sentence="A client can know at once that its event has arrived, long before there is a result.",
        reading="connection",
        condition="work that waits, ack-first, a client that asks for acknowledgements",
        margin="median acknowledgement at least three times sooner than the median answer; theory: transport alone",
        judge=acknowledged_first,
    ),
    Claim(
        slug="drop-for-slow-bounds-memory",
        lines=(),
        quote="(nothing is said of clients that do not keep up)",
        sentence="What a client does not read piles up in the server without bound, "
        "unless the server looks at what that client has acknowledged.",
        reading="server thread",
        condition="a client that does not read, inline and drop-for-slow (labkit.experiments.slow_reader)",
        margin="inline: at least half of all messages wait; drop-for-slow: a tenth of that, in messages and in bytes; "
        "theory: all but what the sockets hold, against a fixed number",
        judge=dropping_bounds_memory,
        takes=tuple,
        who=ONE,
    ),
    Claim(
        slug="batching-saves-messages",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="A window saves as many messages as the rate and its length say.",
        reading="connection",
        condition="steady events without work, server-batch with several windows",
        margin="answers a message at least two thirds of rate times window; theory: all of it",
        judge=batching_saves_messages,
    ),
    Claim(
        slug="batching-saves-switches",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="With the longest window the server's threads hand over to each other much less often.",
        reading="server thread",
        condition="steady events without work, inline and server-batch, both with async_handlers=False",
        margin="context switches of inline's server at least 1.25 times those with the longest window; theory: reading "
        "an event takes two hand-overs and sending a message one, so 1.5 where nearly no message is left",
        judge=batching_saves_switches,
    ),
    Claim(
        slug="batching-costs-half-a-window",
        lines=(12,),
        quote="Batch updates triggered by events.",
        sentence="What a window saves is paid for with time: every answer waits for its end.",
        reading="connection",
        condition="steady events without work, inline and server-batch",
        margin="own median later by at least a quarter of the longest window; theory: by half of it",
        judge=batching_costs_time,
    ),
    Claim(
        slug="batching-does-not-help-heavy-work",
        lines=(8, 12),
        quote="B with batched updates: verdict good.",
        sentence="Where the work takes the time, batching its answers answers nobody sooner.",
        reading="connection",
        condition="burst of computing work, inline and server-batch",
        margin="own median at least 0.75 of inline's, both in CPU time of the work, so that a core that is slowed for "
        "a while does not count; theory: the same work, and a wait on top",
        judge=batching_helps_no_work,
    ),
)
