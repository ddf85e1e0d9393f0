"""What became of every event: from the raw stamps of the client and the server to a :class:`~labkit.runs.run.Run`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.plan.exchange import OWN_ID, Exchange
from labkit.plan.schedules import Schedule
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.runs.stages import MISSING, NEVER, SERVER_COLUMNS, UNACCOUNTED, Delivery, Outcome

Int64 = NDArray[np.int64]


def close(
    fired: Fired,
    stamps: Mapping[str, Any],
    *,
    strategy: str,
    work: str,
    mode: str,
    plan: Schedule,
    ping_ns: Int64,
    timeout_s: float,
    service_ms: Sequence[float | None],
    machine: Mapping[str, Any],
    conditions: Conditions,
    kinds: Sequence[str] = (),
    kind: Sequence[int] = (),
    arrivals: Mapping[str, Int64] | None = None,
) -> Run:
    """Attribute every delivery to its event, give every event its outcome.

    An event's outcome is that of the first answer on its own connection before its deadline. Without one it has timed
    out, or was disconnected (its connection closed before the deadline, or even before it was sent), or was never sent
    for another reason. If the client stopped waiting before the deadline it is *unaccounted*, which is a fault of the
    lab and not of the server. Where answers are not matched with events, an event was *sent*, and nobody knows more.

    `kinds` are the names of the kinds of a mix, and `kind` is each event's number in them. A time that an event takes
    alone is None where it is not known. `arrivals` are the columns of :attr:`labkit.runs.run.Run.arrivals`.
    """
    at = fired.delivery_ns - fired.start_ns
    deadline = plan.intended_ns + round(timeout_s * NS_PER_S)
    exchange = Exchange.of(conditions.exchange)
    delivery, places = _attributed(fired, plan, at, deadline, exchange.match == OWN_ID)
    if conditions.exchange.get("fan_out"):
        _meant(fired, delivery)
    return Run(
        strategy=strategy,
        work=work,
        mode=mode,
        plan=plan,
        timeout_s=timeout_s,
        events={
            "intended": plan.intended_ns.astype(np.int64),
            "outcome": _outcomes(fired, plan, deadline, places, exchange.is_matched),
            **_stamped(fired, stamps, places),
            "service": np.array([NEVER if ms is None else round(ms * NS_PER_MS) for ms in service_ms], np.int64),
            **({"kind": np.array(kind, np.int64)} if kinds else {}),
        },
        deliveries={"event": fired.delivery_event, "connection": fired.delivery_connection, "at": at, "kind": delivery},
        pings={
            "intended": ping_ns,
            "sent": _relative(fired.ping_sent_ns, fired.start_ns),
            "acked": _relative(fired.ping_acked_ns, fired.start_ns),
        },
        samples=_samples(fired),
        messages={e: fired.messages[p] for p in fired.messages if places[e := int(fired.delivery_event[p])] == p},
        machine=machine,
        conditions=conditions,
        kinds=tuple(kinds),
        arrivals=arrivals or {},
    )


def _samples(fired: Fired) -> dict[str, Int64]:
    """The server's process over time."""
    columns = dict(zip(("at", "threads", "resident_bytes", "cpu"), fired.samples.T, strict=True))
    return {**columns, "at": columns["at"] - fired.start_ns}


def _outcomes(fired: Fired, plan: Schedule, deadline: Int64, places: Int64, is_matched: bool) -> Int64:
    """What became of every event; later lines win over earlier ones."""
    answered = places >= 0
    silent = ~answered
    outcome = np.full(len(plan), UNACCOUNTED, np.int64)
    outcome[answered] = fired.delivery_status[places[answered]]
    outcome[silent & (fired.end_ns - fired.start_ns >= deadline)] = Outcome.TIMED_OUT
    if not is_matched:
        outcome[fired.sent_ns != MISSING] = Outcome.SENT
    closed = _relative(fired.closed_ns, fired.start_ns)[plan.connection]
    outcome[silent & (fired.sent_ns == MISSING)] = Outcome.UNSENT
    lost = silent if is_matched else fired.sent_ns == MISSING
    outcome[lost & (closed != NEVER) & (closed <= deadline)] = Outcome.DISCONNECTED
    return outcome


def _stamped(fired: Fired, stamps: Mapping[str, Any], places: Int64) -> dict[str, Int64]:
    """Every stage of every event that somebody stamped, from the start of the run."""
    start_ns = fired.start_ns
    columns = {
        "sent": _relative(fired.sent_ns, start_ns),
        "delivered": _picked(fired.delivery_ns - start_ns, places),
        "work_start": _picked(_relative(fired.work_start_ns, start_ns), places),
        "work_end": _picked(_relative(fired.work_end_ns, start_ns), places),
        "work_cpu": _picked(np.where(fired.work_start_ns == MISSING, NEVER, fired.work_cpu_ns), places),
    }
    for name in SERVER_COLUMNS:
        columns[name] = _relative(np.array(stamps[name], np.int64), start_ns)
    if len(fired.acked_ns):
        columns["acked"] = _relative(fired.acked_ns, start_ns)
    return columns


def _attributed(fired: Fired, plan: Schedule, at: Int64, deadline: Int64, has_own_ids: bool) -> tuple[Int64, Int64]:
    """Of every delivery its kind, and of every event the place of its answer among the deliveries; -1 for none."""
    kind = np.full(len(at), Delivery.GARBLED, np.int64)
    order = np.argsort(at, kind="stable")
    event = fired.delivery_event
    known = order[event[order] >= 0]
    own = fired.delivery_connection[known] == plan.connection[event[known]]
    kind[known[~own]] = Delivery.STRAY
    mine = known[own]
    kind[mine] = Delivery.DUPLICATE
    _, first = np.unique(event[mine], return_index=True)
    heard = mine[first]  # the first delivery of each event that has one, whether or not it is in time
    # Whose id is none of the plan's, or where nothing is matched: an answer, though nobody knows to what.
    if not has_own_ids:
        kind[(event < 0) & (fired.delivery_status == Outcome.ANSWERED)] = Delivery.UNMATCHED
    in_time = at[heard] <= deadline[event[heard]]
    kind[heard] = np.where(in_time, Delivery.ANSWER, Delivery.LATE)
    places = np.full(len(plan), -1, np.int64)
    places[event[heard[in_time]]] = heard[in_time]
    return kind, places


def _meant(fired: Fired, delivery: Int64) -> None:
    """Where answers are meant for everybody, what would be a stray is not: the first on each connection is meant."""
    strays = np.flatnonzero(delivery == Delivery.STRAY)
    strays = strays[np.argsort(fired.delivery_ns[strays], kind="stable")]
    pair = fired.delivery_event[strays] * (1 + fired.delivery_connection.max(initial=0))
    _, first = np.unique(pair + fired.delivery_connection[strays], return_index=True)
    delivery[strays] = Delivery.DUPLICATE
    delivery[strays[first]] = Delivery.MEANT


def _relative(stamps: Int64, start_ns: int) -> Int64:
    return np.where(stamps == MISSING, NEVER, stamps - start_ns)


def _picked(column: Int64, places: Int64) -> Int64:
    """Of each event the value that stands at its answer's place; NEVER where it has no answer."""
    if len(column) == 0:
        return np.full(len(places), NEVER, np.int64)
    return np.where(places >= 0, column[np.maximum(places, 0)], NEVER)
