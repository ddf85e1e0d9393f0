"""What to write, as :func:`labkit.recommend` has found it: a name, a paragraph, and why none of the others."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recommendation:
    """What follows from a diagnosis and a comparison.

    Attributes:
        strategy: what to write; None where the runs do not say.
        holding: the strategies that held the bound, simplest first.
        rejected: of every other one, why not.
        offered_cores: CPU seconds of work a second that the plan asked for; NaN for a burst.
        sentences: the paragraph, a sentence each.
        in_order: what to write where a client's events must stay in order; None where the runs do not say.
    """

    strategy: str | None
    holding: tuple[str, ...]
    rejected: dict[str, str]
    offered_cores: float
    sentences: tuple[str, ...]
    in_order: str | None = None

    def __repr__(self) -> str:
        return " ".join(self.sentences)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "strategy": self.strategy,
            "holding": list(self.holding),
            "rejected": self.rejected,
            "in_order": self.in_order,
            "offered_cores": None if math.isnan(self.offered_cores) else round(self.offered_cores, 3),
            "text": repr(self),
        }
