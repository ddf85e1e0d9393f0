"""Claims on the instrument itself: whether its numbers can be believed, and what falsifies them."""

import numpy as np

from labkit.claims.record import Claim
from labkit.clock import NS_PER_MS
from labkit.closedloop import Stall
from labkit.comparison import Comparison
from labkit.judges import Untestable, pings_meanwhile
from labkit.records import Run
from labkit.selftest import Reading
from labkit.stamps import NEVER

#: Percentiles that a stall of a tenth of a plan decides.
TAIL = 99.0


def _pair(result: Comparison, first: str, second: str) -> tuple[str, str]:
    for name in (first, second):
        if name not in result.strategies:
            raise Untestable(f"needs runs named {first!r} and {second!r}")
    return first, second


def _right(readings: tuple[Reading, ...]) -> float:
    """The least of how far each percentile is inside of its tolerance; nothing may be lost."""
    if not readings:
        raise Untestable("needs at least one reading of the selftest")
    if any(reading.lost for reading in readings):
        return 0.0
    return min(reading.headroom for reading in readings)


def _stall_hidden(stall: Stall) -> float:
    """Closed loop, as reported: at most a fifth of the truth."""
    return stall.true.percentile(TAIL) / 5 / stall.closed_from_send.percentile(TAIL)


def _stall_seen(stall: Stall) -> float:
    """The same client, counted from the intended start: at least half of the truth."""
    return stall.closed_from_intended.percentile(TAIL) / (stall.true.percentile(TAIL) / 2)


def _late_in_process(result: Comparison) -> float:
    """The client's own lateness, in the server's process over outside of it; of runs, one does not decide."""
    names = _pair(result, "client outside", "client inside")
    outside, inside = (float(np.median([_late_ms(run) for run in result.of(name)])) for name in names)
    return inside / outside / 10


def _late_ms(run: Run) -> float:
    """How late the pings were sent that were due while handlers worked, at the median."""
    sent = pings_meanwhile(run) & (run.pings["sent"] != NEVER)
    if not sent.any():
        raise Untestable("needs pings while handlers work")
    return float(np.median((run.pings["sent"] - run.pings["intended"])[sent])) / NS_PER_MS


def _collector(result: Comparison) -> float:
    """How long a collection holds a handler, over the same with the heap frozen."""
    free, frozen = _pair(result, "not frozen", "frozen")
    return result[free].handler_blocking.p50_ms / result[frozen].handler_blocking.p50_ms / 3


def _nagle(result: Comparison) -> float:
    stock, tuned = _pair(result, "stock", "tuned")
    return result[stock].own.p50_ms / result[tuned].own.p50_ms / 3


def _stamps(result: Comparison) -> float:
    """How little the stamps change: a third, in either direction, is the bound."""
    with_, without = _pair(result, "stamped", "not stamped")
    ratio = result[with_].own.p50_ms / result[without].own.p50_ms
    return 4 / 3 / ratio


CLAIMS = (
    Claim(
        slug="reads-what-is-true",
        lines=(),
        quote="(the measure itself)",
        sentence="Fired at a server whose answers are computed, labkit reads what is true, the tail included.",
        reading="client",
        condition="selftest: a stall, and a serial server under a burst",
        margin="p50, p95, p99 and p99.9 within 5% or 2 ms of Lindley's recursion, nothing lost",
        judge=_right,
        takes=tuple,
    ),
    Claim(
        slug="closed-loop-hides-a-stall",
        lines=(),
        quote="(what load tools report)",
        sentence="A client that waits for its answer before it sends again hides most of a stall from its p99.",
        reading="client",
        condition="a stall of a sixth of the plan, four connections, closed loop, from the actual send",
        margin="p99 at most a fifth of the true one; theory: at most one event a connection meets the stall",
        judge=_stall_hidden,
        takes=Stall,
    ),
    Claim(
        slug="intended-start-shows-it",
        lines=(),
        quote="(the correction for coordinated omission)",
        sentence="The same client shows the stall when latency counts from when each event was due.",
        reading="client",
        condition="the same run, from the intended start",
        margin="p99 at least half of the true one",
        judge=_stall_seen,
        takes=Stall,
    ),
    Claim(
        slug="client-inside-is-late",
        lines=(),
        quote="(a client on a thread of the server's process)",
        sentence="A client in the server's own process is many times later itself, and blames the server for it.",
        reading="client",
        condition="burst of computing work, inline; client in a process of its own and on a thread of the server's",
        margin="median lateness of pings meanwhile 10 times larger; theory: each of its turns waits for the GIL",
        judge=_late_in_process,
    ),
    Claim(
        slug="collection-holds-everybody",
        lines=(),
        quote="(a confounder)",
        sentence="A full garbage collection takes several times longer when what is there already is not frozen.",
        reading="server thread",
        condition="a handler that collects, beside a million objects; gc.freeze() off and on",
        margin="handler-blocking at least 3 times longer; theory: the whole heap is walked, not its young part",
        judge=_collector,
    ),
    Claim(
        slug="nagle-holds-small-answers",
        lines=(),
        quote="(a default)",
        sentence="With Werkzeug's defaults small answers in quick succession wait for the client's acknowledgement.",
        reading="connection",
        condition="bursts of 5 events without work, every 20 ms; stock server and tuned",
        margin="own median at least 3 times longer; theory: Nagle's algorithm and delayed acknowledgements (RFC 1122)",
        judge=_nagle,
    ),
    Claim(
        slug="stamps-cost-little",
        lines=(),
        quote="(the measure itself)",
        sentence="Stamping the server's stages does not change what its callers wait for.",
        reading="server thread",
        condition="events without work at a steady rate, with and without the hooks, interleaved",
        margin="own median longer by less than a third; theory: some microseconds an event",
        judge=_stamps,
    ),
)
