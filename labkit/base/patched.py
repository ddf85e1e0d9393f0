"""Whether gevent or eventlet has taken the place of threads in this process, and how to get at what it has replaced."""

import importlib
import sys
from typing import Any


def patched_by() -> str:
    """``gevent`` or ``eventlet``, where one of them has patched this process's threads; else empty."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and (monkey.is_module_patched("threading") or monkey.is_module_patched("thread")):
        return "gevent"
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
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
