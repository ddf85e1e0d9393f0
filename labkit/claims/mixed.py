"""The claims about mixed traffic: what a cheap event waits for that comes while a dear one is worked on.

All are judged by one share: of the time for which the dear event was still worked on when the server read the cheap
one, the part that passed before the work of the cheap one began. Who stands in one queue behind the dear event waits
for all of that time, whatever it is; who does not stand behind it waits for turns of the GIL at most.
"""

import numpy as np
from numpy.typing import NDArray

from labkit.base.text import ratio
from labkit.claims.claim import MANY, Claim
from labkit.claims.evidence import Untestable, one
from labkit.runs import environment
from labkit.runs.comparison import Comparison
from labkit.runs.kinds import by_cost, came_during
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import Distribution

#: A strategy that answers the cheap kind at once, and sends only the dear kind to another process.
ELSEWHERE = "dear-elsewhere"

#: Fewer cheap events that came during a dear one tell nothing.
FEWEST = 5

Int64 = NDArray[np.int64]


def waits_behind(result: Comparison) -> float:
    _require_clients(result, apart=False)
    serial = one(result, "inline", serial=True)
    return _waited(result.of(serial.strategy), own=True, others=False) / 0.5


def default_lets_pass(result: Comparison) -> float:
    _require_clients(result, apart=False)
    default = one(result, "inline", serial=False)
    return ratio(0.5, _waited(result.of(default.strategy), own=True, others=False))


def apart_lets_pass(result: Comparison) -> float:
    _require_clients(result, apart=True)
    serial = one(result, "inline", serial=True)
    return ratio(0.5, _waited(result.of(serial.strategy), own=False, others=True))


def one_pool(result: Comparison) -> float:
    runs = result.of(one(result, "process-pool", serial=False).strategy)
    if runs[0].conditions.parameters.get("workers") != 1:
        raise Untestable("needs runs of process-pool with one worker: several are several ways past an export")
    return _waited(runs, own=True, others=True) / 0.5


def elsewhere_spares(result: Comparison) -> float:
    _require_computing(result)
    if environment.cores() < 2:
        raise Untestable("needs two cores: one to compute, one for the server")
    inline, spared = one(result, "inline", serial=False), one(result, ELSEWHERE, serial=False)
    return ratio(_during_ms(result.of(inline.strategy)), _during_ms(result.of(spared.strategy))) / 1.5


def _require_clients(result: Comparison, *, apart: bool) -> None:
    for run in result.runs:
        cheap, *_, dear = by_cost([run])
        both = set(run.plan.connection[run.is_kind(cheap)]) & set(run.plan.connection[run.is_kind(dear)])
        if apart == bool(both):
            raise Untestable(f"needs a mix whose clients send {'one kind only' if apart else 'every kind'}")


def _require_computing(result: Comparison) -> None:
    """The dear kind holds the GIL. What only waits takes no CPU to speak of, however slow the machine was meanwhile."""
    if not all(run.has_gil for run in result.runs):
        raise Untestable("needs an interpreter with a GIL")
    for run in result.runs:
        dear = run.is_kind(by_cost([run])[-1]) & (run.events["work_cpu"] != NEVER)
        if run.events["work_cpu"][dear].sum() < 0.2 * run.events["service"][dear].sum():
            raise Untestable("needs a dear kind that computes, not one that waits")


def _waited(runs: tuple[Run, ...], *, own: bool, others: bool) -> float:
    """Of what was left of dear events when cheap ones came, the share that passed before the cheap ones' work began.

    `own` and `others` say whose dear events.
    """
    waited, left = [], []
    for run in runs:
        cheap, met = _met(run, own, others)
        waited += (run.events["work_start"] - run.events["read"])[cheap].tolist()
        left += (run.events["work_end"][met] - run.events["read"])[cheap].tolist()
    if len(waited) < FEWEST:
        raise Untestable(
            "needs five cheap events or more that came during a dear one: fire more, or from fewer clients"
        )
    return ratio(sum(waited), sum(left))


def _met(run: Run, own: bool, others: bool) -> tuple[NDArray[np.bool_], Int64]:
    """Which cheap events to look at, and of each event the dear one that it came during."""
    cheap, *_, dear = by_cost([run])
    its_own, anothers = (came_during(run, dear, own_client=whose) for whose in (True, False))
    # One worker has one dear event at a time: an event that met one of each cannot be.
    met = np.where(its_own >= 0, its_own, anothers) if own and others else its_own if own else anothers
    stamped = (run.events["work_start"] != NEVER) & (run.events["read"] != NEVER)
    return run.is_kind(cheap) & (met >= 0) & stamped, met


def _during_ms(runs: tuple[Run, ...]) -> float:
    """The median own latency of cheap events that came during anybody's dear one."""
    during = Distribution.of(np.concatenate([run.own_ms[_met(run, True, True)[0]] for run in runs]))
    if len(during) < FEWEST:
        raise Untestable("needs five cheap events or more that came during a dear one: fire more")
    return during.p50_ms


_QUOTE = "(a cheap event beside a dear one, as people's apps have them)"

CLAIMS = (
    Claim(
        slug="cheap-waits-behind-dear",
        lines=(),
        quote=_QUOTE,
        sentence="With async_handlers=False a chat line waits in the inbox until its own client's export is over.",
        reading="connection",
        condition="mix of cheap and dear work from the same clients, inline with async_handlers=False",
        margin="at least half of what was left of the export passes before the line's work begins; "
        "theory: all of it, since one loop handles both",
        judge=waits_behind,
        who=MANY,
    ),
    Claim(
        slug="default-lets-the-cheap-pass",
        lines=(),
        quote=_QUOTE,
        sentence="With default settings a chat line does not wait for the end of its own client's export.",
        reading="connection",
        condition="mix of cheap and dear work from the same clients, inline, default settings",
        margin="at most half of what was left of the export passes before the line's work begins; "
        "theory: three turns of the GIL, so 15 of the 100 ms that are left of one of 200 on average",
        judge=default_lets_pass,
        who=MANY,
    ),
    Claim(
        slug="another-client-is-not-in-the-queue",
        lines=(),
        quote=_QUOTE,
        sentence="With async_handlers=False nobody waits for the end of another client's export.",
        reading="connection",
        condition="mix of cheap and dear work, each from clients of its own, inline with async_handlers=False",
        margin="at most half of what was left of the export passes before the line's work begins; "
        "theory: three turns of the GIL, so 15 of the 100 ms that are left of one of 200 on average",
        judge=apart_lets_pass,
        who=MANY,
    ),
    Claim(
        slug="one-pool-is-one-queue",
        lines=(),
        quote=_QUOTE,
        sentence="In one process pool for everything, a chat line waits until anybody's export is over.",
        reading="server thread",
        condition="mix of cheap and dear work, process-pool with workers=1",
        margin="at least half of what was left of the export passes before the line's work begins; "
        "theory: all of it, since one worker takes both in turn",
        judge=one_pool,
        who=MANY,
    ),
    Claim(
        slug="another-process-spares-the-cheap",
        lines=(),
        quote=_QUOTE,
        sentence="Where only exports go to another process, a chat line that comes during one is answered sooner.",
        reading="server thread",
        condition=f"mix of cheap and dear computing work, inline and {ELSEWHERE}, two cores",
        margin="median of the lines that come during an export at least 1.5 times better; theory: 3 times, since "
        "inline each of three threads (reader, handler, writer) waits a turn of the GIL, 5 ms; alone it takes 2 to 5",
        judge=elsewhere_spares,
        who=MANY,
    ),
)
