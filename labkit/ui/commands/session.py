"""What the commands share: exit codes, the console, where results go, and an end that keeps what was measured."""

import contextlib
import errno
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import clock, interrupts, warden
from labkit.base.errors import LabError, UsageError
from labkit.base.files import claimed, new_folder, unused_folder, whole

if TYPE_CHECKING:
    from labkit.experiments.work_process import WorkProcess
    from labkit.plan.work import Work

#: Exit codes. What INVALID means stands in each command's help: a run that must not be used, or a verdict that differs.
MEASURED, INVALID, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

#: Of commands that are asked to judge: it is not as expected, or nobody can tell.
BROKEN, UNKNOWN = 3, 4

#: Where results go if nobody names a folder.
RESULTS = Path("labkit-results")

#: What ``--network`` says of itself.
NETWORK = "Between clients and server: delay one way, jitter, loss, as 40ms,10ms,2%.  [default: loopback alone]"


class Session(ABC):
    """A command that measures step by step. Ctrl-C or a failure ends it early, and what was measured is kept.

    Attributes:
        console: for people. With ``--json`` it is standard error, since standard output is the object's alone.
        json: print one JSON object instead of text.
    """

    def __init__(self, json_: bool = False) -> None:
        from rich.console import Console

        self.json = json_
        self.console = Console(stderr=json_)

    def run(self) -> NoReturn:
        """Measure and finish; what was measured before an early end is finished in the same way."""
        with warden.kept():
            try:
                with interrupts.kept():
                    self.measure()
                self.finish(MEASURED)
            except KeyboardInterrupt as interrupt:
                if not self.kept:
                    raise
                self._end(interrupts.exit_code(interrupt), f"{interrupts.said(interrupt)}{self.kept}.")
            except (LabError, OSError, MemoryError) as error:
                if not self.kept or isinstance(error, BrokenPipeError):  # whoever read this has gone
                    raise
                self._end(INVALID, f"Failed{self.kept}: {sentence(error)}")

    def _end(self, code: int, early: str) -> NoReturn:
        """Finish early; where that fails too, say at least why it ended, and what is kept: the runs' files."""
        try:
            self.finish(code, early)
        except LabError as second:
            if str(second) not in early:
                click.echo(f"labkit: {early}", err=True)
            raise
        except (KeyboardInterrupt, OSError, MemoryError):  # nobody waits any more, or there is nowhere to show it
            with contextlib.suppress(OSError):
                click.echo(f"labkit: {early}", err=True)
            sys.exit(code)

    @property
    @abstractmethod
    def kept(self) -> str:
        """What an early end would keep, as the rest of a sentence such as ``Interrupted after 2 runs, which are kept``.

        Empty while there is nothing to keep.
        """

    @abstractmethod
    def measure(self) -> None:
        """All steps, each kept as soon as it is measured."""

    @abstractmethod
    def finish(self, code: int, early: str = "") -> NoReturn:
        """Show and keep what was measured, and exit.

        Args:
            code: :data:`MEASURED`, or why it ended early.
            early: the same as a sentence; empty where all was measured.
        """

    def say(self, *lines: str) -> None:
        """Lines for people, as they are: a terminal may wrap them, but nothing in them is markup."""
        self.console.print(*lines, sep="\n", highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def results(out: Path | None, pattern: str, holds: str) -> Iterator[Path]:
    """The folder for a command's results: the one that was named, or a new one with the time in its name.

    A new one belongs to this command alone, also where two begin within one second. If nothing was put into it, it is
    taken away again.

    Args:
        out: as named; None for a new folder below :data:`RESULTS`.
        pattern: of files that the named folder must not hold.
        holds: what such files are, for the error's sentence.

    Raises:
        UsageError: the named folder is a file, holds such files, cannot be made, or another command writes there now.
    """
    if out is not None:
        with claimed(unused_folder(out, pattern, holds)) as named:
            unused_folder(named, pattern, holds)  # another command may have written there, and ended, just before
            yield named
        return
    folder = new_folder(RESULTS, clock.folder_stamp())
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # it holds something, as it should
            folder.rmdir()
            RESULTS.rmdir()


def named(target: str, payloads: list[Any] | None = None, app: str | None = None, *, mode: str) -> "Work":
    """A work by its name. A function of the reader's is imported in a process that ends with the command.

    Args:
        target: as for :func:`labkit.plan.targets.parse`.
        payloads: what its events carry; see :func:`labkit.plan.work.call`.
        app: of the Flask app in whose context it runs; None for none.
        mode: in which it will be served.

    Raises:
        WorkloadError: there is no such work, or it cannot be used.
        UsageError: its import patches threads, and the mode has real ones.
    """
    from labkit.plan import flask_app, targets

    if not targets.is_own(target):
        return _place(mode).work(target, payloads, app=app)
    own = targets.parse(target, payloads)
    return own if app is None else flask_app.in_app(own, app)


def _place(mode: str) -> "WorkProcess":
    from labkit.experiments.work_process import WorkProcess

    context = click.get_current_context()
    if _PLACE not in context.meta:
        process = context.meta[_PLACE] = WorkProcess(mode)
        context.call_on_close(process.end)
        process.launch()  # while this one imports what it needs, and the client's begins
    place: WorkProcess = context.meta[_PLACE]
    return place


#: Of click's context: where the command's process for the reader's code is found.
_PLACE = "labkit.place"


def write(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; its folder is made where it is not there.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as half:
            half.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another folder with --out") from error


def sentence(error: Exception) -> str:
    """What to tell of an error that is labkit's own, or the machine's: no room, rights, descriptors or memory left."""
    if isinstance(error, MemoryError):
        return "there is not enough memory: close something else, or ask for fewer events"
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{reason.lower()}: raise the limit (ulimit -n), or ask for fewer connections"
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return f"{reason.lower()}: close something else, or ask for less"
    if error.filename is None:
        return f"{reason.lower()}: make room or mend that, then try again"
    return f"{error.filename}: {reason.lower()}: make room, or name another place"


def counted(number: int, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
