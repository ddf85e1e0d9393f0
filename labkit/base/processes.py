"""A process that takes orders on its standard input, answers on its standard output, and ends when the first closes.

So it never outlives who started it, however that ends. Orders and answers are pickles; both ends are ours.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Self

import psutil

from labkit.base.errors import LabError

#: Of loky's and multiprocessing's helper that ends by itself, after the processes that it serves, and removes what they
#: left in shared memory: killed with them, it could not.
_TIDIES_UP = "resource_tracker"

#: In the environment of a marked process, and so of everything that it starts.
_MARK = "LABKIT_PROCESS"


class OrderedProcess:
    """The parent's end.

    Args:
        code: what Python runs there.
        own_group: leave Ctrl-C to the parent.
        marked: give the process, and thereby all that it starts, a mark: what outlives it is found and ended too.
        grace_s: how long it may take to end by itself, once its input has closed, before it is killed.

    Attributes:
        mark: by which :func:`marked` finds what still runs; empty for none.
    """

    def __init__(self, code: str, *, own_group: bool = False, marked: bool = False, grace_s: float = 0.0) -> None:
        self._code = code
        self._own_group = own_group
        self._grace_s = grace_s
        self.mark = uuid.uuid4().hex if marked else ""
        self._process: subprocess.Popen[bytes] | None = None

    def ended(self, last_words: str) -> LabError:
        """The error to raise where the process has ended."""
        raise NotImplementedError

    def launch(self) -> None:
        """Start the process, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()  # what is left of one that died
        # A file: a pipe that nobody reads would stop the process when it is full.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, _MARK: self.mark} if self.mark else None,
            start_new_session=self._own_group,
        )

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def order(self, name: str, *args: Any) -> Any:
        """Give an order and wait for its answer."""
        self.send(name, *args)
        return self.receive()

    def send(self, name: str, *args: Any) -> None:
        """Give an order without waiting."""
        self.launch()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            pickle.dump((name, args), self._process.stdin)
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """The answer to the order before."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except KeyboardInterrupt:
            # The order goes on over there, and its answer would be taken for the next one's.
            self.end()
            raise
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @contextlib.contextmanager
    def time_limit(self, seconds: float, error: LabError | None = None) -> Iterator[None]:
        """Kill the process if the block takes longer: who waits for its answer then learns that it has ended.

        Args:
            seconds: how long.
            error: raised in place of what is said where it has ended.
        """
        passed = threading.Event()

        def kill() -> None:
            passed.set()
            self._kill_tree()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except LabError:
            if error is not None and passed.is_set():
                raise error from None
            raise
        finally:
            timer.cancel()
            timer.join()

    def last_words(self) -> str:
        """The last line that it wrote to its standard error."""
        self._stderr.seek(0)
        return "".join(self._stderr.read().decode(errors="replace").strip().splitlines()[-1:])

    def _ended(self) -> LabError:
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # so that all it has to say is said
        last = self.last_words()
        self.kill()
        return self.ended(last or "without a word")

    def _kill_tree(self) -> None:
        if (pid := self.pid) is not None:
            kill_tree(pid)
        if self.mark and self._process is not None:
            self._process.wait()  # by us, who started it: psutil would take its exit code away
            left = marked(self.mark)
            kill_all(left)
            psutil.wait_procs(left, timeout=2)

    def end(self) -> None:
        """Close its input, so that it ends by itself; after `grace_s`, kill it and what it leaves. Twice is no harm."""
        process = self._process
        if process is None:
            return
        try:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            if self._grace_s:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self._grace_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process, whatever it does, and those that it started."""
        process = self._process
        if process is None:
            return
        self._kill_tree()
        self._process = None
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # What was left in the buffer has nowhere to go.
                with contextlib.suppress(OSError):
                    pipe.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


def marked(mark: str) -> list[psutil.Process]:
    """What runs and carries a mark, and what that started: also what left its process group or outlived its parent."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == mark:
                found.add(process)
    for process in list(found):
        with contextlib.suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return list(found)


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process started, and theirs, but for those that end by themselves after them."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if not any(_TIDIES_UP in part for part in child.cmdline()):
                    found.append(child)
    return found


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kill processes, those that still are what they were."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def kill_tree(pid: int) -> None:
    """Kill a process and those that it started. The root first: it might start another in place of one that ends."""
    below = descendants(pid)
    with contextlib.suppress(psutil.Error):
        kill_all([psutil.Process(pid)])
    kill_all(below)


class Pipes:
    """The child's end: where orders come from and answers go.

    Nothing that is started afterwards inherits them, so the parent sees the child's end also where others outlive it.
    """

    def __init__(self) -> None:
        self.orders: BinaryIO = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        self.answers: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not end up between the answers
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, sys.stdin.fileno())  # nor may whatever reads take an order
        os.close(nothing)

    def take(self) -> tuple[str, tuple[Any, ...]]:
        """The next order; EOFError when the parent has ended."""
        name, args = pickle.load(self.orders)
        return name, args

    def answer(self, answer: Any) -> None:
        """Answer it."""
        pickle.dump(answer, self.answers)
        self.answers.flush()
