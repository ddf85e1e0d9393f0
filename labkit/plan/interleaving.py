"""The order in which things are measured that are to be compared."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(things: Sequence[T], repeats: int, seed: int = 0) -> list[T]:
    """Each thing once a round, in an order that each round draws anew: a slow minute hits all of them alike."""
    shuffle = random.Random(seed)
    order: list[T] = []
    for _ in range(repeats):
        block = list(things)
        shuffle.shuffle(block)
        order += block
    return order
