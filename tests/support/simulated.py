"""Runs without a server: seeded, with plausible stages, made from what a test wants to say.

::

    simulated.run()                                             # ten events of 100 ms, one after the other
    simulated.run("thread", own_ms=1000, handler_ms=0.2, threads=10)
    simulated.run(own_ms=[5, 7, math.inf])                      # the third was never answered: timed out
    simulated.run(outcomes={"failed": 1, "timed out": 2}, strays=9)
    simulated.run(own_ms=[2, 210], kinds=["chat", "export"], service_ms=[1, 200])
    simulated.comparison({"inline": {}, "thread": {"own_ms": 1000}}, repeats=3, spread=0.1)

A number given is kept to the nanosecond; only where `spread` is above 0 are latencies drawn around it, from `seed`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import Schedule, burst
from labkit.runs import environment as machine
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import Conditions
from labkit.runs.run import Run
from labkit.runs.stages import NEVER, OUTCOMES, SIDE_MARKS, STAGES, Delivery, Outcome
from labkit.runs.summary import BOUNDS_MS

NUMBERS = {name: i for i, name in enumerate(OUTCOMES)} | {"unaccounted": -1}


def run(
    strategy: str = "inline", events: int | None = None, *,
    plan: Schedule | None = None,  # a burst of `events` (or 10) where None
    clients: int | None = None,  # that send such a burst; the plan's own number where None
    own_ms: float | Sequence[float] | None = None,  # inf: timed out. None: service_ms one after the other
    bystander_ms: float | Sequence[float] = 1.0,  # inf: no acknowledgement
    pings: int = 50,  # at 50/s; as many as values where bystander_ms is a list
    blocked_ms: float | Sequence[float] = 0.1,  # how long the connection took nothing else
    late_ms: float | Sequence[float] = 0.05,  # how late the client sent
    pings_late_ms: float | Sequence[float] = 0.05,  # how late it sent the pings
    service_ms: float | Sequence[float] = 100.0,
    handler_ms: float | Sequence[float] | None = None,  # service_ms where None
    outcomes: Mapping[str, int] | Sequence[str] | None = None,  # counts, of the last events; or a name for each event
    acked_ms: float | Sequence[float] | None = None,  # inf: no acknowledgement. None: the client asked for none
    kinds: Sequence[str] | None = None,  # of a mix: of each event the name of its kind
    samples: Sequence[Sequence[float]] | None = None,  # rows: ms, threads, bytes, CPU ns; instead of `threads`
    strays: int = 0,  # answers at the bystander, of the first events
    duplicates: int = 0,  # second answers, of the first events that have one
    late: int = 0,  # answers after the deadline, of the first events that timed out
    garbled: int = 0,  # deliveries of which no event can be told
    threads: int | None = 1,  # more at the peak than before; None: nobody looked
    instrumented: bool = True,  # False: none of the server's stamps
    messages: Mapping[int, str] | None = None, conditions: Mapping[str, Any] | None = None,  # replaces fields
    spread: float = 0.0,  # own_ms and bystander_ms are drawn, evenly, up to this share below and above
    seed: int = 0, timeout_s: float = 30.0, work: str = "cpu:100ms", mode: str = "threading",
) -> Run:  # fmt: skip
    """One run of `strategy`; see the comments above, and the module's docstring for examples."""
    random = np.random.default_rng(seed)
    counted = isinstance(outcomes, Mapping)
    names = [name for name, n in outcomes.items() for _ in range(n)] if counted else list(outcomes or ())
    if events is None:
        events = next(
            (len(x) for x in (plan, own_ms, kinds, None if counted else outcomes) if hasattr(x, "__len__")), 10
        )
    plan = plan or burst(events, connections=clients)
    own = _each(np.cumsum(_each(service_ms, events)) if own_ms is None else own_ms, events)
    own = own * random.uniform(1 - spread, 1 + spread, events)
    outcome = np.where(np.isinf(own), Outcome.TIMED_OUT, 0)
    outcome[events - len(names) :] = [NUMBERS[name] for name in names]
    answer = ((outcome >= 0) & (outcome <= Outcome.WRONG)) | (outcome == Outcome.UNREADABLE)
    sent = outcome != Outcome.UNSENT
    worked = answer & ~np.isin(outcome, (Outcome.SHED, Outcome.SUPERSEDED))

    at = {"intended": plan.intended_ns, "sent": plan.intended_ns + _ns(_each(late_ms, events))}
    at["delivered"] = plan.intended_ns + _ns(np.nan_to_num(own, posinf=0))
    way = np.maximum(at["delivered"] - at["sent"], 0) // 100  # a hundredth of the way on: everything in order
    at["read"], at["dispatched"], at["handler_start"] = at["sent"] + way, at["sent"] + 2 * way, at["sent"] + 3 * way
    at["work_end"], at["emitted"] = at["delivered"] - 2 * way, at["delivered"] - way
    at["work_start"] = np.maximum(at["sent"] + 4 * way, at["work_end"] - _ns(_each(service_ms, events)))
    at["handler_end"] = at["handler_start"] + _ns(_each(service_ms if handler_ms is None else handler_ms, events))
    at["loop_free"] = at["dispatched"] + _ns(_each(blocked_ms, events))
    for stage in {*STAGES, *SIDE_MARKS} - {"intended"}:
        reached = worked if stage.startswith("work") else answer if stage in ("emitted", "delivered") else sent
        hidden = not instrumented and stage not in ("sent", "work_start", "work_end", "delivered")
        at[stage] = np.where(reached & (not hidden), at[stage], NEVER)
    at["service"], at["outcome"] = _ns(_each(service_ms, events)), outcome.astype(np.int64)
    at["work_cpu"] = np.where(worked, at["service"], NEVER)

    names_of_kinds = tuple(dict.fromkeys(kinds or ()))
    if kinds is not None:
        at["kind"] = np.array([names_of_kinds.index(kind) for kind in kinds], np.int64)
    if acked_ms is not None:
        waited = _each(acked_ms, events)
        at["acked"] = np.where(np.isfinite(waited), plan.intended_ns + _ns(np.nan_to_num(waited, posinf=0)), NEVER)

    took = np.full(pings, bystander_ms, float) if np.ndim(bystander_ms) == 0 else np.asarray(bystander_ms, float)
    took = took * random.uniform(1 - spread, 1 + spread, len(took))
    due = _ns((np.arange(len(took)) + 0.5) * 20)
    acked = np.where(np.isfinite(took), due + _ns(np.nan_to_num(took, posinf=0)), NEVER)

    found = [(e, plan.connection[e], at["delivered"][e], Delivery.ANSWER) for e in np.flatnonzero(answer)]
    found += [(e, c, when + 1_000_000, Delivery.DUPLICATE) for e, c, when, _ in found[:duplicates]]
    found += [(e, plan.connections, plan.intended_ns[e] + 1_000_000, Delivery.STRAY) for e in range(strays)]
    for e in np.flatnonzero(outcome == Outcome.TIMED_OUT)[:late]:
        found.append((e, plan.connection[e], plan.intended_ns[e] + round(timeout_s * 1e9) + 1, Delivery.LATE))
    found += [(-1, 0, number, Delivery.GARBLED) for number in range(garbled)]
    deliveries = np.array(sorted(found, key=lambda f: f[2]), np.int64).reshape(-1, 4).T
    seen = [] if threads is None else [(0, 9, 5e7, 0), (100, 9 + threads, 6e7, 5e7)]
    looked = np.array([(ms * 1e6, *rest) for ms, *rest in (seen if samples is None else samples)], np.int64)
    about: dict[str, Any] = {
        "warm_up_asked": 2, "warm_up_answered": 2, "spare_cpu": (1.0, 1.0), "server_cpu_s": 1.0, "gc_frozen": True,
        "ping_hz": 50.0, "window_s": len(took) / 50, "switch_interval_s": 0.005, "instrumented": instrumented,
        "answers_checked": True,
    }  # fmt: skip
    return Run(
        strategy, work, mode, plan, timeout_s, at,
        deliveries=dict(zip(("event", "connection", "at", "kind"), deliveries, strict=True)),
        pings={"intended": due, "sent": due + _ns(pings_late_ms), "acked": acked},
        samples=dict(zip(("at", "threads", "resident_bytes", "cpu"), looked.reshape(-1, 4).T, strict=True)),
        messages=dict(messages or {}),
        machine=machine.describe(),
        conditions=Conditions(**{**about, **(conditions or {})}),
        kinds=names_of_kinds,
    )  # fmt: skip


def comparison(
    strategies: Mapping[str, Mapping[str, Any]], repeats: int = 3, *, bounds_ms: Any = BOUNDS_MS, **shared: Any
) -> Comparison:
    """`repeats` runs of each name, interleaved; its own arguments of `run` win over the `shared` ones."""
    order = interleaved(list(strategies), repeats, shared.pop("seed", 0))
    runs = [run(name, **{**shared, **strategies[name], "seed": number}) for number, name in enumerate(order)]
    return Comparison(tuple(runs), bounds_ms, tuple(strategies))


def _each(value: Any, count: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, float), (count,))


def _ns(ms: Any) -> np.ndarray:
    return np.rint(np.asarray(ms) * 1e6).astype(np.int64)
