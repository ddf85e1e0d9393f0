"""What exports share: which names may leave the process as labels, and within which bounds durations are counted.

A label with many values is what takes a dashboard's store down, and a client can send any name. So the names that leave
are those of an allow-list, or those for which the server has a handler; every other one is `OTHER`. A session id or a
room is never among them.
"""

from collections.abc import Collection, Sequence
from typing import Any

from labkit.inside.hooking import Hooking
from labkit.inside.record import OTHER

#: Upper bounds of durations, in seconds: of a null handler's to those of people who have given up.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

PROCESS_DURATION = "messaging.process.duration"
CONSUMED = "messaging.client.consumed.messages"
SENT = "messaging.client.sent.messages"
QUEUE_DURATION = "labkit.socketio.queue.duration"
RECEIVE_LOOP_HOLD = "labkit.socketio.receive_loop.hold"
IN_FLIGHT = "labkit.socketio.in_flight"
HEADROOM = "labkit.socketio.heartbeat.headroom"
ACTIVE_CONNECTIONS = "socketio.server.active_connections"
CONNECTION_DURATION = "socketio.server.connection.duration"

#: What each says, for those who meet it in a dashboard.
TOLD = {
    PROCESS_DURATION: "Time in the handler of an event.",
    CONSUMED: "Events that were handled.",
    SENT: "Emits, whatever the number of their receivers.",
    QUEUE_DURATION: "Time from an event's arrival in the process to its handler's start.",
    RECEIVE_LOOP_HOLD: "Time for which a connection's next event had to wait for this one.",
    IN_FLIGHT: "Events whose handlers run.",
    HEADROOM: "The least time that an answer to a ping left before the server would have closed the connection.",
    ACTIVE_CONNECTIONS: "Connections that are open.",
    CONNECTION_DURATION: "Time for which connections were open.",
}


class Allowed:
    """The names that may be told.

    Args:
        hooks: of the servers.
        events: names; None for those that the servers handle.
    """

    def __init__(self, hooks: Sequence[Hooking], events: Collection[str] | None = None) -> None:
        self._hooks = hooks
        self._listed = None if events is None else frozenset(events)
        self._handled: set[str] = set()

    def label(self, name: Any) -> str:
        """The name, where it may be told; else `OTHER`."""
        if type(name) is not str:
            return OTHER
        if self._listed is not None:
            return name if name in self._listed else OTHER
        if name in self._handled:
            return name
        if any(_handles(hooks.server, name) for hooks in self._hooks):
            self._handled.add(name)
            return name
        return OTHER


def _handles(server: Any, name: str) -> bool:
    if any(name in handlers for handlers in list(server.handlers.values())):
        return True
    return any(callable(getattr(each, f"on_{name}", None)) for each in list(server.namespace_handlers.values()))
