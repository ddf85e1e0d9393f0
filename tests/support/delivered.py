"""Books of a fault that nobody had to cause."""

import math

import numpy as np

from labkit.runs.delivery import Delivery


def delivered(strategy="celery", fault="workers", *, answered=6, late=3, lost=1, outbox=False, **counts):
    """Events 10 ms apart, of which so many were answered at once, so many late, and so many never."""
    events = answered + late + lost
    due_ms = 10.0 * np.arange(events)
    answered_ms = due_ms + 20
    fault_ms = recovered_ms = math.inf
    if fault != "none":
        fault_ms, recovered_ms = 10.0 * answered + 15, 10.0 * events + 1000
    answered_ms[answered:] = recovered_ms + 10.0 * np.arange(late + lost) + 5
    answered_ms[answered + late :] = math.inf
    counts = {"duplicates": 0, "resubmissions": 0, "errors": 0} | counts
    return Delivery(
        strategy, "cpu:11ms", "100/s for 10 events", fault, outbox, due_ms, due_ms + 1, answered_ms,
        fault_ms=fault_ms, recovered_ms=recovered_ms, patience_s=10, **counts,
    )  # fmt: skip
