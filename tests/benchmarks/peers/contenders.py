"""The peers: how each is installed, started and read."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.peers import install, reports
from tests.benchmarks.peers.install import Packages
from tests.benchmarks.peers.processes import Started
from tests.benchmarks.peers.reports import Report

CLIENTS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class Task:
    """What is asked of a peer.

    Attributes:
        kind: ``cost``: one event after the other; ``loop`` or ``timer``: a constant rate, by a loop that waits for each
            acknowledgement, or by a timer that does not.
        url: of the server.
        sockets: clients, each on a websocket of its own.
        seconds: how long.
        rate_hz: events a second over all sockets; of no meaning for ``cost``.
        payload: what each event carries.
    """

    kind: str
    url: str
    sockets: int
    seconds: float
    rate_hz: float = 100.0
    payload: object = None

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Peer:
    """One of them.

    Attributes:
        name: in the table.
        ways: how it keeps a constant rate: of ``loop``, ``timer``.
        install: into a folder; called once.
        start: (packages, task, folder for files) -> command and environment.
        read: what it reports, from its output and the folder.
    """

    name: str
    ways: tuple[str, ...]
    install: Callable[[Path], Packages]
    start: Callable[[Packages, Task, Path], tuple[list[str], dict[str, str]]]
    read: Callable[[str, Path], Report] = lambda output, folder: reports.ours(output)


def _labkit(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, str(CLIENTS / "labkit_client.py"), task.kind, task.as_json()], {}


def _system_calls(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, str(CLIENTS / "system_calls.py"), task.kind, task.as_json()], {}


def _async_client(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    return [
        sys.executable,
        str(CLIENTS / "async_client.py"),
        task.kind,
        task.as_json(),
        str(packages.folder),
    ], {}


def _node(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    command = ["node", str(CLIENTS / "client.cjs"), task.kind, task.as_json()]
    return command, {"NODE_PATH": str(packages.folder / "node_modules")}


def _locust(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    users = str(task.sockets)
    options = ["--headless", "--only-summary", "--loglevel", "ERROR", "--host", task.url]
    # All users start at once: what `-r` spreads would be missing from the plan's first second.
    load = ["-u", users, "-r", users, "-t", f"{math.ceil(task.seconds)}s"]
    script = ["-f", str(CLIENTS / "locustfile.py")]
    python = str(install.python_of(packages.folder))
    return [python, "-m", "locust", *script, *options, *load], {"PEERS_TASK": task.as_json()}


def _artillery(packages: Packages, task: Task, folder: Path) -> tuple[list[str], dict[str, str]]:
    ask: dict[str, object] = {"emit": [reports.MESSAGE, task.payload], "acknowledge": {}}
    if task.kind == "cost":
        flow = {"loop": [ask], "whileTrue": "goesOn"}
    else:
        # Its virtual users keep no rate of their own: they think between two steps.
        each_s = task.sockets / task.rate_hz
        flow = {"loop": [ask, {"think": f"{each_s * 1000:g}ms"}], "count": round(task.seconds / each_s)}
    script = {
        "config": {
            "target": task.url,
            "phases": [{"duration": 1, "arrivalCount": task.sockets}],
            "socketio": {"transports": ["websocket"]},
            "processor": str(CLIENTS / "artillery.cjs"),
        },
        "scenarios": [{"engine": "socketio", "flow": [flow]}],
    }
    (folder / "script.json").write_text(json.dumps(script))
    run = packages.folder / "node_modules" / "artillery" / "bin" / "run"
    environment = {"ARTILLERY_DISABLE_TELEMETRY": "true", "PEERS_SECONDS": f"{task.seconds:g}"}
    return ["node", str(run), "run", "--quiet", "--output", "report.json", "script.json"], environment


def _own(folder: Path) -> Packages:
    from labkit.runs.environment import describe

    versions = describe()["versions"]
    return Packages(folder, {name: versions[name] for name in ("labkit", "picows", "python-socketio")})


PEERS = (
    Peer("labkit", ("timer",), _own, _labkit),
    Peer("floor: the system calls alone", (), _own, _system_calls),
    Peer(
        "python-socketio AsyncClient",
        ("loop", "timer"),
        lambda folder: install.pip_target(folder / "python", "aiohttp", "websockets"),
        _async_client,
    ),
    Peer(
        "socket.io-client (Node)",
        ("loop", "timer"),
        lambda folder: install.npm(folder / "socket.io-client", "socket.io-client"),
        _node,
    ),
    Peer(
        "Artillery",
        ("loop",),
        lambda folder: install.npm(folder / "artillery", "artillery"),
        _artillery,
        lambda output, folder: reports.artillery((folder / "report.json").read_text()),
    ),
    Peer(
        "Locust",
        ("loop",),
        lambda folder: install.venv(folder / "locust", "locust", "python-socketio", "websocket-client"),
        _locust,
        lambda output, folder: reports.locust((folder / "stderr").read_text()),  # where it prints its summary
    ),
)


def begin(peer: Peer, packages: Packages, task: Task, folder: Path) -> Started:
    """Start it in a folder of its own."""
    command, env = peer.start(packages, task, folder)
    return Started(command, env, folder)
