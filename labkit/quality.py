"""Can this run be trusted, and if not: why, and what to do.

After pyperf's ``format_checks`` (https://github.com/psf/pyperf), which says what makes a result unstable instead of
leaving it to the reader. *invalid* means that the figures must not be used; *caution*, that they must be read with it.
"""

from dataclasses import dataclass

import numpy as np

from labkit.records import NEVER, Run
from labkit.stamps import STAGES

#: Lateness that is a tenth of the latencies is theirs, not the server's; below this floor nobody can tell.
LATE_SHARE, LATE_FLOOR_MS = 0.10, 1.0

#: Of the CPU that the calibration found alone, so much must have been there before and after the run.
SPARE_CPU = 0.75

#: Stages out of order by less than this are the work of two cores' clocks, not of a mistake.
ORDER_SLACK_NS = 20_000


@dataclass(frozen=True)
class Note:
    """One reason for doubt.

    Attributes:
        invalid: the figures must not be used.
        why: what was seen.
        advice: what to do about it.
    """

    invalid: bool
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{'INVALID' if self.invalid else 'caution'}: {self.why}; {self.advice}"


def check(run: Run) -> list[Note]:
    """Every reason to doubt a run; none is the good case."""
    return [note for note in (_unaccounted(run), _order(run), _warm_up(run), _late(run), _spare(run), _gc(run)) if note]


def is_valid(run: Run) -> bool:
    """Whether no note says that the run is invalid."""
    return not any(note.invalid for note in check(run))


def _unaccounted(run: Run) -> Note | None:
    if run.unaccounted == 0:
        return None
    return Note(
        True, f"{run.unaccounted} events have no outcome", "run it again, and report it: this is labkit's fault"
    )


def _order(run: Run) -> Note | None:
    """Stages of one event that run backwards: two clocks, or stamps of the wrong event."""
    backwards = 0
    for before, after in zip(STAGES, STAGES[1:], strict=False):
        a, b = run.events[before], run.events[after]
        backwards += int(np.count_nonzero((a != NEVER) & (b != NEVER) & (b < a - ORDER_SLACK_NS)))
    if backwards <= 0.001 * len(run) * (len(STAGES) - 1):
        return None
    return Note(True, f"{backwards} stages end before they begin", "run client and server on one machine and one clock")


def _warm_up(run: Run) -> Note | None:
    asked, answered = run.environment.get("warm_up", (0, 0))
    if answered >= asked:
        return None
    why = f"{asked - answered} of {asked} warm-up events were not answered"
    return Note(False, why, "see run.environment['server_log'] for what the strategy did")


def _late(run: Run) -> Note | None:
    lateness, own = run.lateness_ms, run.own_ms[np.isfinite(run.own_ms)]
    if len(lateness) == 0 or len(own) == 0:
        return None
    late_ms, own_ms = float(np.percentile(lateness, 99)), float(np.percentile(own, 99))
    if late_ms <= max(LATE_SHARE * own_ms, LATE_FLOOR_MS):
        return None
    why = f"the client itself was {late_ms:.1f} ms late (p99) for latencies of {own_ms:.1f} ms"
    return Note(True, why, "lower the rate, or leave a core to the client")


def _spare(run: Run) -> Note | None:
    spare = [value for value in run.environment.get("spare_cpu", ()) if value is not None]
    if not spare or min(spare) >= SPARE_CPU:
        return None
    why = f"only {min(spare):.0%} of the machine's CPU was there around the run"
    return Note(False, why, "close what else computes, and repeat")


def _gc(run: Run) -> Note | None:
    collections = run.environment.get("full_collections", 0)
    if not collections:
        return None
    return Note(False, f"{collections} full garbage collections during the run", "give objects less to do, or repeat")
