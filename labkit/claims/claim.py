"""What a claim is, and what a verdict on it is."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from labkit.runs.comparison import Comparison

HOLDS, DOES_NOT_HOLD, NOT_TESTABLE = "HOLDS", "DOES NOT HOLD HERE", "NOT TESTABLE HERE"

#: Of a line of the advice only: it holds under one condition, or in one reading, and not under another.
DEPENDS = "DEPENDS"

#: Whom a claim is about: one client that sends everything, a room of clients, or both. One event each of ten clients
#: and ten events of one are different worlds; see :mod:`labkit.plan.schedules`.
ONE, MANY, BOTH = "one client", "many clients", "one client and many"


@dataclass(frozen=True)
class Claim:
    """One proposition that a measurement can refute.

    Attributes:
        slug: its name in a notebook.
        lines: of the advice that it is about.
        quote: what the advice says, in our words.
        sentence: what is claimed here.
        reading: what waits: server thread, connection, or page.
        who: sends the events: :data:`ONE`, :data:`MANY`, or :data:`BOTH`, which is judged on each by itself.
        condition: what has to be measured for it.
        margin: what is compared with which bound, and where the bound comes from.
        judge: from what was measured (most often a comparison) to the measured value over its bound; 1 or more holds.
        takes: of which type that is.
        exact: a count is compared; there is no headroom to speak of, only right and wrong.
        contrasts: the judge compares one client with many, and so is given the runs of both at once.
    """

    slug: str
    lines: tuple[int, ...]
    quote: str
    sentence: str
    reading: str
    condition: str
    margin: str
    judge: Callable[[Any], float]
    takes: type | tuple[type, ...] = Comparison
    exact: bool = False
    who: str = BOTH
    contrasts: bool = False


@dataclass(frozen=True)
class Verdict:
    """A claim, judged.

    Attributes:
        claim: which.
        status: HOLDS, DOES NOT HOLD HERE or NOT TESTABLE HERE.
        headroom: measured over bound; NaN where it is not testable.
        why: the reason, where it is not testable.
        senders: who sent the events on which it was judged: :data:`ONE`, :data:`MANY` or :data:`BOTH`; empty where
            that is not told.
    """

    claim: Claim
    status: str
    headroom: float = math.nan
    why: str = ""
    senders: str = ""

    def __repr__(self) -> str:
        refuted = f" (measured {self.headroom:.3g} of the bound: {self.claim.margin})"
        why_not = refuted if self.status == DOES_NOT_HOLD else ""
        return f"{self._sentence}{why_not}"

    def _repr_html_(self) -> str:
        """The sentence, and folded beneath it what was measured of which bound.

        On one line, and readable where a viewer drops the tags: `notebooks/nbval_sanitize.cfg` keeps nbval from
        comparing the folded part, which is another in every run.
        """
        said = f"<p>{escape(self._sentence)}</p>"
        if math.isnan(self.headroom):
            return said
        measured = f"measured {self.headroom:.3g} times the bound (1 or more holds)"
        if self.claim.exact:
            measured = "counted as claimed" if self.status == HOLDS else "counted otherwise than claimed"
        summary, bound = escape(measured), escape(self.claim.margin)
        return f'{said}<details class="labkit-measured"><summary>{summary}</summary> bound: {bound}</details>'

    @property
    def _sentence(self) -> str:
        """What nbval compares: the same in every run that comes to the same conclusion."""
        # A claim that is about one of them says so itself.
        is_told = self.senders and self.claim.who == BOTH and not self.claim.contrasts and not self.why
        measured_with = f" ({self.senders})" if is_told else ""
        return f"{self.status}: {self.why or self.claim.sentence}{measured_with}"

    @property
    def margin(self) -> float | None:
        """The headroom, where there is one: None for exact counts and where it was not tested."""
        return None if self.claim.exact or math.isnan(self.headroom) else self.headroom

    @property
    def measured(self) -> str:
        """The measured value over its bound, in words; ``-`` where there is none."""
        if math.isnan(self.headroom):
            return "-"
        return "exact count" if self.claim.exact else f"{self.headroom:.2f} times its bound"
