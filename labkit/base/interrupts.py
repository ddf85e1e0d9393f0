"""Ctrl-C that is not lost, wherever it falls; and other signals to end, which are taken for one.

Python cannot raise a KeyboardInterrupt out of a finaliser or a weakref's callback: it prints it and goes on
(``sys.unraisablehook``). A signal that comes during a garbage collection is delivered in the first Python code that
runs after it, which may be just such a callback. So an interrupt during ``gc.collect()`` was ignored now and then.
"""

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

#: What ends a process from outside, where it lets it: `kill`, a terminal that closes. (Windows has no SIGHUP.)
_TERMINATIONS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Terminated(KeyboardInterrupt):
    """A signal asked this process to end; it ends as by Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Ended by {signal.Signals(number).name}")
        self.number = number


@dataclass
class _Signals:
    """Of this process.

    Attributes:
        came: whether one has asked it to end.
        unheard: the same as an error, until that has left a :func:`kept` block.
    """

    came: bool = False
    unheard: Terminated | None = None


_signals = _Signals()


def have_come() -> bool:
    """Whether a signal has asked this process to end."""
    return _signals.came


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """As shells have it: 128 and the number of the signal."""
    return 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def said(interrupt: KeyboardInterrupt) -> str:
    """What ended it, as the beginning of a sentence."""
    return str(interrupt) or "Interrupted"


@contextmanager
def terminations() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP are raised as :class:`Terminated`, the first of them only.

    What ends a machine or a container sends them more than once, and what was measured is being kept meanwhile. Ignored
    stays ignored (``nohup``). Only the main thread can do this; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        if not _signals.came:
            _signals.came, _signals.unheard = True, Terminated(number)
            raise _signals.unheard

    before = {number: signal.getsignal(number) for number in _TERMINATIONS}
    replaced = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, before[number])
        _signals.came, _signals.unheard = False, None


@contextmanager
def kept() -> Iterator[None]:
    """Raise at the end of the block what Python would have swallowed within it."""
    swallowed: KeyboardInterrupt | None = None
    before = sys.unraisablehook

    def remember(unraisable: Any) -> None:
        nonlocal swallowed
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            swallowed = unraisable.exc_value
        else:
            before(unraisable)

    sys.unraisablehook = remember
    try:
        yield
    except KeyboardInterrupt:
        _signals.unheard = None
        raise
    finally:
        sys.unraisablehook = before
    # A library may swallow one as well, where it waits for its own threads or processes.
    swallowed = swallowed or _signals.unheard
    if swallowed is not None:
        _signals.unheard = None
        raise swallowed


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
