"""A run of a million events: bytes per event of the record, and how long closing and summarising it takes."""

import resource

import numpy as np

from labkit import Comparison
from labkit.base import clock
from labkit.plan import schedules
from labkit.runs.close import close
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.stages import SERVER_COLUMNS
from labkit.server.stamps import Stamps

EVENTS, CONNECTIONS = 1_000_000, 8


def fired(plan: schedules.Schedule) -> tuple[Fired, Stamps]:
    """What client and server would have kept: answered after some ms, out of order, 1% of them late or lost."""
    random = np.random.default_rng(0)
    start_ns = 10**12
    sent = start_ns + plan.intended_ns + random.integers(1_000, 90_000, len(plan))
    done = sent + random.exponential(20e6, len(plan)).astype(np.int64)
    stamps = Stamps(len(plan))
    for column in SERVER_COLUMNS:
        np.frombuffer(getattr(stamps, column), np.int64)[:] = sent + 50_000
    answered = np.flatnonzero(random.random(len(plan)) > 0.01)
    order = answered[np.argsort(done[answered])]
    none = np.zeros(0, np.int64)
    return Fired(
        start_ns=start_ns,
        end_ns=int(done.max()) + 10**10,
        sent_ns=sent,
        delivery_event=order,
        delivery_connection=plan.connection[order],
        delivery_ns=done[order],
        delivery_status=np.zeros(len(order), np.int64),
        work_start_ns=sent[order],
        work_end_ns=done[order],
        work_cpu_ns=np.full(len(order), 1000, np.int64),
        messages={},
        ping_sent_ns=none,
        ping_acked_ns=none,
        closed_ns=np.zeros(CONNECTIONS + 2, np.int64),
        samples=np.zeros((0, 4), np.int64),
        cpu_ns=0,
        collections=0,
    ), stamps


def main() -> None:
    plan = schedules.constant(10_000, events=EVENTS, connections=CONNECTIONS)
    raw, stamps = fired(plan)
    before = clock.now_ns()
    run = close(
        raw,
        stamps.columns(),
        strategy="inline",
        work="none",
        mode="threading",
        plan=plan,
        ping_ns=np.zeros(0, np.int64),
        timeout_s=1.0,
        service_ms=[0.0] * EVENTS,
        machine={},
        conditions=Conditions(),
    )
    closed_s = (clock.now_ns() - before) / clock.NS_PER_S
    before = clock.now_ns()
    summary = Comparison((run,))["inline"]
    summarised_s = (clock.now_ns() - before) / clock.NS_PER_S
    arrays = [plan.intended_ns, plan.connection, *run.events.values(), *run.deliveries.values()]
    kept = sum(array.nbytes for array in {id(array): array for array in arrays}.values())
    print(f"{EVENTS:,} events: {kept / EVENTS:.0f} bytes an event (asked 250), plan and deliveries included")
    print(f"closed in {closed_s:.2f} s, summarised in {summarised_s:.2f} s (asked 2); p98 {summary.own.tail}")
    print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
