"""What to say of order beside a recommendation: whether it matters is the reader's to know, so it is an *if*.

1. Nothing is said where no event was overtaken (:mod:`labkit.runs.order`): then order was kept, or not asked.
2. What is named for it handles each client's events in turn (:data:`KEEPERS`), and kept order in every run. That
   another kept it in these runs is said, and is no promise: events that take equally long often come back in order.
3. Of those that do, the simplest is named; one that holds comes before one that does not, of which it is said why.
4. Where none of them was asked, it is said which to measure, and how.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.runs.order import Order

#: The strategies that handle each client's events one after the other, whatever these take.
KEEPERS = ("inline-serial", "ordered-pool")

_IF = "If a client's events must stay in order"


@dataclass(frozen=True)
class Candidate:
    """One measured strategy.

    Attributes:
        name: of it.
        base: the same without parameters.
        order: what its runs say of order, those of many clients and those of one.
        why_not: why it does not hold; None where it does.
        why_not_alone: the same for one greedy client; None also where that was not measured.
    """

    name: str
    base: str
    order: Order
    why_not: str | None = None
    why_not_alone: str | None = None

    @property
    def keeps(self) -> bool:
        """Whether it is made for order, and kept it."""
        return self.base in KEEPERS and self.order.is_kept is True


@dataclass(frozen=True)
class InOrder:
    """What follows for events that must stay in order.

    Attributes:
        strategy: what to write then; None where no run says.
        sentence: the same in words, and why; empty where nobody was overtaken.
    """

    strategy: str | None
    sentence: str


def in_order(named: str | None, candidates: Sequence[Candidate], possible: Sequence[str] = KEEPERS) -> InOrder:
    """What to write where a client's events must stay in order.

    Args:
        named: what is recommended where order does not matter; None for nothing.
        candidates: all that were measured, simplest first.
        possible: those of :data:`KEEPERS` that the mode has.
    """
    keeping = [each for each in candidates if each.keeps]
    holding = [each for each in keeping if each.why_not is None]
    best = next((each for each in keeping if each.name == named), None) or next(iter(holding or keeping), None)
    strategy = best.name if best is not None and best.why_not is None else None
    broken = [each for each in candidates if each.order.overtaken]
    if not broken:
        return InOrder(strategy, "")
    mine = next((each for each in candidates if each.name == named), broken[0])
    if best is None:
        return InOrder(None, f"{_IF}: {_not_measured(candidates, possible)}; {_of(mine)}.")
    if best is mine:
        return InOrder(strategy, f"{_IF}: {best.name} kept it; {_of(broken[0])}.")
    if best.why_not is not None:
        return InOrder(None, f"{_IF}: {best.name} kept it, but does not hold ({best.why_not}); {_of(mine)}.")
    alone = f" (for one greedy client: {best.why_not_alone})" if best.why_not_alone else ""
    return InOrder(strategy, f"{_IF}: write {best.name}, the simplest that holds and kept it{alone}; {_of(mine)}.")


def _of(each: Candidate) -> str:
    if each.order.overtaken:
        return f"{each.name} answered {each.order} in another order"
    if each.order.is_asked:
        return f"{each.name} kept it in these runs, and does not promise it"
    return f"of {each.name} it is not known, as none of its clients had two events under way"


def _not_measured(candidates: Sequence[Candidate], possible: Sequence[str]) -> str:
    if any(each.base in KEEPERS and each.order.overtaken for each in candidates):
        return "nothing that was measured kept it"
    if not possible:
        return "nothing that was measured is made for it, so work on each client's events in turn"
    return f"measure {' and '.join(possible)} with several events of a client (--connections 1)"
