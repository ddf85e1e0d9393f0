"""Several servers of one app: gunicorn processes behind HAProxy, a Redis between them; each can be killed.

Each is one worker with threads, as Flask-SocketIO's documentation asks for: gunicorn's own balancing keeps no client
with its worker, so more workers come as more servers. All share this machine's cores.
"""

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from labkit.base import clock, processes
from labkit.base.errors import MissingExtra, NotStarted, UsageError
from labkit.base.ports import listen
from labkit.base.warden import Watch
from labkit.scale import proxy, redis_server, room_app
from labkit.scale.proxy import Proxy

#: How long a server may take until it answers, in seconds.
START_S = 30.0

#: How long a server that is asked to end waits for its requests; gunicorn's own default is 30 s. A websocket is a
#: request that does not end, so all of it is waited.
GRACEFUL_S = 1.0

#: How many of its last lines are told where one does not start.
_LINES = 6


def require() -> None:
    """Raise `MissingExtra` where gunicorn, HAProxy, or a Redis and a program for one are missing. Starts nothing."""
    if importlib.util.find_spec("gunicorn") is None:
        raise MissingExtra("several servers are served by gunicorn: pip install 'labkit[modes,scale]'")
    proxy.require()
    redis_server.require()


class Servers:
    """N processes of one app: ``with Servers(count=2, queue=redis.url) as servers: servers.url``.

    Args:
        app: ``module:app`` of a Flask app with Flask-SocketIO, `async_mode` threading; empty for the lab's own
            (:mod:`labkit.scale.room_app`). Yours takes its message queue from the variable LABKIT_REDIS_URL, or has one
            of its own: ``SocketIO(app, message_queue=os.environ["LABKIT_REDIS_URL"])``.
        count: how many.
        queue: where the Redis is, as a URL.
        sticky: whether a client stays with its server, by a cookie; see :func:`labkit.scale.proxy.configuration`.
        threads: of each server. A websocket holds one as long as it lives.
        folder: of the app's code.
        settings: of the connection to the message queue, of the lab's own app: see
            :func:`labkit.scale.room_app.manager`. For all servers, or for some by their names:
            ``{"b": {"socket_timeout": 5}}``.

    Attributes:
        names: of the servers: ``a``, ``b``, ...
        url: where clients go, through HAProxy.

    Raises:
        UsageError: there is no such number of servers, or the app is not `module:app`.
        MissingExtra: gunicorn or HAProxy is missing.
        NotStarted: one ended before it answered, or never answered; with its last lines.
    """

    def __init__(
        self,
        app: str = "",
        *,
        count: int = 2,
        queue: str,
        sticky: bool = True,
        threads: int = 100,
        folder: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if not 1 <= count <= 16:
            raise UsageError(f"count must be 1 to 16 servers, not {count}")
        if threads < 2:
            raise UsageError(f"threads must be 2 or more, not {threads}: each websocket holds one")
        module, _, name = app.partition(":")
        if app and not (module and name):
            raise UsageError(f"an app is module:app, such as shop:app, not {app!r}")
        if app and settings:
            raise UsageError("settings are for the lab's own app: yours says itself how it reaches its message queue")
        self.app, self.queue, self.sticky, self.threads = app, queue, sticky, threads
        self.names = tuple("abcdefghijklmnop"[:count])
        self._app_folder = folder or Path.cwd()
        self._settings = dict(settings or {})
        self._channel = f"labkit-{secrets.token_hex(8)}"
        self._each: dict[str, _Gunicorn] = {}
        self._folder: Path | None = None
        self._watch: Watch | None = None
        self._proxy: Proxy | None = None

    @property
    def url(self) -> str:
        """Where clients go."""
        return "" if self._proxy is None else self._proxy.url

    @property
    def channel(self) -> str:
        """Of the messages between the lab's own servers."""
        return self._channel

    def pids(self, name: str) -> tuple[int, ...]:
        """The processes of a server: gunicorn's arbiter and its worker; none where it does not run."""
        return self._of(name).pids()

    def start(self) -> None:
        """Start all, and wait until they answer."""
        if self._watch is not None:
            return
        require()
        self._watch = Watch()
        self._folder = Path(tempfile.mkdtemp(prefix=processes.temporary_prefix(os.getpid())))
        try:
            self._each = {
                name: _Gunicorn(name, self._command(), self._environment(name), self._folder) for name in self.names
            }
            for each in self._each.values():
                each.launch()
            for each in self._each.values():
                each.await_answer()
            self._proxy = Proxy(
                {name: each.port for name, each in self._each.items()}, self._folder, sticky=self.sticky
            )
            self._proxy.start()
        except BaseException:
            self.stop()
            raise

    def _command(self) -> list[str]:
        options = ["-w", "1", "-k", "gthread", "--threads", str(self.threads), "--log-level", "warning"]
        graceful = ["--graceful-timeout", str(max(1, round(GRACEFUL_S)))]
        return [sys.executable, "-m", "gunicorn", *options, *graceful, self.app or room_app.NAME]

    def _environment(self, name: str) -> dict[str, str]:
        by_name = self._settings.keys() <= set(self.names)
        settings = self._settings.get(name, {}) if by_name else self._settings
        found = [str(path) for path in (self._app_folder, self._app_folder / "src") if self.app and path.is_dir()]
        return {
            **os.environ,
            # As this process's: what it imports from, the servers do too.
            "PYTHONPATH": os.pathsep.join([*found, *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            # A title is written over the environment, in which the warden looks for its mark.
            "SPT_NOENV": "1",
            room_app.QUEUE: self.queue,
            room_app.SETTINGS: json.dumps({"channel": self._channel, "queue": settings}),
        }

    def _of(self, name: str) -> "_Gunicorn":
        if name not in self._each:
            known = ", ".join(self._each) or "none before start()"
            raise UsageError(f"there is no server {name!r}: there are {known}")
        return self._each[name]

    def kill(self, name: str) -> None:
        """End one as ``kill -9`` does, arbiter and worker; :meth:`restart` brings it back."""
        self._of(name).kill()

    def pause(self, name: str) -> None:
        """Stop one where it is, as a machine does that has no time for it; :meth:`resume` lets it go on."""
        self._of(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let one go on."""
        self._of(name).signal(signal.SIGCONT)

    def drain(self, name: str) -> None:
        """Give one no new clients. Those that it has stay, and so do those whose cookie names it."""
        assert self._proxy is not None
        self._of(name)
        self._proxy.put(name, "drain")

    def restart(self, name: str) -> None:
        """Ask one to end, if it runs, start it again at its port, and wait until HAProxy gives it clients again.

        Raises:
            NotStarted: it does not answer again.
        """
        assert self._proxy is not None
        one = self._of(name)
        self._proxy.put(name, "maint")  # whoever comes meanwhile goes to another, at once
        try:
            one.end()
            one.launch()
            one.await_answer()
        finally:
            self._proxy.put(name, "ready")
        deadline_ns = clock.now_ns() + round(START_S * clock.NS_PER_S)
        while name not in self._proxy.up():
            if clock.now_ns() > deadline_ns:
                raise NotStarted(f"HAProxy does not find server {name} again: see its port {one.port}", name)
            clock.sleep(0.02)

    def stop(self) -> None:
        """End all. Twice does no harm."""
        watch, self._watch = self._watch, None
        if watch is None:
            return
        try:
            if self._proxy is not None:
                self._proxy.stop()
        finally:
            self._proxy = None
            for each in self._each.values():
                each.kill()  # clients are gone, there is nothing to wait for
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            watch.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        running = sum(bool(each.pids()) for each in self._each.values())
        return (
            f"<{len(self.names)} servers of {self.app or 'the lab'} at {self.url or 'nowhere yet'}, {running} running>"
        )


class _Gunicorn:
    """One server: an arbiter and its one worker."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name, self._command, self._environment = name, command, environment
        self._log = folder / f"{name}.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it, at the port that it had."""
        # It takes over a socket that listens already: so nobody else can have taken the port meanwhile.
        with listen("127.0.0.1", self.port) as listening, self._log.open("ab") as output:
            self.port = listening.getsockname()[1]
            fd = listening.fileno()
            *before, app = self._command
            self._process = subprocess.Popen(
                [*before, "--bind", f"fd://{fd}", "--no-control-socket", app],
                env={**self._environment, processes.MARK: os.environ.get(processes.MARK, "")},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[fd],
                start_new_session=True,  # Ctrl-C is for us; and arbiter and worker are one group
            )

    def await_answer(self) -> None:
        """Wait until it answers a request."""
        assert self._process is not None
        deadline_ns = clock.now_ns() + round(START_S * clock.NS_PER_S)
        while not self._answers():
            if self._process.poll() is not None:
                raise NotStarted(
                    f"server {self.name} does not start (exit code {self._process.returncode}){self._last_lines()}",
                    self.name,
                )
            if clock.now_ns() > deadline_ns:
                raise NotStarted(
                    f"server {self.name} does not answer within {START_S:g} s{self._last_lines()}", self.name
                )
            clock.sleep(0.02)

    def _answers(self) -> bool:
        # Refused for its version by Engine.IO: so no session is left that nobody uses.
        asked = f"http://127.0.0.1:{self.port}/socket.io/?EIO=0&transport=polling"
        try:
            urllib.request.urlopen(asked, timeout=0.5).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()[-_LINES:]
        return "; its last words:\n" + "\n".join(f"    {line}" for line in lines) if lines else ", without a word"

    def pids(self) -> tuple[int, ...]:
        process = self._process
        if process is None or process.poll() is not None:
            return ()
        return (process.pid, *(each.pid for each in processes.descendants(process.pid)))

    def signal(self, number: int) -> None:
        """To arbiter and worker."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Ask it to end, as who deploys does, and wait; then end it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACEFUL_S + 3)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is None:
            return
        workers = processes.descendants(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deadline_ns = clock.now_ns() + clock.NS_PER_S
        while any(_lives(each) for each in workers) and clock.now_ns() < deadline_ns:
            clock.sleep(0.005)  # until the port is free


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False
