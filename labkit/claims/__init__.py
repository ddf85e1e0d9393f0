"""The advice as executable claims: what was said, how it is measured, and whether it holds here.

A claim is judged on the very comparison that was plotted. It is a ratio or a count with a bound from theory, never a
number of milliseconds, and its sentence carries no raw number, so that a notebook's stored output can be compared. It
informs and never punishes: a claim that does not hold says so, and raises nothing.

The advice is the page "WebSocket events handling in Flask: performance and optimization"; its lines are numbered as in
README. A is its handler that calculates inside, B its handler that starts a thread.

Each line as a record is in :mod:`labkit.claims.advice`; :func:`measure` measures what all of them need, and
:func:`claims_table` judges them on it. :func:`recorded` is what was published.
"""

from collections.abc import Sequence

from labkit.base.text import Plain
from labkit.claims.advice import LINES
from labkit.claims.claim import DEPENDS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Claim, Verdict
from labkit.claims.judging import CLAIMS
from labkit.claims.line import Line, LineVerdict
from labkit.claims.published import Recorded, recorded
from labkit.claims.steps import STEPS, Missing, Step, measure
from labkit.claims.table import ClaimsTable, claims_table

__all__ = [
    "CLAIMS",
    "DEPENDS",
    "DOES_NOT_HOLD",
    "HOLDS",
    "LINES",
    "NOT_TESTABLE",
    "STEPS",
    "Claim",
    "ClaimsTable",
    "Line",
    "LineVerdict",
    "Missing",
    "Recorded",
    "Step",
    "Verdict",
    "check",
    "claims_table",
    "measure",
    "recorded",
]


#: A guess is right where it is so near to what was measured: on two shared cores, no two runs are nearer.
NEAR = 1.5


def check(mine: Sequence[str] | float | None, measured: Sequence[str] | float) -> Plain:
    """An exercise: is the reader's guess what was measured?

    Args:
        mine: an order (names, best first) or a number; None while there is no guess.
        measured: the same as it was measured.

    Returns:
        A sentence without a measured number, so that a notebook's stored output can be compared: of an order where it
        is another, of a number whether it is right (a count exactly, else by a factor of :data:`NEAR`), too low or too
        high.
    """
    if isinstance(measured, int | float):
        return Plain(_of_a_number(mine, measured))
    if not mine:
        return Plain(f"Your turn: write the order of {', '.join(sorted(measured))}, best first.")
    if isinstance(mine, int | float) or sorted(mine) != sorted(measured):
        return Plain(f"Name each of {', '.join(sorted(measured))} once.")
    if list(mine) == list(measured):
        return Plain("Right: this machine measured the same order.")
    first = next(i for i, (a, b) in enumerate(zip(mine, measured, strict=True)) if a != b)
    return Plain(f"Not on this machine: place {first + 1} is {measured[first]}.")


def _of_a_number(mine: object, measured: float) -> str:
    if mine is None:
        return "Your turn: write a number."
    if isinstance(measured, int):
        return "Right: so many were counted." if mine == measured else "Not on this machine: look, and count again."
    if not isinstance(mine, int | float) or not mine > 0:
        return "Write a number above zero."
    factor = measured / mine
    if 1 / NEAR <= factor <= NEAR:
        return "Right: this machine measured about as much."
    size, much = ("low", factor) if factor > 1 else ("high", 1 / factor if factor else float("inf"))
    return f"Too {size}{', by more than ten times' if much > 10 else ''}: look at the figure, and guess again."
