"""One version of the reader's app, served from its folder in a process of its own.

What it is named by stays what it is: nothing in the folder is written or edited. Its own folder is its working
directory and the first place that its imports are looked for in, and ``src`` in it the second.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from labkit.base import clock, processes
from labkit.base.errors import NotStarted, UsageError
from labkit.base.ports import free_port
from labkit.base.warden import Watch

#: How long a version may take until it listens, and to end when it is asked to, in seconds.
START_S, STOP_S = 30.0, 3.0

#: How many of its last lines are told where it does not start.
_LINES = 6

#: What stands for the port in a command.
PORT = "{port}"


@dataclass(frozen=True)
class Launch:
    """How every version is started.

    Attributes:
        app: ``module:name`` of a Flask app with Flask-SocketIO, a ``SocketIO`` or a ``socketio.Server``.
        command: instead, what starts a server at :data:`PORT`, which is in it or read from the variable PORT.
        start_s: how long it may take until it listens.
    """

    app: str = ""
    command: tuple[str, ...] = ()
    start_s: float = START_S

    def __post_init__(self) -> None:
        if bool(self.app) == bool(self.command):
            raise UsageError("say how a version is started, in one way: --app shop:app, or --cmd 'python shop.py'")
        module, _, name = self.app.partition(":")
        if self.app and not (module and name and all(part.isidentifier() for part in f"{module}.{name}".split("."))):
            raise UsageError(f"an app is named as module:name, such as shop:app, not {self.app!r}")

    @property
    def late(self) -> str:
        """What may be wrong where it does not listen in time."""
        return f"its command must serve at {PORT}, or at the variable PORT"

    def arguments(self, port: int) -> list[str]:
        """What is executed. The first word ``python`` of a command is this interpreter."""
        if self.app:
            return [sys.executable, "-P", "-u", "-m", "labkit.server.version_worker", self.app, str(port)]
        first, *rest = [word.replace(PORT, str(port)) for word in self.command]
        return [sys.executable if first in ("python", "python3") else first, *rest]


class Version:
    """A version of the app while it serves: ``with Version("base", folder, launch) as served: served.url``.

    Args:
        name: what errors call it.
        folder: of its code.
        launch: how it is started.

    Raises:
        NotStarted: it ends before it listens, or never listens; with the last lines that it has written.
    """

    def __init__(self, name: str, folder: Path, launch: Launch) -> None:
        self.name, self.folder, self.launch = name, folder, launch
        self._mark = uuid.uuid4().hex
        self._watch: Watch | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.port = free_port()
        self._watch = Watch()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process; a pipe would fill)
        arguments = self.launch.arguments(self.port)
        try:
            try:
                self._process = subprocess.Popen(
                    arguments,
                    cwd=self.folder,
                    env=self._environment(),
                    stdin=subprocess.PIPE if self.launch.app else subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the command
                )
            except OSError as error:
                raise NotStarted(f"{self.name}: {arguments[0]} cannot be run ({error.strerror})", self.name) from None
            self._await_port()
        except BaseException:
            self.stop()
            raise

    def _environment(self) -> Mapping[str, str]:
        given = dict(os.environ)
        found = [str(path) for path in (self.folder, self.folder / "src") if path.is_dir()]
        if self.launch.command:
            given["PYTHONPATH"] = os.pathsep.join([*found, *filter(None, [given.get("PYTHONPATH")])])
            given["PORT"] = str(self.port)
        # Both versions start cold alike, and nothing is written into the reader's folder.
        return {**given, processes.MARK: processes.with_mark(self._mark), "PYTHONDONTWRITEBYTECODE": "1"}

    def _await_port(self) -> None:
        assert self._process is not None
        deadline_ns = clock.now_ns() + round(self.launch.start_s * clock.NS_PER_S)
        while not self._serves():
            if self._process.poll() is not None and not processes.marked(self._mark):
                raise self._failed(f"does not start (exit code {self._process.returncode})")
            if clock.now_ns() > deadline_ns:
                late = f"has not listened at port {self.port} within {self.launch.start_s:g} s: {self.launch.late}"
                raise self._failed(late)
            clock.sleep(0.02)

    def _failed(self, said: str) -> NotStarted:
        return NotStarted(f"{self.name} {said}{self.last_lines()}", self.name)

    def _serves(self) -> bool:
        """Whether it can be connected to."""
        return self._listens()

    def _listens(self) -> bool:
        """Whether it listens, and not somebody else who was given the same port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        ours = {each.pid for each in processes.marked(self._mark)}
        try:
            listening = {
                each.pid
                for each in psutil.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == self.port
            }
        except psutil.Error:
            return True
        return not (known := listening - {None}) or bool(known & ours)

    def last_lines(self) -> str:
        """The end of what it has written, as the end of a sentence."""
        lines = [line for line in self._written().strip().splitlines() if not self._is_ours(line)][-_LINES:]
        return "; its last words:\n" + "\n".join(f"    {line}" for line in lines) if lines else ", without a word"

    def _is_ours(self, line: str) -> bool:
        """Whether a line of its output is not the app's, but says something to us."""
        return False

    def _written(self) -> str:
        """All that it has written so far; not as `seek` and `read` would have it, whose place is the process's, too."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def has_ended(self) -> bool:
        """Whether its process is gone although nobody has stopped it."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Ask it to end, then end it, and all that it has started. Twice does no harm."""
        process, self._process = self._process, None
        try:
            if process is not None:
                self._end(process)
        finally:
            if self._watch is not None:
                self._watch.end()
                self._watch = None
                self._output.close()

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            if process.stdin is not None:
                process.stdin.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            pass
        finally:
            processes.kill_tree(process.pid) if process.poll() is None else None
            process.wait()
            processes.end_marked(self._mark)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
