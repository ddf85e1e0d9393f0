"""All claims, and how one is judged on what was measured."""

import math
from typing import Any

import numpy as np

from labkit.base.errors import UsageError
from labkit.claims import fidelity, handlers, inside, load, mixed, modes, outside, overload, page, paint, scale
from labkit.claims.claim import BOTH, DOES_NOT_HOLD, HOLDS, MANY, NOT_TESTABLE, ONE, Claim, Verdict
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
        *mixed.CLAIMS,
        *inside.CLAIMS,
        *outside.CLAIMS,
        *scale.CLAIMS,
        *fidelity.CLAIMS,
        *page.CLAIMS,
        *paint.CLAIMS,
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
            raise Untestable(f"needs a {_named(chosen.takes)}, not a {type(evidence).__name__}")
        parts = _by_clients(chosen, evidence) if isinstance(evidence, Comparison) else (evidence,)
        # numpy's, since it keeps NaN: what was not measured must not pass.
        headroom = float(np.min([chosen.judge(part) for part in parts]))
    except (Untestable, UsageError) as reason:
        return Verdict(chosen, NOT_TESTABLE, why=str(reason))
    if math.isnan(headroom):
        return Verdict(chosen, NOT_TESTABLE, why="a latency that the claim is about was not measured")
    sent_by = {ONE if n == 1 else MANY for part in parts for n in getattr(part, "clients", ())}
    told = BOTH if len(sent_by) > 1 else "".join(sent_by)
    return Verdict(chosen, HOLDS if headroom >= 1 else DOES_NOT_HOLD, headroom, senders=told)


def _by_clients(chosen: Claim, result: Comparison) -> tuple[Comparison, ...]:
    """The runs that the claim is about: of one client, of many, or each by itself."""
    if not result.runs:
        raise Untestable("needs at least one run")
    about = [n for n in result.clients if chosen.who == BOTH or (n == 1) == (chosen.who == ONE)]
    if not about:
        raise Untestable(_OTHERS[chosen.who])
    return (result,) if chosen.contrasts else tuple(result.sent_by(n) for n in about)


_OTHERS = {
    ONE: "is about one client that sends everything, and many sent: fire a plan of one connection",
    MANY: "is about many clients, and one sent everything: fire a plan of as many connections as events",
}


def _named(takes: type | tuple[type, ...]) -> str:
    return " or ".join(each.__name__ for each in (takes if isinstance(takes, tuple) else (takes,)))
