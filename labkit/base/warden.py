"""Somebody who outlives this process and ends what it leaves behind: after a ``kill -9`` nobody else can.

Our own processes end when their input closes. The workers of a pool that a strategy makes do not, nor does what the
reader's work starts. So what is started during a watch inherits a mark in its environment, and a small process beside
this one waits for this one's end, however that comes. It costs no time until then: it only reads from a pipe.
"""

import contextlib
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from labkit.base import clock, interrupts
from labkit.base.processes import MARK, end_marked, kill_tree, remove_what_is_left_of, semaphores_of, with_mark

#: How long a pool that nobody holds any more may take to let its semaphores go.
_LEAVING_NS = clock.NS_PER_S

#: What the watched process says: its last word is how it stood when it was killed. Between them are its forks' numbers.
_WATCHED, _RESTS, _ENDED = "watched", "rests", "ended"

#: Killed before its first word, it was about to be watched. The path is set only when there is something to do: a start
#: without `site` takes a hundredth of a second.
_WAIT = """
import sys
said = sys.stdin.read().split()
last = [{watched!r}, *(each for each in said if not each.isdigit())][-1]
if last != {ended!r}:
    sys.path[:] = {path!r}
    from labkit.base.warden import after
    after(last, {mark!r}, {pid!r}, {command!r}, [int(each) for each in said if each.isdigit()])
"""


def after(last: str, mark: str, pid: int, command: list[str], forks: list[int]) -> None:
    """What the warden does once the watched process is gone, by its last word.

    Args:
        last: what it said last.
        mark, pid, command, forks: as for :func:`end_what_is_left`.
    """
    if last == _RESTS:
        remove_what_is_left_of(pid)
    else:
        end_what_is_left(mark, pid, command, forks)


def end_what_is_left(mark: str, pid: int, command: list[str], forks: list[int]) -> None:
    """What the warden does once the watched process has been killed.

    Args:
        mark: of what it started.
        pid: its own number.
        command: its command line, by which a fork is told from a later process with the same number.
        forks: its forks. A fork shows the environment that its parent had at first, so it carries no mark.
    """
    for fork in forks:
        with contextlib.suppress(psutil.Error):
            if psutil.Process(fork).cmdline() == command:
                kill_tree(fork)
    end_marked(mark, pid)


class _Warden:
    """One process that waits, and the mark that it looks for. Where it cannot be started, nobody waits."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._before: str | None = None
        self._watches = False
        self._write = -1
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no descriptors or no memory left: a measurement need not fail for that
            self._start()

    def _start(self) -> None:
        code = _WAIT.format(
            watched=_WATCHED, ended=_ENDED, path=sys.path, mark=self.mark, pid=os.getpid(), command=sys.orig_argv
        )
        read, self._write = os.pipe()
        try:
            # Not of our group: a Ctrl-C or a terminal that closes is for us, and the warden comes after us.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name != MARK},
                start_new_session=True,
            )
        finally:
            os.close(read)

    def watch(self) -> None:
        """From here on what is started inherits the mark; twice does no harm."""
        if not self._watches:
            self._watches = True
            self._before = os.environ.get(MARK)
            os.environ[MARK] = with_mark(self.mark)
            self._say(_WATCHED)

    def rest(self) -> None:
        """From here on nothing inherits the mark, and of what was started only shared memory has to go; also twice."""
        if not self._watches:
            return
        self._watches = False
        if self._before is None:
            os.environ.pop(MARK, None)
        else:
            os.environ[MARK] = self._before
        self._say(_RESTS)

    def end(self) -> None:
        """All is well: it ends."""
        self._say(_ENDED)
        self._hang_up()
        if self._process is not None:
            self._process.wait()

    def tell_of_fork(self) -> None:
        """In a fork: its copy of the pipe would hide its parent's end."""
        self._say(str(os.getpid()))
        self._hang_up()

    def _say(self, word: str) -> None:
        if self._write >= 0:
            with contextlib.suppress(OSError):
                os.write(self._write, f"{word} ".encode())

    def _hang_up(self) -> None:
        if self._write >= 0:
            os.close(self._write)


@dataclass
class _State:
    """The one warden of this process.

    Attributes:
        watches: how many need it now.
        kept: how many commands keep it between watches.
        theirs: the semaphores that were there before the watches: of the reader's own pools.
        left: those that the watches have left, for which the warden rests.
    """

    warden: _Warden | None = None
    watches: int = 0
    kept: int = 0
    theirs: set[Path] = field(default_factory=set)
    left: set[Path] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)


_state = _State()


def _forget() -> None:
    """In a fork, which starts a warden of its own if need be; and the lock may have been held by another thread."""
    global _state
    warden, _state = _state.warden, _State()
    if warden is not None:
        warden.tell_of_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Watch:
    """From here to :meth:`end`, what this process starts does not outlive it. Twice ended does no harm."""

    def __init__(self) -> None:
        with _state.lock:
            if not _state.watches:
                _state.theirs = {*semaphores_of(os.getpid())} - _state.left
            _state.watches += 1
            _state.warden = _state.warden or _Warden()
            _state.warden.watch()
        self._of: _State | None = _state

    def end(self) -> None:
        """No longer needed."""
        of, self._of = self._of, None
        if of is not None and of is _state:
            with of.lock:
                of.watches -= 1
                _end_if_idle(of)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """The watches within share one warden; at the end of the block, whatever was started during them is ended.

    For a command, to which all belongs that is started in its process. In a notebook something else might be the
    reader's own.
    """
    of = _state
    with of.lock:
        of.kept += 1
    try:
        yield
    finally:
        with of.lock:
            of.kept -= 1
            if of.warden is not None and not of.kept:
                end_marked(of.warden.mark)
            # A signal may have come while a pool was made, of whose semaphores then nobody else knows.
            if not interrupts.have_come():
                _end_if_idle(of)


def is_kept() -> bool:
    """Whether a command keeps the warden, so that every server may as well be watched."""
    return _state.kept > 0


def _end_if_idle(of: _State) -> None:
    if of.warden is None or of.watches or of.kept:
        return
    of.warden.rest()
    of.left = _left_by(of)
    if not of.left:
        of.warden.end()
        of.warden = None


def _left_by(of: _State) -> set[Path]:
    """The semaphores of pools that the watches have left, after some time to go.

    An interrupt leaves a pool to Python's collector, and the pool's own thread then ends it. Of a worker that died,
    multiprocessing keeps what it knows, a semaphore among it, until somebody asks for the children that there are.
    """

    def ours() -> set[Path]:
        return {*semaphores_of(os.getpid())} - of.theirs

    if ours() - of.left:
        with interrupts.kept():
            gc.collect()
        until_ns = clock.now_ns() + _LEAVING_NS
        while ours() - of.left and clock.now_ns() < until_ns:
            multiprocessing.active_children()
            clock.sleep(0.005)
    return ours()
