"""What a server has a handler for. Socket.IO says nothing to who sends an event that nobody handles."""

from collections.abc import Iterable, Mapping
from typing import Any

from socketio.base_server import BaseServer

from labkit.base.errors import StrategyError
from labkit.server.contract import PING_EVENT, Served

#: In place of an event's name or a namespace: a handler of whatever comes.
ANY = "*"

#: Of a connection, and sent by no client.
_RESERVED = ("connect", "disconnect")


def handled(server: Any) -> dict[str, tuple[str, ...]]:
    """Of each namespace the events that a ``socketio.Server`` or ``AsyncServer`` handles; :data:`ANY` among them."""
    found: dict[str, set[str]] = {}
    for namespace, events in server.handlers.items():
        found.setdefault(namespace, set()).update(events)
    for namespace, handlers in server.namespace_handlers.items():
        found.setdefault(namespace, set()).update(_of_class(handlers))
    events_of = {namespace: sorted(events - {*_RESERVED, PING_EVENT}) for namespace, events in found.items()}
    return {namespace: tuple(events) for namespace, events in events_of.items() if events}


def _of_class(handlers: Any) -> Iterable[str]:
    """The events of a class-based namespace: its methods, or any where it has a dispatcher of its own."""
    if type(handlers).trigger_event.__module__.partition(".")[0] not in ("socketio", "flask_socketio"):
        return (ANY,)
    return [name.removeprefix("on_") for name in dir(handlers) if name.startswith("on_")]


def of_app(app: Any) -> dict[str, tuple[str, ...]] | None:
    """The same of a :class:`~labkit.server.contract.App`; None of one that does not show its Socket.IO server."""
    shown = (getattr(app, "server", None), getattr(getattr(app, "socketio", None), "server", None))
    servers = [one for one in shown if isinstance(one, BaseServer)]
    return handled(servers[0]) if servers else None


def handles(there: Mapping[str, Iterable[str]], event: str, namespace: str) -> bool:
    """Whether an event has a handler in a namespace, by python-socketio's rules."""
    return any({event, ANY} & set(there.get(name, ())) for name in (namespace, ANY))


def require_handler(served: Served, event: str, namespace: str = "/") -> None:
    """Raise `StrategyError` where the server that runs has no handler for what is about to be fired.

    A mode of the reader's that does not show its handlers is taken at its word.
    """
    there = served.handlers()
    if there is None or handles(there, event, namespace):
        return
    listed = [f"{name}: {', '.join(events)}" for name, events in sorted(there.items())]
    raise StrategyError(
        f"{served.setup.strategy.name} has no handler for `{event}` in `{namespace}`, so nothing was fired; "
        f"there {'are: ' + '; '.join(listed) if listed else 'is none'}"
    )
