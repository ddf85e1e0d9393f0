"""Ctrl-C that is not lost, wherever it falls; and other signals to end, which are taken for one.

Python cannot raise a KeyboardInterrupt out of a finaliser or a weakref's callback: it prints it and goes on
(``sys.unraisablehook``). A signal that comes during a garbage collection is delivered in the first Python code that
runs after it, which may be just such a callback. So an interrupt during ``gc.collect()`` was ignored now and then.

Nor does every library let one through: NumPy asks an operand for attributes, and clears whatever that raises. Within a
command a signal is therefore remembered until somebody has heard of it.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
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
        came: whether one other than Ctrl-C has asked it to end.
        unheard: what was raised and may have been swallowed, until it has left a :func:`kept` block.
        blocks: how many of those there are around what runs now.
    """

    came: bool = False
    unheard: KeyboardInterrupt | None = None
    blocks: int = 0


_signals = _Signals()


def have_come() -> bool:
    """Whether a signal other than Ctrl-C has asked this process to end."""
    return _signals.came


def heard() -> None:
    """Said by who has caught one, and goes on for a moment before it is raised again."""
    _signals.unheard = None


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """As shells have it: 128 and the number of the signal."""
    return 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def said(interrupt: KeyboardInterrupt) -> str:
    """What ended it, as the beginning of a sentence."""
    return str(interrupt) or "Interrupted"


@contextmanager
def remembered() -> Iterator[None]:
    """Within the block, signals to end are remembered. SIGTERM and SIGHUP raise :class:`Terminated`, the first of them.

    What ends a machine or a container sends them more than once, and what was measured is being kept meanwhile. Ignored
    stays ignored (``nohup``). Only the main thread can do this; elsewhere nothing changes.
    """
    if not _is_main():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        _signals.unheard = KeyboardInterrupt()
        raise _signals.unheard

    def end(number: int, _: FrameType | None) -> None:
        if not _signals.came:
            _signals.came, _signals.unheard = True, Terminated(number)
            raise _signals.unheard

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_TERMINATIONS)}
    replaced: dict[int, Callable[[int, FrameType | None], None]]
    replaced = {number: end for number in _TERMINATIONS if before[number] is signal.SIG_DFL}
    if before[signal.SIGINT] is signal.default_int_handler:
        replaced[signal.SIGINT] = interrupt
    for number, handler in replaced.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, before[number])
        _signals.came, _signals.unheard = False, None


@contextmanager
def kept() -> Iterator[None]:
    """Raise at the end of the block what was swallowed within it, or within a block in it that ended by an error."""
    if not _is_main():  # where no interrupt is raised
        yield
        return
    before, under_way = sys.unraisablehook, _signals.unheard

    def remember(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _signals.unheard = unraisable.exc_value
        else:
            before(unraisable)

    sys.unraisablehook = remember
    _signals.blocks += 1
    try:
        yield
    except KeyboardInterrupt:
        heard()
        raise
    except BaseException:
        if _signals.blocks == 1:  # nobody is left who would raise it
            heard()
        raise
    finally:
        _signals.blocks -= 1
        sys.unraisablehook = before
    # One that was raised before is on its way up, and this block belongs to what tidies up after it.
    if (unheard := _signals.unheard) is not None and unheard is not under_way:
        heard()
        raise unheard


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


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
