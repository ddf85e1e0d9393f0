"""Ctrl-C that is not lost, wherever it falls.

Python cannot raise a KeyboardInterrupt out of a finaliser or a weakref's callback: it prints it and goes on
(``sys.unraisablehook``). A signal that comes during a garbage collection is delivered in the first Python code that
runs after it, which may be just such a callback. So an interrupt during ``gc.collect()`` was ignored now and then.
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
    """The items one by one; an interrupt is :func:`kept` while one is made and while the caller works with it."""
    iterator = iter(items)
    while True:
        with kept():
            try:
                item = next(iterator)
            except StopIteration:
                return
            yield item
