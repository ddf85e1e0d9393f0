"""The advice as executable claims: what was said, how it is measured, and whether it holds here.

A claim is judged on the very comparison that was plotted. It is a ratio or a count with a bound from theory, never a
number of milliseconds, and its sentence carries no raw number, so that a notebook's stored output can be compared. It
informs and never punishes: a claim that does not hold says so, and raises nothing.

The advice is the page "WebSocket events handling in Flask: performance and optimization"; its lines are numbered as in
README. A is its handler that calculates inside, B its handler that starts a thread.
"""

import math
from collections.abc import Sequence
from typing import Any

from labkit import judges
from labkit.claims import advice, fidelity, load, modes, page
from labkit.claims.record import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Claim, Verdict
from labkit.comparison import Comparison
from labkit.errors import UsageError
from labkit.records import Run
from labkit.text import Plain

#: All claims by slug.
CLAIMS: dict[str, Claim] = {
    c.slug: c for c in (*advice.CLAIMS, *load.CLAIMS, *modes.CLAIMS, *fidelity.CLAIMS, *page.CLAIMS)
}


def claim(which: str | Claim, result: Any) -> Verdict:
    """Judge a claim on what was measured for it: a comparison, most often, or a single run.

    Args:
        which: the slug of one of :data:`CLAIMS`, or a claim of the reader's.
        result: what was measured.

    Raises:
        UsageError: there is no such claim. Nothing else: what cannot be judged is NOT TESTABLE HERE, with the reason.
    """
    if isinstance(which, str) and which not in CLAIMS:
        raise UsageError(f"there is no claim {which!r}: there are {', '.join(CLAIMS)}")
    chosen = CLAIMS[which] if isinstance(which, str) else which
    try:
        evidence = Comparison((result,)) if isinstance(result, Run) else result
        if not isinstance(evidence, chosen.takes):
            raise judges.Untestable(f"needs a {chosen.takes.__name__}, not a {type(evidence).__name__}")
        if isinstance(evidence, Comparison) and not evidence.runs:
            raise judges.Untestable("needs at least one run")
        headroom = chosen.judge(evidence)
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
