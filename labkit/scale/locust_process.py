"""Locust, run here as on a cluster: headless, a master and its workers, each in a process of its own on loopback."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from labkit.base import clock, interrupts, processes
from labkit.base.errors import ClientError, ConnectFailed, MissingExtra, UsageError
from labkit.base.ports import free_port
from labkit.base.warden import Watch
from labkit.plan import address
from labkit.runs import locust_rows
from labkit.runs.run import Run
from labkit.scale.locustfile import LocustPlan

#: In the environment of a worker: the folder where it leaves its rows.
ROWS = "LABKIT_ROWS"

#: How long Locust may take to start, and to end after the last event; seconds.
START_S, STOP_S = 20.0, 10.0

_LOCUST = (sys.executable, "-m", "locust")


def require() -> None:
    """Raise `MissingExtra` where Locust is not installed. It is not imported: it would patch this process."""
    if any(importlib.util.find_spec(name) is None for name in ("locust", "websocket")):
        raise MissingExtra("Locust is needed to run a locustfile: pip install 'labkit[locust]'")


def run(plan: LocustPlan, workers: int = 2) -> tuple[Run, KeyboardInterrupt | None]:
    """Run it here, and read the rows. Of the locustfile and what else it needs nothing stays: it may hold a password.

    Args:
        plan: of a server of this machine.
        workers: processes that send.

    Returns:
        The run, and the interrupt that has cut it short.

    Raises:
        MissingExtra: Locust is not installed.
        UsageError: the server is on another machine, or there are no workers.
        ClientError: Locust failed, with its own last line; nobody listens there, or lets anybody in.
    """
    require()
    if not 1 <= workers <= 64 or workers > plan.clients:
        raise UsageError(
            f"{workers} workers cannot share {plan.clients} clients: give 1 to 64, and no more than clients"
        )
    if not address.is_loopback(plan.address):
        raise UsageError(
            f"{plan.address.host} is not this machine: take the locustfile to machines of yours, or give a server of "
            "this one"
        )
    _require_listening(plan.address)
    with Watch(), tempfile.TemporaryDirectory(prefix=processes.temporary_prefix(os.getpid())) as name:
        folder = Path(name)
        interrupt = _run(plan, folder, workers)
        files = len([*folder.glob("rows-*.jsonl")])
        if files < workers:
            raise ClientError(f"{workers - files} of {workers} Locust workers left no rows ({because(folder)})")
        return locust_rows.read(folder, plan.exchange), interrupt


def _require_listening(server: address.Address) -> None:
    """Raise `ConnectFailed` at once where nothing listens: Locust would try until the end."""
    try:
        socket.create_connection((server.host, server.port), timeout=START_S).close()
    except OSError as error:
        raise ConnectFailed(
            f"nothing listens at {server.url} ({error.strerror}): start the server, or check host and port"
        ) from None


def _run(plan: LocustPlan, folder: Path, workers: int) -> KeyboardInterrupt | None:
    file = folder / "locustfile.py"
    file.touch(mode=0o600)
    file.write_text(plan.text, encoding="utf-8")
    port = str(free_port())
    master = ["--master", "--expect-workers", str(workers), "--expect-workers-max-wait", f"{START_S:.0f}"]
    master += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--exit-code-on-error", "0"]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    parts = {"master": ["--headless", *master], **{f"worker-{n}": worker for n in range(workers)}}
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(_locust(file, name, more)) for name, more in parts.items()}
        try:
            return _ended(started, folder / "stop", START_S + plan.connect_s + plan.lasts_s + STOP_S)
        except subprocess.TimeoutExpired:
            raise ClientError(f"Locust did not end in time ({because(folder)}): try it again, for longer") from None


@contextlib.contextmanager
def _locust(file: Path, name: str, more: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        ROWS: str(file.parent),
        "GEVENT_BACKEND": "select",  # its timers are finer than a millisecond; epoll's are not
    }
    with (file.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*_LOCUST, "-f", str(file), *more],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=file.parent,  # Locust reads settings of the folder where it is
            start_new_session=True,  # Ctrl-C is for us, who let it end in order
        )
    try:
        yield process
    finally:
        processes.kill_tree(process.pid)
        process.wait()


def _ended(started: dict[str, subprocess.Popen[bytes]], stop: Path, limit_s: float) -> KeyboardInterrupt | None:
    """Wait for all of them; after an interrupt a file asks the master to end, who asks the workers: they leave rows."""
    deadline_ns = clock.now_ns() + round(limit_s * clock.NS_PER_S)
    interrupt = None
    try:
        started["master"].wait(limit_s)
    except KeyboardInterrupt as error:
        interrupts.heard()
        interrupt = error
        stop.touch()
    for process in started.values():
        process.wait(max(STOP_S, (deadline_ns - clock.now_ns()) / clock.NS_PER_S) if interrupt is None else STOP_S)
    return interrupt


def _last_words(folder: Path, name: str) -> str:
    with contextlib.suppress(OSError):
        lines = (folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][-200:] if lines else "without a word"
    return "without a word"


def because(folder: Path) -> str:
    """What Locust had to say at last, for an error."""
    found = [_last_words(folder, file.stem) for file in sorted(folder.glob("*.log"))]
    return next((words for words in found if "rror" in words), found[0] if found else "without a word")
