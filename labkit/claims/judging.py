"""All claims, and how one is judged on what was measured."""

import math
from typing import Any

from labkit.base.errors import UsageError
from labkit.claims import fidelity, handlers, load, modes, overload, page
from labkit.claims.claim import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Claim, Verdict
from labkit.claims.evidence import Untestable
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run

#: All claims by slug.
CLAIMS: dict[str, Claim] = {
    c.slug: c
    for c in (
        *handlers.CLAIMS,
        *load.CLAIMS,
        *overload.CLAIMS,
        *modes.CLAIMS,
        *fidelity.CLAIMS,
        *page.CLAIMS,
    )
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
            raise Untestable(f"needs a {chosen.takes.__name__}, not a {type(evidence).__name__}")
        if isinstance(evidence, Comparison) and not evidence.runs:
            raise Untestable("needs at least one run")
        headroom = chosen.judge(evidence)
    except (Untestable, UsageError) as reason:
        return Verdict(chosen, NOT_TESTABLE, why=str(reason))
    if math.isnan(headroom):
        return Verdict(chosen, NOT_TESTABLE, why="a latency that the claim is about was not measured")
    return Verdict(chosen, HOLDS if headroom >= 1 else DOES_NOT_HOLD, headroom)
