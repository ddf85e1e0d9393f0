"""Commands that something happens to: a signal, or a process of theirs that is killed, at a moment that a seed chooses.

Whatever happens, the same holds afterwards: no traceback, an exit code that fits, the runs that were measured readable
and their books closed, and within two seconds nothing left of it: processes, shared memory, temporary folders.
"""

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

import labkit
from labkit.base.processes import temporary_prefix
from labkit.runs.comparison import Comparison
from tests.support.helpers import taking_interrupts, wait_until

#: In the environment of the command, and so of everything that it starts.
TOKEN = "LABKIT_FAULT"

#: How long a command may take to end, with its table and figure, or to measure its few runs, on a busy machine.
ENDS_S = 60.0

#: How long after the end something of it may still be there.
LEFT_S = 2.0


@dataclass(frozen=True)
class Fault:
    """What happens to what.

    Attributes:
        number: of the signal.
        victim: part of the command line of the process that gets it; empty for the command itself.
        arguments: of the command, without ``--out``.
        codes: with which of them it may end.
        ends: whether the command ends by it at once; else it ends by itself.
    """

    number: int
    victim: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...]
    ends: bool = True


def _compare(strategy: str, mode: str = "threading", repeats: int = 99) -> tuple[str, ...]:
    asked = (f"--strategies={strategy}", f"--mode={mode}", f"--repeats={repeats}", "--events=6", "--seed=1")
    return ("compare", "cpu:20ms", *asked)


CLIENT, CHILD, WORKER = "labkit.client.process", "labkit.server.child_worker", "popen_loky_posix"
BROWSER = "--remote-debugging"
_RENDER = ("render", "--events=60", "--repeats=2", "--patterns=naive,dom-batch", "--clicks=0")

FAULTS = {
    "Ctrl-C": Fault(signal.SIGINT, "", _compare("process-pool"), (130,)),
    "SIGTERM": Fault(signal.SIGTERM, "", _compare("process-pool"), (143,)),
    "SIGHUP": Fault(signal.SIGHUP, "", _compare("process-pool"), (129,)),
    "SIGTERM, gevent": Fault(signal.SIGTERM, "", _compare("process-pool", "gevent"), (143,)),
    "kill -9": Fault(signal.SIGKILL, "", _compare("process-pool,dear-elsewhere"), (-9,)),
    "kill -9, gevent": Fault(signal.SIGKILL, "", _compare("process-pool", "gevent"), (-9,)),
    "kill -9, gunicorn": Fault(signal.SIGKILL, "", _compare("process-pool", "gunicorn"), (-9,)),
    "kill -9, asgi": Fault(signal.SIGKILL, "", _compare("asgi-process-pool", "asgi"), (-9,)),
    "kill -9 of the client": Fault(signal.SIGKILL, CLIENT, _compare("inline", repeats=3), (0, 1), ends=False),
    "kill -9 of a worker": Fault(signal.SIGKILL, WORKER, _compare("process-pool", repeats=3), (0, 1), ends=False),
    "kill -9 of gevent's server": Fault(
        signal.SIGKILL, CHILD, _compare("process-pool", "gevent", 3), (0, 1), ends=False
    ),
    "kill -9 of gunicorn's": Fault(signal.SIGKILL, CHILD, _compare("process-pool", "gunicorn", 3), (0, 1), ends=False),
    "kill -9 of uvicorn's": Fault(signal.SIGKILL, CHILD, _compare("asgi-process-pool", "asgi", 3), (0, 1), ends=False),
    "kill -9 of the browser": Fault(signal.SIGKILL, BROWSER, _RENDER, (0, 1), ends=False),
    "kill -9, rendering": Fault(signal.SIGKILL, "", _RENDER, (-9,)),
}


def strike(fault: Fault, folder: Path, seed: int) -> str:
    """Start the command, let the fault happen, and assert what must hold afterwards; what happened, in a few words."""
    chance = random.Random(seed)
    token, out, since_s = secrets.token_hex(8), folder / "out", time.time()
    with taking_interrupts(), _taking_hangups(), (folder / "said").open("w+") as said:
        command = subprocess.Popen(
            [sys.executable, "-m", "labkit", *fault.arguments, f"--out={out}"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=folder,
            env={**os.environ, TOKEN: token, "COLUMNS": "1000", "PYTHONPATH": str(Path(labkit.__file__).parents[1])},
            start_new_session=True,
        )
        pids = {command.pid}
        try:
            struck = _strike(command, fault, token, out, chance, pids)
            wait_until(lambda: command.poll() is not None, ENDS_S)
            code = command.poll()
        finally:
            left = left_of(token, pids, since_s)
            for process in processes_of(token):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            command.wait()
        said.seek(0)
        text = said.read()
    assert code is not None, (struck, "it did not end", text[-2000:])
    assert left == [], (struck, left, text[-2000:])
    assert "Traceback" not in text, text[-3000:]
    assert code in (fault.codes if struck else (0, 1)), (code, struck, text[-2000:])
    if fault.arguments[0] == "compare":
        _assert_books_are_closed(out, code, text)
    return f"{struck or 'was over before'}, exit {code}"


def _strike(
    command: subprocess.Popen[bytes], fault: Fault, token: str, out: Path, chance: random.Random, pids: set[int]
) -> str:
    """The signal, at a moment of the measurement; where it went, empty where the command was over before.

    The numbers of all that runs then go into `pids`.
    """
    begun = lambda: any(out.glob("run-*.json")) or any(out.glob("*.json.gz")) or command.poll() is not None  # noqa: E731
    assert wait_until(begun, 60), "nothing was measured"
    time.sleep(chance.uniform(0, 1.5))
    pids |= {each.pid for each in processes_of(token)}
    if not fault.victim:
        if command.poll() is not None:
            return ""
        command.send_signal(fault.number)
        return "hit the command"
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = [each for each in processes_of(token) if fault.victim in " ".join(_line(each))]
        return bool(found) or command.poll() is not None

    assert wait_until(there, 60), f"there never was a {fault.victim}"
    if not found:
        return ""
    hit = chance.choice(found)
    with contextlib.suppress(psutil.NoSuchProcess):
        hit.send_signal(fault.number)
        return f"hit 1 of {len(found)}"
    return ""


@contextlib.contextmanager
def _taking_hangups() -> Iterator[None]:
    """Also where the tests were started by nohup, whose ignored signal would be inherited."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _line(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def processes_of(token: str) -> list[psutil.Process]:
    """What runs and was started, by whomever, with this token in its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(TOKEN) == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def left_of(token: str, pids: set[int], since_s: float) -> list[str]:
    """What is still there of it after :data:`LEFT_S`: processes, and shared memory and folders of those with `pids`.

    Others use this machine, too, and what they have in shared memory is no business of a test. Nor is what is older
    than `since_s` (of ``time.time()``): a process that had the same number once has left it.
    """

    def is_ours(path: Path) -> bool:
        with contextlib.suppress(OSError):
            return path.stat().st_ctime >= since_s - 1  # the file system's clock is coarse
        return False

    def left() -> list[str]:
        found = [f"{each.pid}: {' '.join(_line(each))[:120]}" for each in processes_of(token)]
        for pid in pids:
            left_there = [*Path("/dev/shm").glob(f"sem.loky-{pid}-*")]
            left_there += Path(tempfile.gettempdir()).glob(f"{temporary_prefix(pid)}*")
            found += [path.name for path in left_there if is_ours(path)]
        return found

    wait_until(lambda: not left(), LEFT_S)
    return left()


def _assert_books_are_closed(out: Path, code: int, text: str) -> None:
    runs = Comparison.load(out).runs
    assert len(runs) >= 1
    assert all(run.unaccounted == 0 for run in runs)
    if code >= 0:
        assert json.loads((out / "summary.json").read_text())["folder"] == str(out)
        assert "kept" in text or "Runs:" in text
    assert not list(out.glob("*.part")) or code == -signal.SIGKILL
