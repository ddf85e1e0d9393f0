"""Does labkit read what is true? Four queues whose answers are computed, fired at with the lab's own client.

Truth is computed event by event from the actual arrivals, the drain included; what is measured is compared with it at
percentiles, from the intended start and from the actual send, and for every event.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.client import process as clients
from labkit.client.firing import Job
from labkit.experiments.known_queue import Queue, TruthServer
from labkit.plan.schedules import Schedule, burst, constant, poisson
from labkit.runs.summary import Distribution
from labkit.runs.table import Table

Float64 = NDArray[np.float64]

PERCENTILES = (50.0, 95.0, 99.0, 99.9)

#: A percentile is right within this share, or within so many ms.
SHARE, CLOSE_MS = 0.05, 2.0

#: And so many of the events must be within `CLOSE_MS` each.
EVENTS_CLOSE = 0.95


@dataclass(frozen=True)
class Case:
    """One queue with known answers.

    Attributes:
        name: for people.
        plan: what is fired.
        service_ms: seeded; events -> ms, one each.
        stall_s: (start, end) since the first arrival; None for none.
        each_event: not the percentiles alone must be right, but 95% of the events within 2 ms each; asked where answers
            do not come all at once.
    """

    name: str
    plan: Schedule
    service_ms: Callable[[int], Float64]
    stall_s: tuple[float, float] | None = None
    each_event: bool = False


def no_service(events: int) -> Float64:
    """Every event is answered at once."""
    return np.zeros(events)


def _fixed(ms: float) -> Callable[[int], Float64]:
    return lambda events: np.full(events, ms)


def _two_point(short_ms: float, long_ms: float, share_long: float, seed: int = 0) -> Callable[[int], Float64]:
    def draw(events: int) -> Float64:
        return np.where(np.random.default_rng(seed).random(events) < share_long, long_ms, short_ms)

    return draw


STALL = Case("a 1 s stall in 10 s of 100/s", constant(100, seconds=10, connections=4), no_service, (4.0, 5.0))
SERIAL = Case("30 at once, served one by one in 20 ms", burst(30), _fixed(20.0))
CASES = (
    STALL,
    SERIAL,
    Case("50/s, 2 ms and now and then 60 ms", constant(50, seconds=6), _two_point(2.0, 60.0, 0.1), each_event=True),
    Case(
        "Poisson, 60/s at a server of 10 ms",
        poisson(60, seconds=6, seed=1, connections=2),
        _fixed(10.0),
        each_event=True,
    ),
)


@dataclass(frozen=True, eq=False)
class Reading:
    """What was measured beside what is true, in ms.

    Attributes:
        case: its name.
        true_ms, measured_ms: from the intended start, one an event.
        true_from_send_ms, measured_from_send_ms: from the actual send.
        lost: events without an answer; they are in no array.
        each_event: see :class:`Case`.
    """

    case: str
    true_ms: Float64
    measured_ms: Float64
    true_from_send_ms: Float64
    measured_from_send_ms: Float64
    lost: int
    each_event: bool = True

    def __repr__(self) -> str:
        rows = tuple(
            (f"p{p:g}", f"{true:.2f}", f"{measured:.2f}", f"{measured - true:+.2f}", f"{from_send:.2f}", f"{sent:.2f}")
            for (p, true, measured), (_, from_send, sent) in zip(
                self.percentiles(), self.percentiles(from_send=True), strict=True
            )
        )
        headers = ("", "true", "measured", "error", "true from send", "measured from send")
        return (
            f"{self.case}: {'right' if self.is_right else 'WRONG'}; {self.events_close:.1%} of {len(self.error_ms)} "
            f"events within {CLOSE_MS:g} ms of the truth, {self.lost} lost\n"
            f"{Table(headers, rows).text()}"
        )

    @property
    def error_ms(self) -> Float64:
        """Of each event: measured minus true."""
        return self.measured_ms - self.true_ms

    @property
    def events_close(self) -> float:
        """The share of events that are within 2 ms of the truth."""
        return float(np.mean(np.abs(self.error_ms) <= CLOSE_MS)) if len(self.error_ms) else 0.0

    def percentiles(self, from_send: bool = False) -> list[tuple[float, float, float]]:
        """(percentile, true, measured) at each of :data:`PERCENTILES`."""
        pair = (self.true_from_send_ms, self.measured_from_send_ms) if from_send else (self.true_ms, self.measured_ms)
        true, measured = (Distribution.of(values) for values in pair)
        return [(p, true.percentile(p), measured.percentile(p)) for p in PERCENTILES]

    @property
    def is_right(self) -> bool:
        """Nothing lost, percentiles within 5% or 2 ms; where it is asked, 95% of the events within 2 ms."""
        return self.lost == 0 and self.headroom >= 1

    @property
    def headroom(self) -> float:
        """The tolerance over the error, of the worst percentile; where each event is asked, also of their share."""
        errors = [(max(SHARE * true, CLOSE_MS), abs(measured - true)) for _, true, measured in self.percentiles()]
        least = min(allowed / max(error, 1e-6) for allowed, error in errors)
        return min(least, self.events_close / EVENTS_CLOSE) if self.each_event else least


def readings(client: clients.Client | None = None) -> Iterator[Reading]:
    """Fire all cases, one after the other."""
    for case in CASES:
        yield read(case, client)


def read(case: Case, client: clients.Client | None = None) -> Reading:
    """Fire one case."""
    firing = client or clients.shared()
    job, queue = prepared(case)
    with TruthServer(queue, len(case.plan)) as server:
        firing.open(server.url, case.plan.connections, bystander=False, listener=False)
        firing.warm([0, 0], 5)
        fired = firing.fire(job)
        firing.close()
    return _compare(case, server, fired.start_ns, fired.sent_ns, fired.delivery_event, fired.delivery_ns)


def prepared(case: Case) -> tuple[Job, Queue]:
    """What is fired, and what it is fired at."""
    events = len(case.plan)
    service_ns = np.round(case.service_ms(events) * NS_PER_MS).astype(np.int64)
    start_s, end_s = case.stall_s or (0.0, 0.0)
    queue = Queue(service_ns, (round(start_s * NS_PER_S), round(end_s * NS_PER_S)))
    drain_s = float(service_ns.sum()) / NS_PER_S + end_s - start_s
    job = Job(
        intended_ns=case.plan.intended_ns,
        connection=case.plan.connection,
        payloads=[0] * events,
        expected=None,
        ping_ns=np.zeros(0, np.int64),
        ping_event="ping",
        timeout_ns=round((drain_s + 5) * NS_PER_S),
    )
    return job, queue


def _compare(
    case: Case,
    server: TruthServer,
    start_ns: int,
    sent_ns: NDArray[np.int64],
    delivered: NDArray[np.int64],
    at_ns: NDArray[np.int64],
) -> Reading:
    answered = np.zeros(len(case.plan), np.int64)
    answered[delivered[::-1]] = at_ns[::-1]  # the first of several
    seen = (answered > 0) & (server.due_ns > 0)
    intended_ns = case.plan.intended_ns + start_ns

    def ms(end: NDArray[np.int64], begin: NDArray[np.int64]) -> Float64:
        return (end - begin)[seen] / NS_PER_MS

    return Reading(
        case=case.name,
        true_ms=ms(server.due_ns, intended_ns),
        measured_ms=ms(answered, intended_ns),
        true_from_send_ms=ms(server.due_ns, sent_ns),
        measured_from_send_ms=ms(answered, sent_ns),
        lost=int(np.count_nonzero(~seen)),
        each_event=case.each_event,
    )
