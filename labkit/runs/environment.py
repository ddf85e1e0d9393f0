"""Where and with what a run was measured: machine and versions. No host name, no path, no user."""

import importlib.metadata
import os
import platform
import sys
from functools import lru_cache
from typing import Any

from labkit.plan.modes import MODES

_PACKAGES = (
    "flask",
    "flask-socketio",
    "gevent",
    "gunicorn",
    "labkit",
    "loky",
    "numpy",
    "picows",
    "python-engineio",
    "python-socketio",
    "simple-websocket",
    "uvicorn",
    "uvloop",
    "websockets",
    "werkzeug",
    "wsproto",
)


#: What :func:`describe` tells.
MACHINE_KEYS = ("python", "implementation", "gil", "system", "cores", "versions")


def describe() -> dict[str, Any]:
    """Machine and versions, as JSON."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": gil(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "versions": {name: _version(name) for name in sorted({*_PACKAGES, *(m.server for m in MODES.values())})},
    }


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gil() -> bool:
    """Whether one thread at a time executes Python code here."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return True if enabled is None else bool(enabled())


def one_line(server: str = "werkzeug") -> str:
    """The same in a line, for captions: Python, system, cores, library versions, `server`'s among them."""
    about = describe()
    versions = about["versions"]
    return (
        f"Python {about['python']}{'' if about['gil'] else ' (free-threaded)'}, {about['system']}, "
        f"{about['cores']} cores; "
        f"Flask-SocketIO {versions['flask-socketio']}, python-socketio {versions['python-socketio']}, "
        f"{'Werkzeug' if server == 'werkzeug' else server} {versions[server]}"
    )


@lru_cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
