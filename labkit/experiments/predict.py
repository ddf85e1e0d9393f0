"""What theory says of a plan, and how far a run is from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base import clock
from labkit.base.errors import UsageError
from labkit.plan import queueing
from labkit.plan.calibration import expected_answers
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work
from labkit.runs.run import Run
from labkit.runs.stages import NEVER


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory says of a plan, before anything is measured; ms from the intended start, one value an event.

    Attributes:
        fifo_ms: first in, first out: one event after the other.
        sharing_ms: all at once, each gets its share of `servers` (processor sharing).
        service_ms: of one event alone; from the calibration. Of a mix it is the mean of its kinds.
        servers: how many work at a time: cores that can compute, or the threads of a pool.
    """

    fifo_ms: NDArray[np.float64]
    sharing_ms: NDArray[np.float64]
    service_ms: float
    servers: int

    def missed_ms(self, run: Run) -> dict[str, NDArray[np.float64]]:
        """Of each model, measured minus predicted: one value an event, NaN where it was not answered.

        Raises:
            UsageError: the run is not of the plan that was predicted.
        """
        if len(run) != len(self.fifo_ms):
            raise UsageError(
                f"the run has {len(run)} events and the prediction {len(self.fifo_ms)}: give the same plan"
            )
        own_ms = np.where(np.isfinite(run.own_ms), run.own_ms, np.nan)
        return {"one by one": own_ms - self.fifo_ms, "sharing": own_ms - self.sharing_ms}

    def __repr__(self) -> str:
        return (
            f"One after the other: {_spread(self.fifo_ms / self.service_ms)}.\n"
            f"Sharing the processor: {_spread(self.sharing_ms / self.service_ms)}."
        )


def _spread(latency: NDArray[np.float64]) -> str:
    first, last, mean = (_times(value) for value in (latency.min(), latency.max(), latency.mean()))
    if first == last:
        return f"all are answered after {last}"
    return f"the first is answered after {first}, the last after {last}, {mean} on average"


def _times(value: float) -> str:
    rounded = round(float(value), 1)
    return f"{rounded:g} service {'time' if rounded == 1 else 'times'}"


def predict(work: Work, plan: Schedule, *, servers: int = 1, after: Run | None = None) -> Prediction:
    """First-in first-out against processor sharing, fed with the mean service time of a calibration.

    Of a mix each event has the mean of its own kind.

    Args:
        work, plan: what will be measured.
        servers: how many work at a time.
        after: a run of the same plan: the sharing model then begins each event when that run really began its work. A
            dispatcher that waits for the GIL itself lets late events in late, so that the processor is never shared by
            as many as the plan would have.
    """
    expected = expected_answers(work, plan)
    service_ms = expected.mean_service_ms
    due_s, service_s = plan.intended_ns / clock.NS_PER_S, expected.mean_of_each_ms / 1000
    began_s = due_s if after is None else _began_s(after, len(plan))
    shared = queueing.sharing(began_s, service_s, servers)
    return Prediction(
        queueing.fifo(due_s, service_s, servers).latencies_s(due_s) * 1000,
        (shared.ends_s - due_s) * 1000,
        service_ms,
        servers,
    )


def _began_s(run: Run, events: int) -> NDArray[np.float64]:
    began = run.events["work_start"]
    if len(began) != events or (began == NEVER).any():
        raise UsageError("the run must be of the same plan, with every event worked on: leave out after=...")
    return np.asarray(began / clock.NS_PER_S)
