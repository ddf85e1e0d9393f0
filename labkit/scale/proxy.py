"""HAProxy in front of several servers: which client goes to which server, and who is taken out while it restarts."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from labkit.base import clock
from labkit.base.errors import MissingExtra, ServerError
from labkit.base.ports import listen

#: How long it may take until it answers, and to end, in seconds.
START_S, STOP_S = 5.0, 2.0

#: The cookie that names a client's server, and the header of every answer that does.
COOKIE, HEADER = "LABKIT_SERVER", "X-Served-By"

#: How often it knocks at a server, and how many times in vain until that is taken out.
CHECK_MS, CHECKS = 500, 2


def program() -> Path | None:
    """The HAProxy on the PATH, or where Debian puts it; None where there is none."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)


def require() -> Path:
    """The program.

    Raises:
        MissingExtra: there is none.
    """
    found = program()
    if found is None:
        raise MissingExtra(
            "several servers need HAProxy in front of them, and there is none on the PATH: apt-get install haproxy, "
            "or brew install haproxy"
        )
    return found


def configuration(bind: str, servers: Mapping[str, int], admin: Path, *, sticky: bool = True) -> str:
    """What HAProxy is told.

    A cookie keeps a client with its server, and not its address: behind one NAT, one company's proxy, or on the
    loopback interface all clients have the same address, and would all go to one server. The cookie's price: a client
    that keeps none is not kept either (python-socketio's own needs an `http_session` with a cookie jar), and a browser
    takes no third party's.

    Args:
        bind: where it listens, in HAProxy's words.
        servers: of each name the port on loopback.
        admin: the socket by which a server is drained.
        sticky: whether a client stays with its server; else each request goes to the next.
    """
    cookie = [f"    cookie {COOKIE} insert indirect nocache httponly"] if sticky else []
    return "\n".join(
        [
            "global",
            f"    stats socket {admin} mode 600 level admin",
            "    maxconn 4000",
            "defaults",
            "    mode http",
            "    timeout connect 2s",
            "    timeout client 60s",
            "    timeout server 60s",
            "    timeout tunnel 1h",  # of a websocket: longer than the heartbeat, which is 25 s
            "    retries 3",
            "    retry-on conn-failure empty-response",  # the second: a server was killed before it could answer
            "    option redispatch 1",  # a client whose server is away goes to another, whatever its cookie says
            "frontend clients",
            f"    bind {bind}",
            "    default_backend servers",
            "backend servers",
            "    balance roundrobin",
            *cookie,
            f"    http-response set-header {HEADER} %s",
            *(
                f"    server {name} 127.0.0.1:{port}{f' cookie {name}' if sticky else ''}"
                f" check inter {CHECK_MS}ms fall {CHECKS} rise 1"
                for name, port in servers.items()
            ),
            "",
        ]
    )


class Proxy:
    """One HAProxy on loopback, at a random port: ``with Proxy(ports, folder) as proxy: proxy.url``.

    Args:
        servers: of each name its port.
        folder: for its configuration and its socket.
        sticky: see :func:`configuration`.

    Raises:
        MissingExtra: there is no HAProxy.
        ServerError: it did not start, with its last line.
    """

    def __init__(self, servers: Mapping[str, int], folder: Path, *, sticky: bool = True) -> None:
        self._servers, self._folder, self._sticky = dict(servers), folder, sticky
        self._admin = folder / "haproxy.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process; 0 while it does not run."""
        return 0 if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start it, and wait until it can be asked."""
        path = require()
        file, log = self._folder / "haproxy.cfg", self._folder / "haproxy.log"
        # It takes over a socket that listens already: so nobody else can have taken the port meanwhile.
        with listen("127.0.0.1", 0) as listening, log.open("wb") as output:
            self.port = listening.getsockname()[1]
            told = configuration(f"fd@{listening.fileno()}", self._servers, self._admin, sticky=self._sticky)
            file.write_text(told, encoding="utf-8")
            self._process = subprocess.Popen(
                [path, "-db", "-f", file],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C is for us
            )
        deadline_ns = clock.now_ns() + round(START_S * clock.NS_PER_S)
        while self._process.poll() is None and clock.now_ns() < deadline_ns:
            with contextlib.suppress(OSError):
                self.ask("show info")
                return
            clock.sleep(0.01)
        self.stop()
        lines = log.read_text(errors="replace").strip().splitlines()
        said = next((line for line in lines if "ALERT" in line), "without a word")
        raise ServerError(f"{path.name} does not start ({said}): see {path} -vv, version 2.4 or later is needed")

    def ask(self, order: str) -> str:
        """Give an order to its own socket; its answer.

        Raises:
            OSError: nobody answers.
        """
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(2)
            asking.connect(os.fspath(self._admin))
            asking.sendall(f"{order}\n".encode())
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def put(self, name: str, state: str) -> None:
        """Put a server into a state: ``ready``; ``drain``, in which it gets nobody new; ``maint``, in which nobody.

        Raises:
            ServerError: HAProxy does not answer, or knows no such server.
        """
        try:
            said = self.ask(f"set server servers/{name} state {state}").strip()
        except OSError as error:
            raise ServerError(f"HAProxy does not answer ({error}): start the servers again") from None
        if said:
            raise ServerError(f"HAProxy does not put {name} into {state}: {said}")

    def up(self) -> set[str]:
        """The names of the servers that its checks have found."""
        with contextlib.suppress(OSError):
            rows = [line.split(",") for line in self.ask("show stat").splitlines()]
            if rows:
                name, status = (rows[0].index(each) for each in ("svname", "status"))
                known = [row for row in rows[1:] if len(row) > status and row[name] in self._servers]
                return {row[name] for row in known if row[status].startswith(("UP", "DRAIN", "no check"))}
        return set()

    def stop(self) -> None:
        """End it. Twice does no harm."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
