"""A handler or a view is no work: it needs a request, which only a server has. Recognised by who knows the function."""

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from labkit.base.errors import WorkloadError

#: What Flask says of a function that was called without the request, or the app, that it needs.
_NO_REQUEST, _NO_APP = "Working outside of request context", "Working outside of application context"


def refuse(function: Callable[..., Any], target: str) -> None:
    """Raise `WorkloadError` where a function is registered as a handler of an event, or as a view of a route."""
    what = _what(function)
    if what:
        raise _refused(f"{target} is {what}, and needs a request (sid, session, emit)")


def refuse_error(target: str, error: str) -> None:
    """Raise `WorkloadError` where a call failed for want of a request or of an app; `error` is what it said."""
    if _NO_REQUEST in error:
        raise _refused(f"{target} needs a request (sid, session, emit), as a handler has one")
    if _NO_APP in error:
        raise WorkloadError(f"{target} needs its Flask app: name it with --app package.module:create_app")


def _refused(what: str) -> WorkloadError:
    return WorkloadError(
        f"{what}: give the function that it calls, or make it a strategy: def register(socketio, complex_calculation)"
    )


def _what(function: Callable[..., Any]) -> str:
    wanted = inspect.unwrap(function)
    for event, namespace, handler in _handlers():
        if inspect.unwrap(handler) is wanted:
            return f"the handler of {event!r}" + (f" in {namespace}" if namespace not in (None, "/") else "")
    for rule, view in _views():
        if inspect.unwrap(view) is wanted:
            return f"the view of {rule!r}"
    base = getattr(sys.modules.get("socketio.base_namespace"), "BaseNamespace", None)
    owner = _owner(wanted)
    if base is not None and isinstance(owner, type) and issubclass(owner, base):
        return f"a method of the namespace {owner.__name__}"
    return ""


def _owner(function: Any) -> Any:
    """The class in whose body a function stands; None where it stands in none."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for name in getattr(function, "__qualname__", "").split(".")[:-1]:
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None


def _handlers() -> Iterator[tuple[str, str | None, Callable[..., Any]]]:
    """Every handler of every Socket.IO server of this process; none where no Socket.IO library was imported."""
    for server in _instances("socketio.base_server", "BaseServer"):
        for namespace, events in server.handlers.items():
            yield from ((event, namespace, handler) for event, handler in events.items())
    # Before init_app(), Flask-SocketIO keeps them itself.
    for socketio in _instances("flask_socketio", "SocketIO"):
        yield from ((event, namespace, handler) for event, handler, namespace in socketio.handlers or ())


def _views() -> Iterator[tuple[str, Callable[..., Any]]]:
    for app in _instances("flask", "Flask"):
        yield from (
            (rule.rule, app.view_functions[rule.endpoint])
            for rule in app.url_map.iter_rules()
            if rule.endpoint in app.view_functions
        )


def _instances(module: str, name: str) -> list[Any]:
    kind = getattr(sys.modules.get(module), name, None)
    if kind is None:
        return []
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]
