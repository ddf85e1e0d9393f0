"""Keys that are pressed while something is shown, one by one and without Enter; where there is a terminal."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from labkit.base import clock


@contextlib.contextmanager
def pressed() -> Iterator[Callable[[float], str]]:
    """Within the block, a call that waits so many seconds at most for a key, and gives it; "" for none."""
    try:
        import select
        import termios
        import tty

        file = sys.stdin.fileno()
        before = termios.tcgetattr(file)
    except (ImportError, OSError, ValueError, AttributeError, termios.error):  # no terminal, or none that can do it
        yield _none
        return

    def key(timeout_s: float) -> str:
        ready, _, _ = select.select([file], [], [], timeout_s)
        return os.read(file, 1).decode("ascii", "replace") if ready else ""

    try:
        tty.setcbreak(file)
        yield key
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _none(timeout_s: float) -> str:
    clock.sleep(timeout_s)
    return ""
