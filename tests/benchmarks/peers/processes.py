"""Processes that end: each has a time limit, and with it go those that it started."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil


class Failed(Exception):
    """A process did not do what it was asked; the message is its last words."""


class Started:
    """One process and whatever it started."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        # Files: a pipe that nobody reads would stop the process when it is full.
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            self.process = psutil.Popen(
                [*command], env={**os.environ, **env}, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def _family(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_s(self) -> float:
        """CPU seconds so far of all of them that still run."""
        spent = 0.0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent += times.user + times.system
        return spent

    def output(self, limit_s: float) -> str:
        """What it printed, once it has ended; raises `Failed` where it took too long or failed."""
        try:
            code = self.process.wait(limit_s)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            raise Failed(f"still running after {limit_s:g} s") from None
        if code != 0:
            raise Failed(f"exit code {code}: {self.last_words()}")
        return (self.folder / "stdout").read_text(errors="replace")

    def last_words(self) -> str:
        """The last line that it printed, on stderr if there is one."""
        for name in ("stderr", "stdout"):
            lines = (self.folder / name).read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1].strip()[:160]
        return "without a word"

    def end(self) -> None:
        """End all of them, whatever they do."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()


def run(command: Sequence[str], *, limit_s: float, env: Mapping[str, str] | None = None) -> str:
    """Run it to its end; what it printed. Raises `Failed`."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Started(command, env or {}, Path(folder)) as one:
                return one.output(limit_s)
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from None
