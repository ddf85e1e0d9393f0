"""What a claim is: one proposition, with everything that a reader needs to doubt it."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.comparison import Comparison


@dataclass(frozen=True)
class Claim:
    """One proposition that a measurement can refute.

    Attributes:
        slug: its name in a notebook.
        lines: of the advice that it is about.
        quote: what the advice says, in our words.
        sentence: what is claimed here.
        reading: whom it is about: server thread, connection, or page.
        condition: what has to be measured for it.
        margin: what is compared with which bound, and where the bound comes from.
        judge: the measured value over its bound; 1 or more holds.
    """

    slug: str
    lines: tuple[int, ...]
    quote: str
    sentence: str
    reading: str
    condition: str
    margin: str
    judge: Callable[[Comparison], float]
