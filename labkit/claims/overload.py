"""The claims about load that lasts: what a queue without a limit does, and what refusing keeps."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labkit.base.text import ratio
from labkit.claims.claim import MANY, Claim
from labkit.claims.evidence import Untestable, waits
from labkit.experiments.sustained import Sustained, Theory
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.strategies import plain_name

#: From here on it is overload, and up to here light load, whatever chance does to the arrivals.
OVERLOAD, LIGHT = 1.2, 0.6

#: The end of an overload: the last quarter of the events.
LAST = 0.25

_NOTHING_SAID = "(nothing is said of more events than can be worked on)"


def _overloaded(found: Sustained) -> tuple[float, Comparison, Theory]:
    """The highest load, its runs, and what theory says of it."""
    waits(found.results[-1])
    if found.loads[-1] < OVERLOAD:
        raise Untestable("needs a load that is clearly more than can be worked on")
    return found.loads[-1], found.results[-1], found.theory[-1]


def _of(found: Sustained, result: Comparison, strategy: str) -> tuple[Run, ...]:
    """The runs of a strategy, whatever its parameters; its workers must be what the load is counted by."""
    for name in result.strategies:
        if plain_name(name) == strategy:
            runs = result.of(name)
            if runs[0].conditions.parameters.get("workers") != found.servers:
                raise Untestable(f"needs {strategy} with as many workers as servers=... says")
            return runs
    raise Untestable(f"needs runs of {strategy}")


def _quarters(latencies_ms: NDArray[np.float64]) -> tuple[float, float]:
    """The median wait of the first quarter of the events, and that of the last."""
    quarter = len(latencies_ms) // 4
    return float(np.median(latencies_ms[:quarter])), float(np.median(latencies_ms[-quarter:]))


def grows_without_end(found: Sustained) -> float:
    _, result, theory = _overloaded(found)
    runs = _of(found, result, "ack-first")
    early_ms, late_ms = _quarters(theory.fifo_ms)
    if late_ms < 4 * early_ms:
        raise Untestable("needs load that lasts longer: in theory the queue has hardly grown")
    waits_ms = [_quarters(run.own_ms) for run in runs]
    grown = float(np.median([ratio(late, early) for early, late in waits_ms])) / 2
    waited = float(np.median([late for _, late in waits_ms])) / (late_ms / 2)
    return float(np.minimum(grown, waited))  # numpy's, since it keeps NaN: what was never answered has not grown


def _goodput(latencies_ms: Sequence[NDArray[np.float64]], bound_ms: float, last: float = 1.0) -> float:
    """Of the last part of each run's events, the share within the bound."""
    parts = [each[-max(1, int(last * len(each))) :] for each in latencies_ms]
    return float(np.mean(np.concatenate(parts) <= bound_ms))


def keeps_goodput(found: Sustained) -> float:
    load, result, theory = _overloaded(found)
    shedding, queueing = _of(found, result, "load-shedding"), _of(found, result, "ack-first")
    bound_ms, waiting = result.bounds_ms[1], shedding[0].conditions.parameters.get("waiting")
    if not isinstance(waiting, int | float):
        raise Untestable("needs runs that say what waiting was")
    if 2 * (waiting / found.servers + 1) * found.service_ms > bound_ms:
        raise Untestable("needs load-shedding whose full queue is worked off within half of the bound")
    if _goodput([theory.fifo_ms], bound_ms, LAST) > 0:
        raise Untestable("needs load that lasts longer: in theory a queue without a limit still answers in time")
    shed_ms, queued_ms = [run.own_ms for run in shedding], [run.own_ms for run in queueing]
    # One event at least, or a queue that answers nobody in time would have no ratio.
    least = 1 / sum(int(LAST * len(run)) for run in queueing)
    in_the_end = _goodput(shed_ms, bound_ms, LAST) / max(least, _goodput(queued_ms, bound_ms, LAST))
    return min(_goodput(shed_ms, bound_ms) * load / 0.5, in_the_end / 2)


def needs_nothing(found: Sustained) -> float:
    result, theory = found.results[0], found.theory[0]
    bound_ms = result.bounds_ms[1]
    if result.clients == (1,):
        # All events of one client are one key for `conflate`, which then supersedes a third of them at half a load.
        raise Untestable("is about many clients, and one sent everything")
    if found.loads[0] > LIGHT:
        raise Untestable("needs a light load, of about half of what can be worked on")
    if np.mean(theory.fifo_ms > bound_ms) > 0.05:
        raise Untestable("needs work that is short beside the bound: even in theory some answers come later")
    if len(theory.fifo_ms) < 20:
        raise Untestable("needs twenty events or more at the lightest load")
    missed = [int(np.count_nonzero(result[name].own.values_ms > bound_ms)) for name in result.strategies]
    allowed = [result[name].events / 10 for name in result.strategies]
    return min(a / max(1, m) for a, m in zip(allowed, missed, strict=True))


CLAIMS = (
    Claim(
        slug="overload-grows-without-end",
        lines=(12,),
        quote=_NOTHING_SAID,
        sentence="While more arrives than can be worked on, a queue without a limit grows: whoever comes late waits "
        "several times as long as whoever came early.",
        reading="connection",
        condition="waiting work, Poisson arrivals above what the pool can do, ack-first (lab.sustain)",
        margin="median wait of the last quarter of the events: at least twice that of the first quarter, and at least "
        "half of what first in, first out makes of the same arrivals; theory: seven times that of the first in the "
        "fluid limit, where the queue grows evenly; once, where it does not grow",
        judge=grows_without_end,
        takes=Sustained,
        who=MANY,
    ),
    Claim(
        slug="shedding-keeps-goodput",
        lines=(12,),
        quote=_NOTHING_SAID,
        sentence="Under overload that lasts, load-shedding answers about as many in time as can be worked on. A queue "
        "without a limit does as much work, and in the end answers hardly anybody in time.",
        reading="connection",
        condition="waiting work, Poisson arrivals above what the pools can do, load-shedding and ack-first "
        "(lab.sustain)",
        margin="goodput of load-shedding at least half of one over the load, and of the last quarter of the events at "
        "least twice that of the queue; theory: one over the load, and in the end the queue's is nothing",
        judge=keeps_goodput,
        takes=Sustained,
        who=MANY,
    ),
    Claim(
        slug="light-load-needs-nothing",
        lines=(),
        quote=_NOTHING_SAID,
        sentence="At light load, with many clients, nearly everybody is answered in time under every strategy.",
        reading="connection",
        condition="Poisson arrivals at about half of what can be done, any strategies (lab.sustain)",
        margin="of each strategy at most a tenth of the events without an answer in time; theory: nobody, where first "
        "in, first out keeps the bound for all of these arrivals",
        judge=needs_nothing,
        takes=Sustained,
        who=MANY,
    ),
)
