"""Claims about workers behind a queue, and their judges: what the hop costs, and whom it spares."""

import numpy as np

from labkit.base.text import ratio
from labkit.claims.claim import BOTH, MANY, Claim
from labkit.claims.evidence import Untestable, burst, computes, one
from labkit.runs import environment
from labkit.runs.comparison import Comparison

#: Of work that takes longer, the hop is no more than a part of the answer's time, in ms.
CHEAP_MS = 2.0

#: Where events are so far apart, in ms, none waits for another.
APART_MS = 10.0


def hop(result: Comparison) -> float:
    plan = result.runs[0].plan
    if len(plan) < 2 or plan.span_s * 1000 / (len(plan) - 1) < APART_MS:
        raise Untestable("needs events so far apart that none waits for another")
    inline, celery = one(result, "inline", serial=False), one(result, "celery", serial=False)
    if not np.nanmedian(result.of(inline.strategy)[0].service_ms) <= CHEAP_MS:
        raise Untestable("needs work that takes next to no time")
    return ratio(celery.own.p50_ms, inline.own.p50_ms) / 1.5


def workers_spare(result: Comparison) -> float:
    burst(result)
    computes(result)
    if environment.cores() < 2:
        raise Untestable("needs two cores: one to compute, one for the server")
    inline, celery = one(result, "inline", serial=False), one(result, "celery", serial=False)
    return ratio(inline.bystander.p50_ms, celery.bystander.p50_ms) / 10


_QUOTE = "Use background threads or async tasks for expensive computation."

CLAIMS = (
    Claim(
        slug="a-queue-costs-a-hop",
        lines=(),
        quote=_QUOTE,
        sentence="An event that takes next to no time is answered later by workers behind a queue than by its handler.",
        reading="connection",
        condition="work of at most 2 ms, events at least 10 ms apart, inline and celery",
        margin="the median answer at least half as long again; theory: four messages more (to Redis, to the worker, "
        "and both back), each with a process that has to wake up",
        judge=hop,
        who=BOTH,
    ),
    Claim(
        slug="workers-spare-neighbours",
        lines=(),
        quote=_QUOTE,
        sentence="Computing in workers behind a queue spares the bystander.",
        reading="server thread",
        condition="burst of computing work, inline and celery, two cores",
        margin="bystander's median at least 10 times better; theory: no turn of the GIL to wait for",
        judge=workers_spare,
        who=MANY,
    ),
)
