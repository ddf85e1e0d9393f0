"""Another Python of this machine: which one it is, asked of itself, before anything is started with it."""

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import UsageError

#: The word for the interpreter that executes this.
HERE = "here"

#: The oldest that executes :mod:`labkit.server.standalone`.
OLDEST = (3, 8)

#: How long it may take to say which one it is, in seconds.
ASKED_S = 20.0

#: What any Python since 2.6 can execute.
_ASK = """
import json, platform, sys, sysconfig
print(json.dumps([
    list(sys.version_info[:3]), platform.python_version(), platform.python_implementation(),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), list(getattr(sys, "pypy_version_info", ())[:3]),
]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that can serve a reader's app.

    Attributes:
        path: what is executed.
        name: how tables call it: ``Python 3.13.0``, ``Python 3.13.0t`` of a free-threaded build, ``PyPy 7.3.17
            (3.10.14)``.
    """

    path: str
    name: str


def found(named: str) -> Interpreter:
    """The interpreter of a path, of a command's name, or :data:`HERE`.

    Raises:
        UsageError: there is none, it is no Python, or one that is too old.
    """
    if named == HERE:
        return Interpreter(sys.executable, _name(platform.python_version(), *_of_this()))
    path = shutil.which(os.path.expanduser(named))
    if path is None:
        raise UsageError(f"there is no program {named}: give --python the path of an interpreter, or {HERE!r}")
    version, told, implementation, free_threaded, pypy = _asked(path, named)
    if tuple(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(f"{named} is Python {told}: an app is served from Python {oldest} or newer")
    return Interpreter(path, _name(told, implementation, free_threaded, pypy))


def _of_this() -> tuple[str, bool, Sequence[int]]:
    is_free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return platform.python_implementation(), is_free_threaded, list(getattr(sys, "pypy_version_info", ()))[:3]


def _name(version: str, implementation: str, is_free_threaded: bool, pypy: Sequence[int]) -> str:
    if pypy:
        return f"PyPy {'.'.join(map(str, pypy))} ({version})"
    name = "Python" if implementation == "CPython" else implementation
    return f"{name} {version}{'t' if is_free_threaded else ''}"


def _asked(path: str, named: str) -> Any:
    try:
        done = subprocess.run(
            [path, "-c", _ASK], capture_output=True, timeout=ASKED_S, stdin=subprocess.DEVNULL, check=False
        )
        version, told, implementation, free_threaded, pypy = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise UsageError(f"{named} has not said within {ASKED_S:g} s which Python it is: name another") from None
    except (OSError, ValueError, TypeError):
        raise UsageError(f"{named} is no Python interpreter that runs here: name one, such as python3.13") from None
    return version, told, implementation, free_threaded, pypy


def distinct(named: tuple[str, ...]) -> tuple[Interpreter, ...]:
    """Several interpreters, each under a name of its own: those of one version are numbered."""
    chosen: list[Interpreter] = []
    for each in map(found, named):
        alike = sum(other.name.partition(" #")[0] == each.name for other in chosen)
        chosen.append(Interpreter(each.path, f"{each.name} #{alike + 1}") if alike else each)
    return tuple(chosen)
