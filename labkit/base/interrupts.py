"""Ctrl-C that is not lost, wherever it falls.

A KeyboardInterrupt that is raised within a finaliser or a weakref's callback is "unraisable": Python prints it and goes
on (``sys.unraisablehook``). Signals that come during a garbage collection are delivered in the first Python code that
runs after it, which is just such a callback, so that an interrupt during ``gc.collect()`` was ignored now and then.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def kept() -> Iterator[None]:
    """Raise at the end of the block what Python would have swallowed within it."""
    swallowed = False
    before = sys.unraisablehook

    def remember(unraisable: Any) -> None:
        nonlocal swallowed
        if unraisable.exc_type is KeyboardInterrupt:
            swallowed = True
        else:
            before(unraisable)

    sys.unraisablehook = remember
    try:
        yield
    finally:
        sys.unraisablehook = before
    if swallowed:
        raise KeyboardInterrupt


def each(items: Iterable[T]) -> Iterator[T]:
    """The items one by one; within making one, and within what is done with it, nothing is swallowed (:func:`kept`)."""
    iterator = iter(items)
    while True:
        with kept():
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item
