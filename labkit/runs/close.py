"""What became of every event: from the raw stamps of the client and the server to a :class:`~labkit.runs.run.Run`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.plan.schedules import Schedule
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.runs.stages import MISSING, NEVER, SERVER_COLUMNS, UNACCOUNTED, Delivery, Outcome, Stage

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
    service_ms: Sequence[float],
    machine: Mapping[str, Any],
    conditions: Conditions,
) -> Run:
    """Attribute every delivery to its event, give every event its outcome.

    An event's outcome is that of the first answer on its own connection before its deadline. Without one it has timed
    out, or was disconnected (its connection closed before the deadline), or was never sent. If the client stopped
    waiting before the deadline it is *unaccounted*, which is a fault of the lab and not of the server.
    """
    count = len(plan)
    start_ns = fired.start_ns
    intended = plan.intended_ns.astype(np.int64)
    deadline = intended + round(timeout_s * NS_PER_S)
    sent = _relative(fired.sent_ns, start_ns)
    at = fired.delivery_ns - start_ns

    kind, places = _attributed(fired, plan, at, deadline)
    answered = places >= 0
    silent = ~answered
    outcome = np.full(count, UNACCOUNTED, np.int64)
    outcome[answered] = fired.delivery_status[places[answered]]
    delivered = np.full(count, NEVER, np.int64)
    delivered[answered] = at[places[answered]]
    closed = _relative(fired.closed_ns, start_ns)[plan.connection]
    waited = fired.end_ns - start_ns
    outcome[silent & (waited >= deadline)] = Outcome.TIMED_OUT
    outcome[silent & (closed != NEVER) & (closed <= deadline)] = Outcome.DISCONNECTED
    outcome[silent & (sent == NEVER)] = Outcome.UNSENT

    columns: dict[str, Int64] = {"intended": intended, "sent": sent, "delivered": delivered, "outcome": outcome}
    for name in SERVER_COLUMNS:
        columns[name] = _relative(np.array(stamps[name], np.int64), start_ns)
    for stage, source in ((Stage.WORK_START, fired.work_start_ns), (Stage.WORK_END, fired.work_end_ns)):
        columns[stage] = _picked(_relative(source, start_ns), places)
    columns["work_cpu"] = _picked(np.where(fired.work_start_ns == MISSING, NEVER, fired.work_cpu_ns), places)
    if len(fired.acked_ns):
        columns["acked"] = _relative(fired.acked_ns, start_ns)
    columns["service"] = np.array([round(ms * NS_PER_MS) for ms in service_ms], np.int64)

    return Run(
        strategy=strategy,
        work=work,
        mode=mode,
        plan=plan,
        timeout_s=timeout_s,
        events=columns,
        deliveries={"event": fired.delivery_event, "connection": fired.delivery_connection, "at": at, "kind": kind},
        pings={
            "intended": ping_ns,
            "sent": _relative(fired.ping_sent_ns, start_ns),
            "acked": _relative(fired.ping_acked_ns, start_ns),
        },
        samples={
            "at": fired.samples[:, 0] - start_ns,
            "threads": fired.samples[:, 1],
            "resident_bytes": fired.samples[:, 2],
            "cpu": fired.samples[:, 3],
        },
        messages={e: fired.messages[p] for p in fired.messages if places[e := int(fired.delivery_event[p])] == p},
        machine=machine,
        conditions=conditions,
    )


def _attributed(fired: Fired, plan: Schedule, at: Int64, deadline: Int64) -> tuple[Int64, Int64]:
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
    in_time = at[heard] <= deadline[event[heard]]
    kind[heard] = np.where(in_time, Delivery.ANSWER, Delivery.LATE)
    places = np.full(len(plan), -1, np.int64)
    places[event[heard[in_time]]] = heard[in_time]
    return kind, places


def _relative(stamps: Int64, start_ns: int) -> Int64:
    return np.where(stamps == MISSING, NEVER, stamps - start_ns)


def _picked(column: Int64, places: Int64) -> Int64:
    """Of each event the value that stands at its answer's place; NEVER where it has no answer."""
    if len(column) == 0:
        return np.full(len(places), NEVER, np.int64)
    return np.where(places >= 0, column[np.maximum(places, 0)], NEVER)
