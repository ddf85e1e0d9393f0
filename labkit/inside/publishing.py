"""Says twice a second what a server does, while somebody wants to know: in a file, from a real thread.

While nobody does, it looks twice a second whether a file was touched, and that is all.
"""

import atexit
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.base.clock import NS_PER_S, folder_stamp, thread_cpu_ns
from labkit.base.errors import UsageError
from labkit.base.files import new_folder, whole
from labkit.base.real_threads import RealThread, original
from labkit.inside import published
from labkit.inside.published import WANTED, Published
from labkit.inside.seeing import log
from labkit.inside.telling import Telling

#: So often it is said, in seconds; more seldom, up to the longest, where it would take more than this share of a core.
EVERY_S, LONGEST_S, SHARE = 0.5, 5.0, 0.01

#: Nobody has touched the file for so many looks: nobody listens any more.
LOOKS = 6

#: Beside it: whose it is.
PROCESS = "process.json"


class Publishing:
    """Does it, from :meth:`start` to :meth:`stop` or the end of the process.

    Args:
        telling: makes what is told, once somebody listens.
        folder: where the file is.
        made: for this alone: at the end they are taken away again, in this order, unless something else is in them.
        every_s: how often it looks and tells.
    """

    def __init__(
        self, telling: Callable[[], Telling], folder: Path, *, made: Sequence[Path] = (), every_s: float = EVERY_S
    ) -> None:
        self._make = telling
        self._folder = folder
        self._wanted_path = os.fspath(folder / WANTED)
        self._made = made
        self._every_s = every_s
        self._stopping = original("_thread", "allocate_lock")()
        self._thread = RealThread(self._run)
        self._pid = os.getpid()
        self._telling: Telling | None = None
        self._file: Published | None = None
        self._touched = 0
        self._silent = LOOKS
        self.cost_ns = self.told = 0

    def start(self) -> None:
        """Begin."""
        self._stopping.acquire()
        self._touched = self._mtime()
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """End, and take the file away; twice does no harm. In a fork of the process it does nothing."""
        atexit.unregister(self.stop)
        if self._pid != os.getpid() or not self._stopping.locked():
            return
        self._stopping.release()
        self._thread.join(5)
        published.forget(self._folder)
        if self._made:
            (self._folder / PROCESS).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something else by now
            for folder in self._made:
                folder.rmdir()

    def _run(self) -> None:
        began_ns, pause_s = thread_cpu_ns(), self._every_s
        try:
            while not self._stopping.acquire(timeout=pause_s):
                before_ns = thread_cpu_ns()
                if self._is_wanted():
                    self._tell()
                after_ns = thread_cpu_ns()
                self.cost_ns = after_ns - began_ns
                pause_s = min(max(self._every_s, (after_ns - before_ns) / NS_PER_S / SHARE), LONGEST_S)
        except Exception:  # noqa: BLE001 (whatever it is, the app goes on)
            log.exception("labkit cannot say any more what the server does; the app goes on")
        else:
            self._stopping.release()
        finally:
            if self._file is not None:
                self._file.close()

    def _is_wanted(self) -> bool:
        touched = self._mtime()
        self._silent = 0 if touched != self._touched else self._silent + 1
        self._touched = touched
        if self._silent < LOOKS:
            return True
        self._telling = None
        return False

    def _tell(self) -> None:
        try:
            self._file = self._file or Published(self._folder)
            self._telling = self._telling or self._make()
            self._file.write(self._telling.tell())
            self.told += 1
        except OSError:  # no room: perhaps the next time
            self._telling = None

    def _mtime(self) -> int:
        try:
            return os.stat(self._wanted_path).st_mtime_ns
        except OSError:
            return 0


def own_folder(folder: str | Path | None) -> tuple[Path, tuple[Path, ...]]:
    """The folder of this process's server, in which whoever looks for it finds its number; which folders are new.

    Raises:
        UsageError: it cannot be written to.
    """
    if folder is None:
        results = Path("labkit-results").resolve()
        was_there = results.exists()
        run = new_folder(results, folder_stamp())
        own, made = run / f"server-{os.getpid()}", [run] if was_there else [run, results]
    else:
        own, made = Path(folder).resolve(), []
    try:
        made = [*(each for each in (own, *own.parents) if not each.exists()), *made]
        own.mkdir(parents=True, exist_ok=True)
        if not (own / PROCESS).exists():
            with whole(own / PROCESS) as path:
                path.write_text(json.dumps({"pid": os.getpid(), "arguments": sys.orig_argv, "ended": False}), "utf-8")
    except OSError as error:
        raise UsageError(f"{own} cannot be written to ({error.strerror}): name another folder") from error
    return own, tuple(made)
