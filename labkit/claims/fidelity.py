"""Claims on the instrument itself: whether its numbers can be believed, and what falsifies them."""

from collections.abc import Callable

import numpy as np

from labkit.base.clock import NS_PER_MS
from labkit.base.text import ratio
from labkit.claims.claim import ONE, Claim
from labkit.claims.evidence import Untestable, pings_meanwhile
from labkit.experiments.selftest import Reading
from labkit.experiments.stall import Stall
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import INSIDE, Conditions
from labkit.runs.run import Run
from labkit.runs.stages import NEVER

#: Percentiles that a stall of a tenth of a plan decides.
TAIL = 99.0


def _sides(result: Comparison, what: str, of: Callable[[Conditions], bool]) -> tuple[str, str]:
    """The names of the two things that were compared: of which this condition is true, and of which it is not."""
    found = {of(result.of(name)[0].conditions): name for name in result.strategies}
    if len(result.strategies) != 2 or len(found) != 2:
        raise Untestable(f"needs runs of two kinds: {what}, and without that")
    return found[True], found[False]


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
    inside_outside = _sides(result, "with a client inside the server's process", lambda c: c.client == INSIDE)
    inside, outside = (float(np.median([_late_ms(run) for run in result.of(name)])) for name in inside_outside)
    return ratio(inside, outside) / 10


def _late_ms(run: Run) -> float:
    """How late the pings were sent that were due while handlers worked, at the median."""
    sent = pings_meanwhile(run) & (run.pings["sent"] != NEVER)
    if not sent.any():
        raise Untestable("needs pings while handlers work")
    return float(np.median((run.pings["sent"] - run.pings["intended"])[sent])) / NS_PER_MS


def _collector(result: Comparison) -> float:
    """How long a collection holds a handler, over the same with the heap frozen."""
    frozen, free = _sides(result, "with the garbage collector frozen", lambda c: c.gc_frozen)
    return ratio(result[free].handler_blocking.p50_ms, result[frozen].handler_blocking.p50_ms) / 3


def _nagle(result: Comparison) -> float:
    stock, tuned = _sides(result, "on a stock server", lambda c: c.stock)
    return ratio(result[stock].own.p50_ms, result[tuned].own.p50_ms) / 3


def _stamps(result: Comparison) -> float:
    """How little longer callers wait with the stamps: less than a third is the bound."""
    with_, without = _sides(result, "with stamps", lambda c: c.instrumented)
    return 4 / 3 * ratio(result[without].own.p50_ms, result[with_].own.p50_ms)


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
        quote="(what many load tools report)",
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
        sentence="With Werkzeug's defaults small answers to one client in quick succession wait to be acknowledged.",
        reading="connection",
        condition="bursts of 5 events without work from one client, every 20 ms; stock server and tuned",
        margin="own median at least 3 times longer; theory: Nagle's algorithm and delayed acknowledgements (RFC 1122)",
        judge=_nagle,
        who=ONE,
    ),
    Claim(
        slug="stamps-cost-little",
        lines=(),
        quote="(the measure itself)",
        sentence="Stamping the server's stages makes its callers wait longer by less than a third, if at all.",
        reading="server thread",
        condition="events without work at a steady rate, with and without the hooks, interleaved",
        margin="own median longer by less than a third; theory: some microseconds an event",
        judge=_stamps,
    ),
)
