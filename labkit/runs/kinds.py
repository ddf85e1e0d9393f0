"""The kinds of events in runs of a mix: which is cheap, which is dear, and which event came during a dear one."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import UsageError
from labkit.runs.run import Run
from labkit.runs.stages import NEVER
from labkit.runs.summary import kinds_of


def by_cost(runs: Sequence[Run]) -> tuple[str, ...]:
    """The kinds from cheap to dear, by the time that one event takes when nothing else runs.

    Raises:
        UsageError: the runs are of no mix, or of different ones.
    """
    found = kinds_of(runs, math.inf)
    if not found:
        raise UsageError("these runs are of no mix, or of different ones: measure a lab.mix({...})")
    return tuple(one.kind for one in sorted(found, key=lambda one: one.service_ms))


def came_during(run: Run, dear: str, *, own_client: bool) -> NDArray[np.int64]:
    """Of each event the event of kind `dear` whose work was under way when the server read it; -1 for none.

    Where the server's stages are not stamped, it counts when it was sent.

    Args:
        run: of a mix.
        dear: the kind.
        own_client: look at dear events of the same client only; else at those of all other clients.

    Returns:
        The number of the dear event, of several the one that ends last. A dear event does not meet itself.
    """
    came = np.where(run.events["read"] != NEVER, run.events["read"], run.events["sent"])
    clients, began, ended = run.plan.connection, run.events["work_start"], run.events["work_end"]
    met = np.full(len(run), -1)
    worked = run.is_kind(dear) & (began != NEVER) & (ended != NEVER)
    for number in sorted(np.flatnonzero(worked).tolist(), key=lambda n: int(ended[n])):
        during = (came >= began[number]) & (came < ended[number]) & ((clients == clients[number]) == own_client)
        during[number] = False
        met[during] = number
    return met
