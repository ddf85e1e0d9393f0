"""A program in the foreground, in our place: its streams are ours, so are its signals, and so is its exit code."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit.base.errors import UsageError

#: What is passed on, as far as this platform has it. gunicorn takes all of them.
PASSED_ON = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTTIN", "SIGTTOU")
    if hasattr(signal, name)
)

#: Of these, what ends a program of Python's that does not handle it.
_ENDS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)

#: Of a signal that the kernel sends: a terminal's Ctrl-C reaches the program without us.
_BY_THE_KERNEL = 0x80

#: A program that has ended without a signal that tells so is found after this many seconds.
_LOOK_EVERY_S = 0.5


def run(
    command: Sequence[str], environment: Mapping[str, str], before_signal: Callable[[], None] = lambda: None
) -> int:
    """Run a program until it ends. Only in the main thread.

    Args:
        command: the program, and its arguments.
        environment: its environment, all of it.
        before_signal: called before a signal is passed on that can end it at once. SIGINT is not one: Python raises it.

    Returns:
        Its exit code; 128 and the number of the signal where one has ended it, as a shell says it.

    Raises:
        UsageError: it cannot be started.
    """
    early: list[int] = []
    with _handlers(lambda number, _: early.append(number)):
        try:
            # Descriptors that are meant to be inherited are: a socket of systemd's, say.
            process = subprocess.Popen(command, env=dict(environment), close_fds=False)
        except OSError as error:
            raise UsageError(f"{command[0]} cannot be started ({error.strerror}): name a program") from error
        with _blocked():
            for number in early:
                process.send_signal(number)
            _wait(process, before_signal)
    code = process.returncode
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _handlers(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Within the block these signals end nobody. Those that were ignored stay so, here and in what is started."""
    before = {number: signal.getsignal(number) for number in PASSED_ON}
    ours = [number for number, was in before.items() if was not in (signal.SIG_IGN, None)]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    """Within the block these signals wait to be asked for. Not while a program is started: it would block them too."""
    if not hasattr(signal, "sigtimedwait"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [*PASSED_ON, signal.SIGCHLD])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(process: "subprocess.Popen[bytes]", before_signal: Callable[[], None]) -> None:
    if not hasattr(signal, "sigtimedwait"):  # not Linux: a terminal's signals reach it without us, others do not
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_EVERY_S)
        return
    while process.poll() is None:
        told = signal.sigtimedwait([*PASSED_ON, signal.SIGCHLD], _LOOK_EVERY_S)
        if told is None or told.si_signo == signal.SIGCHLD or told.si_code == _BY_THE_KERNEL:
            continue
        if told.si_signo in _ENDS:
            before_signal()
        process.send_signal(told.si_signo)


def sibling(program: str, of: str) -> str:
    """The program of this name that lies beside another one, as all of a virtual environment's do; else the name."""
    beside = os.path.join(os.path.dirname(of), program)
    return beside if os.sep not in program and os.access(beside, os.X_OK) else program
