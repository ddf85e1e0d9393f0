"""Claims about an app that was fired at as it runs, and their judges: what only an open loop sees; what mending does.

Each is of a bystander that sends an event of the app at an even rate while others load it.
"""

from typing import Any

import numpy as np

from labkit.base.clock import NS_PER_MS
from labkit.base.text import ratio
from labkit.claims.claim import MANY, ONE, Claim
from labkit.claims.evidence import Untestable
from labkit.runs.diff import Diff, Direction
from labkit.runs.run import Run
from labkit.runs.stages import NEVER

#: Linux acknowledges what it has received after so long, at the latest, in ms: a client that sends more rarely than
#: that does not meet what the first claim is about.
DELAYED_ACK_MS = 40

#: Of fewer answers, a median says little.
FEWEST = 50

#: Where the app works on the others' events for a larger share of the time, both medians are of that time.
MOST_BUSY = 0.5

#: The second claim's bound: so many times shorter.
TIMES_SHORTER = 2


def closed_loop_hides(measured: tuple[Any, ...]) -> float:
    if len(measured) != 2 or not isinstance(measured[0], Run):
        raise Untestable("needs a run, and the latencies in ms of a client that waited for each of its answers")
    run, closed_ms = measured[0], np.asarray(measured[1], np.float64)
    if min(len(run.bystander_ms), len(closed_ms)) < FEWEST:
        raise Untestable(f"needs {FEWEST} answers or more of the bystander, and of the client that waits")
    every_ms = float(np.median(np.diff(run.pings["intended"]))) / NS_PER_MS
    if every_ms >= DELAYED_ACK_MS:
        raise Untestable(f"needs a bystander that sends more often than every {DELAYED_ACK_MS} ms")
    if (busy := _busy(run)) > MOST_BUSY:
        raise Untestable(f"needs an app that is idle most of the time: others waited during {busy:.0%} of it")
    half_ms = every_ms / 2
    opened, closed = float(np.median(run.bystander_ms)), float(np.median(closed_ms))
    return min(opened / half_ms, ratio(half_ms, closed))


def _busy(run: Run) -> float:
    """The share of the bystander's messages that were due while somebody else waited for an answer."""
    due = run.pings["intended"][:, np.newaxis]
    sent, delivered = run.events["sent"], run.events["delivered"]
    waited = (sent != NEVER) & (sent <= due) & ((due < delivered) | (delivered == NEVER))
    return float(waited.any(axis=1).mean())


def mended_is_faster(found: Diff) -> float:
    medians = [change for change in found if change.quantity.name == "bystander.p50"]
    if not medians:
        raise Untestable("needs a bystander on both sides")
    if untold := [change for change in medians if change.direction is Direction.UNKNOWN]:
        raise Untestable(untold[0].why)
    if any(change.direction is not Direction.FASTER for change in medians):
        return 0.0
    return min(ratio(1.0, change.found.factor) for change in medians) / TIMES_SHORTER


_QUOTE = "(an app, fired at from outside)"

CLAIMS = (
    Claim(
        slug="closed-loop-never-meets-nagle",
        lines=(),
        quote=_QUOTE,
        sentence="With Werkzeug's defaults an answer waits for its client's next message. A client that waits for each "
        "answer before it sends again never sees that.",
        reading="connection",
        condition="an app under Werkzeug with Nagle's algorithm on, which is idle most of the time and now and then "
        "stalls; a bystander that sends more often than every 40 ms, and beside it a client that does the same but "
        "waits for each answer",
        margin="the bystander's median at least half the time between two of its messages, the other's at most; "
        "theory: all of that time (an answer is held until the one before was acknowledged, with the next message), "
        "and the handler alone",
        judge=closed_loop_hides,
        takes=tuple,
        who=ONE,
    ),
    Claim(
        slug="mended-is-faster-from-outside",
        lines=(),
        quote=_QUOTE,
        sentence="A client that only searches sees from outside that the shop is mended: its median is shorter, and "
        "not by chance.",
        reading="connection",
        condition="two versions of an app, fired at in turn while branches ask for reports that compute",
        margin="the exact test of labkit diff, and half the median; theory: a search's own handler instead of the time "
        "until the next message",
        judge=mended_is_faster,
        takes=Diff,
        who=MANY,
    ),
)
