"""The advice as executable claims: what was said, how it is measured, and whether it holds here.

A claim is judged on the very comparison that was plotted. It is a ratio or a count with a bound from theory, never a
number of milliseconds, and its sentence carries no raw number, so that a notebook's stored output can be compared. It
informs and never punishes: a claim that does not hold says so, and raises nothing.

The advice is the page "WebSocket events handling in Flask: performance and optimization"; its lines are numbered as in
README. A is its handler that calculates inside, B its handler that starts a thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labkit import claims_load, judges
from labkit.comparison import Comparison
from labkit.errors import UsageError
from labkit.propositions import Claim
from labkit.records import Run
from labkit.text import Plain

HOLDS, DOES_NOT_HOLD, NOT_TESTABLE = "HOLDS", "DOES NOT HOLD HERE", "NOT TESTABLE HERE"


@dataclass(frozen=True)
class Verdict:
    """A claim, judged.

    Attributes:
        claim: which.
        status: HOLDS, DOES NOT HOLD HERE or NOT TESTABLE HERE.
        headroom: measured over bound; NaN where it is not testable.
        why: the reason, where it is not testable.
    """

    claim: Claim
    status: str
    headroom: float = math.nan
    why: str = ""

    def __repr__(self) -> str:
        return f"{self.status}: {self.why or self.claim.sentence}"


def claim(slug: str, result: Comparison | Run) -> Verdict:
    """Judge a claim on a comparison, or on a single run.

    Raises:
        UsageError: there is no such claim. Nothing else: what cannot be judged is NOT TESTABLE HERE, with the reason.
    """
    if slug not in CLAIMS:
        raise UsageError(f"there is no claim {slug!r}: there are {', '.join(CLAIMS)}")
    chosen = CLAIMS[slug]
    try:
        comparison = Comparison((result,)) if isinstance(result, Run) else result
        if not comparison.runs:
            raise judges.Untestable("needs at least one run")
        headroom = chosen.judge(comparison)
    except (judges.Untestable, UsageError) as reason:
        return Verdict(chosen, NOT_TESTABLE, why=str(reason))
    if math.isnan(headroom):
        return Verdict(chosen, NOT_TESTABLE, why="a latency that the claim is about was not measured")
    return Verdict(chosen, HOLDS if headroom >= 1 else DOES_NOT_HOLD, headroom)


def check(mine: Sequence[str] | None, measured: Sequence[str]) -> Plain:
    """An exercise: is the reader's order (best first) the measured one? Compares orders, never milliseconds."""
    if not mine:
        return Plain(f"Your turn: write the order of {', '.join(sorted(measured))}, best first.")
    if sorted(mine) != sorted(measured):
        return Plain(f"Name each of {', '.join(sorted(measured))} once.")
    if list(mine) == list(measured):
        return Plain("Right: this machine measured the same order.")
    first = next(i for i, (a, b) in enumerate(zip(mine, measured, strict=True)) if a != b)
    return Plain(f"Not on this machine: place {first + 1} is {measured[first]}.")


_ALL = (
    Claim(
        slug="one-alone",
        lines=(2,),
        quote="(the measure itself: a single event must show its work and little else)",
        sentence="One event alone is answered after little more than its own work.",
        reading="connection",
        condition="one event, inline",
        margin="all but the work takes at most a quarter of the work's time; theory: the transport alone",
        judge=judges.alone,
    ),
    Claim(
        slug="connection-reads-on",
        lines=(2,),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="With default settings slow handlers do not keep their connection from reading on.",
        reading="connection",
        condition="burst, inline, default settings",
        margin="handler-blocking at least 3 times connection-blocked; theory: the loop only starts a thread",
        judge=judges.reads_on,
    ),
    Claim(
        slug="neighbours-wait",
        lines=(2, 3),
        quote="A therefore causes UI lag and delayed responses.",
        sentence="While handlers compute, somebody who sent nothing waits longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work, inline, default settings",
        margin="bystander's median at least half the work's CPU time in the same runs; "
        "theory: each of its steps waits a turn of the GIL",
        judge=judges.neighbours_wait,
    ),
    Claim(
        slug="serial-spares-neighbours",
        lines=(2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="Handled one at a time, the same computing work is the far better neighbour.",
        reading="connection",
        condition="burst of computing work, inline with and without async_handlers=False",
        margin="bystander's median better by a quarter of the burst; theory: one thread competes instead of all",
        judge=judges.serial_spares,
    ),
    Claim(
        slug="waiting-flips-it",
        lines=(2, 3),
        quote="Heavy work inside the event handler (A) blocks the main thread.",
        sentence="When handlers wait instead of computing, one at a time answers its own callers later, "
        "and neighbours notice neither.",
        reading="connection",
        condition="burst of waiting work, inline with and without async_handlers=False",
        margin="own median later by half of what theory says (half the burst against once); "
        "bystander's medians under half a service time",
        judge=judges.waiting_flips,
    ),
    Claim(
        slug="thread-returns-sooner",
        lines=(5,),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="A handler that starts a thread returns much sooner than one that computes.",
        reading="server thread",
        condition="burst, inline and thread, default settings",
        margin="handler-blocking at least 3 times less; theory: starting a thread against the whole work",
        judge=judges.thread_returns,
    ),
    Claim(
        slug="thread-answers-nobody-sooner",
        lines=(6,),
        quote="B improves responsiveness and reduces input delay.",
        sentence="With default settings the thread answers nobody sooner.",
        reading="connection",
        condition="burst, inline and thread, default settings",
        margin="own median at least 0.6 of inline's, both in CPU time of the work, so that a core that is slowed for a "
        "while does not count; theory: equal, since each event has a thread either way",
        judge=judges.thread_no_sooner,
    ),
    Claim(
        slug="thread-spares-no-neighbour",
        lines=(5, 6),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="Behind the thread, somebody who sent nothing still waits longer than half a calculation takes.",
        reading="server thread",
        condition="burst of computing work, thread, default settings",
        margin="bystander's median at least half the work's CPU time in the same runs; theory: the GIL is the same",
        judge=judges.thread_neighbours,
    ),
    Claim(
        slug="thread-harms-a-serial-server",
        lines=(5, 6),
        quote="B keeps the main thread free for the UI and other events.",
        sentence="On a server that handles one event at a time, the thread makes computing work a worse neighbour.",
        reading="server thread",
        condition="burst of computing work, inline and thread, both with async_handlers=False",
        margin="bystander's median worse by a fifth of the burst; theory: all threads compete instead of one",
        judge=judges.thread_worse_on_serial,
    ),
    Claim(
        slug="thread-is-right-for-waiting",
        lines=(5, 6),
        quote="B improves responsiveness and reduces input delay.",
        sentence="For work that waits, on a server that handles one event at a time, the thread is right: "
        "its callers are answered several times sooner.",
        reading="connection",
        condition="burst of waiting work, inline and thread, both with async_handlers=False",
        margin="own median sooner by half of what theory says: half the burst against once",
        judge=judges.thread_right,
    ),
    Claim(
        slug="broadcast-reaches-strangers",
        lines=(5, 6),
        quote="the thread calculates, then socketio.emit('response', result)",
        sentence="As written, every answer lands in every stranger's inbox.",
        reading="connection",
        condition="thread-broadcast, a listener and a bystander connected",
        margin="exactly one stray an event and stranger",
        judge=judges.broadcast,
    ),
    Claim(
        slug="to-sid-repairs-it",
        lines=(5, 6),
        quote="the thread calculates, then socketio.emit('response', result)",
        sentence="With to=sid every caller gets its answer, and nobody else does.",
        reading="connection",
        condition="thread, a listener and a bystander connected",
        margin="exactly no stray, and every event answered",
        judge=judges.to_sid,
    ),
    Claim(
        slug="processes-spare-neighbours",
        lines=(12,),
        quote="Use background threads or async tasks for expensive computation.",
        sentence="Computing in another process spares the neighbours; a thread of this one does not.",
        reading="server thread",
        condition="burst of computing work, inline and process-pool, two cores",
        margin="bystander's median at least 10 times better; theory: no turn of the GIL to wait for",
        judge=judges.processes_spare,
    ),
    Claim(
        slug="ledger-is-closed",
        lines=(),
        quote="(the measure itself: nothing may be lost, wrong or unexplained)",
        sentence="Every strategy answered every event once, rightly, and to its own caller alone "
        "(all but the broadcast, which is known for it).",
        reading="connection",
        condition="any",
        margin="exact counts",
        judge=judges.closed_ledger,
    ),
)

#: All claims by slug.
CLAIMS: dict[str, Claim] = {c.slug: c for c in (*_ALL, *claims_load.ALL)}
