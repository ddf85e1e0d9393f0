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
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Self

import psutil

from labkit.base.errors import LabError

#: Of loky's and multiprocessing's helper that ends by itself, after the processes that it serves, and removes what they
#: left in shared memory: killed with them, it could not.
_TIDIES_UP = "resource_tracker"


class OrderedProcess:
    """The parent's end.

    Args:
        code: what Python runs there.
        own_group: leave Ctrl-C to the parent.
    """

    def __init__(self, code: str, *, own_group: bool = False) -> None:
        self._code = code
        self._own_group = own_group
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
            self.kill()
            raise
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @contextlib.contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes longer: who waits for its answer then learns that it has ended."""
        timer = threading.Timer(seconds, self._kill_tree)
        timer.daemon = True
        timer.start()
        try:
            yield
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

    def kill(self) -> None:
        """End the process, whatever it does, and those that it started."""
        self._kill_tree()
        process, self._process = self._process, None
        if process is None:
            return
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
        self.kill()


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
    """The child's end: where orders come from and answers go."""

    def __init__(self) -> None:
        self.orders: BinaryIO = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        self.answers: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not end up between the answers

    def take(self) -> tuple[str, tuple[Any, ...]]:
        """The next order; EOFError when the parent has ended."""
        name, args = pickle.load(self.orders)
        return name, args

    def answer(self, answer: Any) -> None:
        """Answer it."""
        pickle.dump(answer, self.answers)
        self.answers.flush()
