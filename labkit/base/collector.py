"""Python's garbage collector, kept off what a process has loaded while something in it is measured."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.base import interrupts


@contextmanager
def collector_frozen() -> Iterator[None]:
    """Keep the garbage collector off what is there already.

    Where the process had frozen something itself, all stays frozen afterwards: ``gc.unfreeze()`` would let go of that,
    too.
    """
    had_frozen = gc.get_freeze_count() > 0
    with interrupts.kept():
        gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if not had_frozen:
            gc.unfreeze()


def full_collections() -> int:
    """How many full garbage collections there have been in this process."""
    return int(gc.get_stats()[-1]["collections"])
