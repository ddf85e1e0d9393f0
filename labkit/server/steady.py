"""What is known to change results, held still in this process and put back afterwards."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labkit.base.collector import collector_frozen, full_collections


@dataclass(frozen=True)
class Held:
    """What is held still in one process while a run lasts.

    Attributes:
        switch_interval_s: of ``sys.setswitchinterval``, as it is now.
        full_collections: a call that says how many full garbage collections there have been since.
    """

    switch_interval_s: float
    full_collections: Callable[[], int]


@contextmanager
def held_still(switch_interval_s: float | None = None, freeze_gc: bool = True) -> Iterator[Held]:
    """Hold still what is known to change results in this process, and put it back.

    Args:
        switch_interval_s: of ``sys.setswitchinterval`` meanwhile; as it is where None.
        freeze_gc: keep the garbage collector off what is there already. One full collection of a process that has
            loaded numpy and matplotlib holds every thread for some 70 ms.
    """
    with switch_interval(switch_interval_s), collector_frozen() if freeze_gc else _as_it_is():
        collections = full_collections()
        yield Held(sys.getswitchinterval(), lambda: full_collections() - collections)


@contextmanager
def switch_interval(seconds: float | None) -> Iterator[None]:
    """Python's switch interval within the block; as it is where None."""
    before_s = sys.getswitchinterval()
    if seconds is not None:
        sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield
