"""Whether gevent or eventlet has taken the place of threads in this process, and how to get at what it has replaced."""

import importlib
import sys
from typing import Any

#: What a handler waits with. One of them is enough: then threads, or what they wait for, are no longer the system's.
_WAITED_WITH = ("thread", "threading", "time", "socket", "select")


def patched_by() -> str:
    """``gevent`` or ``eventlet``, where one of them has patched this process's threads or its waiting; else empty."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and any(map(monkey.is_module_patched, _WAITED_WITH)):
        return "gevent"
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and any(map(patcher.is_monkey_patched, _WAITED_WITH)):
        return "eventlet"
    return ""


def original(module: str, name: str) -> Any:
    """A name of the standard library as it was before anybody patched it: ``original("time", "sleep")``."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    patcher = sys.modules.get("eventlet.patcher")
    found = importlib.import_module(module) if patcher is None else patcher.original(module)
    return getattr(found, name)
