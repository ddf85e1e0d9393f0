"""A process that takes orders on its standard input, answers on its standard output, and ends when the first closes.

So it never outlives who started it, however that ends. Orders and answers are pickles; both ends are ours.
"""

import contextlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import psutil

from labkit.base import clock
from labkit.base.errors import LabError

#: Of loky's and multiprocessing's helper that ends by itself, after the processes that it serves, and removes what they
#: left in shared memory: killed with them, it could not.
_TIDIES_UP = "resource_tracker"

#: In the environment of a marked process, and so of everything that it starts: a mark, or several with spaces between.
MARK = "LABKIT_PROCESS"

#: In the environment of a process that has a temporary folder of its own: where that is.
OWN_TEMPORARY = "LABKIT_TEMPORARY"

#: How long what was killed may take to end, and then what tidies up after it.
_ENDING_S = 1.0


class OrderedProcess:
    """The parent's end.

    Args:
        code: what Python runs there.
        own_group: leave Ctrl-C to the parent.
        marked: give the process, and thereby all that it starts, a mark: what outlives it is found and ended too.
        grace_s: how long it may take to end by itself, once its input has closed, before it is killed.
        own_temporary: give it a temporary folder of its own, removed with it: for what leaves files when it is killed.

    Attributes:
        mark: by which :func:`marked` finds what still runs; empty for none.
    """

    def __init__(
        self,
        code: str,
        *,
        own_group: bool = False,
        marked: bool = False,
        grace_s: float = 0.0,
        own_temporary: bool = False,
    ) -> None:
        self._code = code
        self._own_temporary = own_temporary
        self._temporary = ""
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
            env=self._environment(),
            start_new_session=self._own_group,
        )

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.mark:
            environment[MARK] = with_mark(self.mark)
        if self._own_temporary:
            self._temporary = tempfile.mkdtemp(prefix=temporary_prefix(os.getpid()))
            environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP", OWN_TEMPORARY), self._temporary)
        return environment

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
            end_marked(self.mark)

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
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

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
            if mark in process.environ().get(MARK, "").split():
                found.add(process)
    for process in list(found):
        with contextlib.suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return list(found)


def with_mark(mark: str) -> str:
    """What the environment says with a further mark: whoever looks for one that was there before finds it still."""
    return f"{os.environ.get(MARK, '')} {mark}".strip()


def end_marked(mark: str, dead_pid: int | None = None) -> None:
    """End what carries a mark, but this process, and remove what it left in shared memory and in temporary folders.

    Args:
        mark: as for :func:`marked`.
        dead_pid: the process that is gone, whose shared memory and temporary folders go too.
    """
    seen = set() if dead_pid is None else {dead_pid}
    while True:
        found = [each for each in marked(mark) if each.pid != os.getpid()]
        workers = [each for each in found if not _tidies_up(each)]
        if {each.pid for each in workers} <= seen:
            break
        seen.update(each.pid for each in workers)
        kill_all(workers)
        _wait_for(workers, _ENDING_S)
    # Those that tidy up end by themselves, now that nobody is left whom they serve; our own serves us still.
    kill_all(_wait_for([each for each in found if not _is_ours(each)], _ENDING_S))
    for pid in seen:
        remove_what_is_left_of(pid)


def _wait_for(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait until processes have ended, whoever takes note of it; those that have not."""
    deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
    left = [*processes]
    while True:
        left = [each for each in left if _runs(each)]
        if not left or clock.now_ns() > deadline_ns:
            return left
        clock.sleep(0.005)


def _is_ours(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.ppid() == os.getpid()
    return False


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def semaphores_of(pid: int) -> list[Path]:
    """What a process's pools of loky hold in shared memory, which Linux shows as files."""
    return [*Path("/dev/shm").glob(f"sem.loky-{pid}-*")]


def remove_what_is_left_of(pid: int) -> None:
    """Of a process that has ended: loky's semaphores and our temporary folders."""
    for semaphore in semaphores_of(pid):
        with contextlib.suppress(OSError):
            semaphore.unlink()
    for folder in Path(tempfile.gettempdir()).glob(f"{temporary_prefix(pid)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def temporary_prefix(pid: int) -> str:
    """How the names of a process's temporary folders begin: by them they are found when it has been killed."""
    return f"labkit-{pid}-"


def _tidies_up(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(_TIDIES_UP in part for part in process.cmdline())
    return False


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process started, and theirs, but for those that end by themselves after them."""
    with contextlib.suppress(psutil.Error):
        return [child for child in psutil.Process(pid).children(recursive=True) if not _tidies_up(child)]
    return []


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


def remove_own_temporary() -> None:
    """In such a process, at its end: its parent may be gone, and would have removed the folder."""
    if folder := os.environ.get(OWN_TEMPORARY):
        shutil.rmtree(folder, ignore_errors=True)


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
