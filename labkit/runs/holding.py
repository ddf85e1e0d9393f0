"""Whether latencies keep a bound, where that can be told: it holds, it breaks, or nobody can tell."""

import math
from dataclasses import dataclass

import numpy as np

from labkit.base.text import about
from labkit.runs.run import Run
from labkit.runs.summary import SAMPLES_BEYOND, TAIL_SAMPLES, Distribution, supported

HOLDS, BREAKS, UNKNOWN = "holds", "breaks", "cannot tell"

#: The percentile that is held to the bound.
PERCENT = 98.0

#: A client that is late by this share of the bound cannot judge a server by it.
LATE_SHARE = 0.1


@dataclass(frozen=True)
class Holding:
    """The judgement of one side, callers or bystander.

    Attributes:
        word: :data:`HOLDS`, :data:`BREAKS` or :data:`UNKNOWN`.
        p98_ms: what was seen; inf where so many were never answered; NaN where nothing was.
        why: of what cannot be told the reason, of what was never answered how much; else empty.
    """

    word: str
    p98_ms: float
    why: str = ""

    def __str__(self) -> str:
        said = f"{self.word}, p98 {about(self.p98_ms)}" if math.isfinite(self.p98_ms) else self.word
        return f"{said} ({self.why})" if self.why else said


def callers(run: Run, bound_ms: float) -> Holding:
    """Whether all callers were answered, 98% of them within the bound."""
    own = Distribution.of(run.own_ms)
    never = int(np.count_nonzero(np.isinf(own.values_ms)))
    return _judged(run, own, bound_ms, f"{never} of {len(run)} were never answered" if never else "")


def bystander(run: Run, bound_ms: float) -> Holding:
    """Whether 98% of the bystander's pings were acknowledged within the bound."""
    return _judged(run, Distribution.of(run.bystander_ms), bound_ms)


def _judged(run: Run, latencies: Distribution, bound_ms: float, unanswered: str = "") -> Holding:
    """A p98 within the bound takes 150 samples; one beyond it is told by fewer, where three of them are beyond."""
    count = len(latencies)
    p98_ms = latencies.percentile(PERCENT)
    beyond = int(np.count_nonzero(latencies.values_ms > bound_ms))
    if any(note.invalid and note.kind != "lateness" for note in run.quality):
        worst = next(note for note in run.quality if note.invalid and note.kind != "lateness")
        return Holding(UNKNOWN, p98_ms, worst.why)
    if unanswered or (beyond >= SAMPLES_BEYOND and p98_ms > bound_ms):
        # A client that is late makes latencies longer: what would have held without it, nobody can tell.
        late_ms = Distribution.of(run.lateness_ms).percentile(PERCENT)
        if late_ms > LATE_SHARE * bound_ms and p98_ms - late_ms <= bound_ms:
            return Holding(UNKNOWN, p98_ms, f"the client itself was {about(late_ms)} late")
        return Holding(BREAKS, p98_ms, unanswered)
    if not supported(PERCENT, count):
        return Holding(UNKNOWN, p98_ms, f"{count} samples: a p98 takes {TAIL_SAMPLES}")
    return Holding(HOLDS if p98_ms <= bound_ms else BREAKS, p98_ms)
