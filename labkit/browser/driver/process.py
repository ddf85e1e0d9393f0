"""The parent of the process that drives the browser: gives it jobs, waits no longer than a time limit, ends it whole.

Nothing is left behind whatever happens: the process ends when its input closes and takes the browser along; if it does
not, it and everything that it started are ended by their process ids; if this process dies, its input closes.
"""

import contextlib
import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import psutil

from labkit.base import clock
from labkit.base.errors import BrowserError, MissingExtra

#: How much longer than the job's own limit the parent waits before it ends the process.
GRACE_S = 10.0

#: In the environment of everything that a driver starts.
_MARK = "LABKIT_BROWSER_DRIVER"


class Driver:
    """Drives browsers from another process: ``with Driver() as driver: driver.run(job, limit_s=30)``.

    Raises:
        MissingExtra: Playwright is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("playwright") is None:
            raise MissingExtra("driving a browser needs Playwright: pip install 'labkit[browser]'")
        self._process: subprocess.Popen[str] | None = None
        self._token = uuid.uuid4().hex

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def run(self, job: dict[str, Any], *, limit_s: float) -> dict[str, Any]:
        """Give a job and wait for its result.

        Raises:
            BrowserError: the browser did not start, ended, or was not done in time. The next job gets a new one.
        """
        self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({**job, "limit_s": limit_s}) + "\n")
            self._process.stdin.flush()
            line = self._answer(limit_s + GRACE_S)
        except queue.Empty:
            self.close(timeout_s=1)  # it did not even keep its own limit
            raise BrowserError(f"the browser's driver did not answer within {limit_s:g} s: measure less") from None
        except OSError:
            line = ""
        except BaseException:  # Ctrl-C: the answer that is still to come would be taken for the next job's
            self.close()
            raise
        if not line:
            why = self._why()
            self.close()
            raise BrowserError(f"the browser's driver ended ({why}): measure again")
        result: dict[str, Any] = json.loads(line)
        if "failed" in result:
            self.close()  # whatever state the browser is in: the next job begins with a new one
            raise BrowserError(result["failed"])
        return result

    def _answer(self, timeout_s: float) -> str:
        """The next line; empty where the process has ended. A browser that outlives it may keep the pipe open."""
        assert self._process is not None
        deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
        while True:
            ended = self._process.poll() is not None
            try:
                return self._answers.get(timeout=0.2)
            except queue.Empty:
                if ended:
                    return ""
                if clock.now_ns() > deadline_ns:
                    raise

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        # A file: a pipe that nobody reads would stop the process when it is full.
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labkit.browser.driver.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            env={**os.environ, _MARK: self._token},
            start_new_session=True,  # Ctrl-C in a terminal is the parent's to handle
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process, self._answers), daemon=True)
        self._reader.start()

    @staticmethod
    def _read(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def _why(self) -> str:
        self._stderr.seek(0)
        lines = [line for line in self._stderr.read().splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else "it said nothing"

    def close(self, timeout_s: float = 8.0) -> None:
        """End the process and every browser that it started; twice does no harm."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        finally:
            process.kill()
            process.wait()
            _end(_started(self._token))
            self._reader.join(2)  # for ever, if something that could not be ended kept the pipe
            if not self._reader.is_alive():
                process.stdout.close()
            self._stderr.close()


@dataclass
class _Shared:
    """The driver of an :func:`one_browser`; None until the first measurement within it."""

    driver: Driver | None = None


_shared: _Shared | None = None


@contextlib.contextmanager
def one_browser() -> Iterator[None]:
    """``with one_browser():`` all measurements within share one browser, started by the first of them.

    Each has a page and an empty profile of its own all the same; starting a browser takes as long as a short run.
    """
    global _shared  # noqa: PLW0603 (what is measured within is called by others, who need not know of it)
    if _shared is not None:
        yield
        return
    _shared = _Shared()
    try:
        yield
    finally:
        shared, _shared = _shared, None
        if shared.driver is not None:
            shared.driver.close()


@contextlib.contextmanager
def driving() -> Iterator[Driver]:
    """The driver that measurements share now, left open; else one of its own, ended afterwards."""
    if _shared is None:
        with Driver() as driver:
            yield driver
    else:
        _shared.driver = _shared.driver or Driver()
        yield _shared.driver


def _started(token: str) -> list[psutil.Process]:
    """What still runs of a driver, however it ended: its children may have outlived it, but carry its mark."""
    marked = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == token:
                marked.append(process)
    found = set(marked)
    for process in marked:
        with contextlib.suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return list(found)


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=2)
