"""Claims about workers behind a queue, and their judges: what the hop costs, whom it spares, what a kill loses."""

import numpy as np

from labkit.base.text import ratio
from labkit.claims.claim import BOTH, MANY, Claim
from labkit.claims.evidence import Untestable, one
from labkit.claims.handlers import processes_spare
from labkit.runs.comparison import Comparison
from labkit.runs.delivery import NO_FAULT, Delivery

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
    return processes_spare(result, "celery")


def killed_worker_loses(books: Delivery) -> float:
    if books.fault != "workers" or books.outbox:
        raise Untestable("needs the worker group killed, and clients without an outbox")
    return float(books.lost)


def recipe_loses_none(books: Delivery) -> float:
    if books.fault == NO_FAULT or not books.outbox:
        raise Untestable("needs something killed, and clients with an outbox")
    return 1.0 if books.lost == 0 else 0.0


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
    Claim(
        slug="a-killed-worker-loses-tasks",
        lines=(),
        quote=_QUOTE,
        sentence="With Celery's defaults, what a worker had taken when it was killed is not answered while anybody "
        "waits.",
        reading="connection",
        condition="celery, more tasks than its workers can do, kill -9 of the worker group; clients that wait a few "
        "seconds",
        margin="at least one event without an answer; theory: a worker has taken the task that it is at, and four more",
        judge=killed_worker_loses,
        takes=Delivery,
        exact=True,
        who=MANY,
    ),
    Claim(
        slug="the-recipe-loses-none",
        lines=(),
        quote=_QUOTE,
        sentence="With late acknowledgement, results that are kept, and clients that ask again, nothing is lost.",
        reading="connection",
        condition="celery-zero-loss, kill -9 of something in the midst of a burst, clients with an outbox",
        margin="exactly no event without an answer",
        judge=recipe_loses_none,
        takes=Delivery,
        exact=True,
        who=MANY,
    ),
)
