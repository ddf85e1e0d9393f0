"""The settings of a measurement by name and type: an editor completes them, and a wrong one is refused at once."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import psutil
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S
from labkit.base.errors import TooMuchMemory, UsageError
from labkit.base.renamed import refuse_old, refuse_unknown
from labkit.client import polling
from labkit.client.generator import require_sockets
from labkit.client.process import Client
from labkit.plan.calibration import Expected
from labkit.plan.exchange import POLLING, UPGRADE, USUAL, Exchange
from labkit.plan.link import Link
from labkit.plan.modes import MODES
from labkit.plan.schedules import Schedule

#: Bytes that an event takes in server, client and record together, at most (measured: about 900).
BYTES_PER_EVENT = 2_000

#: The same of an answer that reaches one of several (its frame, and eight columns twice).
BYTES_PER_DELIVERY = 500

#: Descriptors that a process has open besides its clients' sockets: Python's own, the kernel's of a notebook, pools.
OWN_DESCRIPTORS = 100


#: The bystander's rate where nobody names one.
PING_HZ = 50.0


class ServeSettings(TypedDict, total=False):
    """How a server is started (:func:`labkit.serve`).

    Attributes:
        mode: how it runs: one of :data:`labkit.plan.modes.MODES`; ``threading`` where it is not named.
        options: further arguments of ``SocketIO(...)``.
        stock: leave the server's defaults as they are.
        instrumented: stamp the server's stages; True where it is not named.
        ping_interval_s, ping_timeout_s: of the server's heartbeat; the library's own (25 s and 20 s) where None.
            Clients are told the first in whole seconds, rounded down.
    """

    mode: str
    options: Mapping[str, Any] | None
    stock: bool
    instrumented: bool
    ping_interval_s: float | None
    ping_timeout_s: float | None


class FireSettings(TypedDict, total=False):
    """How a plan is fired (:func:`labkit.fire`).

    Attributes:
        ping_hz: the bystander's rate, 50 where it is not named; 0 for no bystander.
        window_s: how long the bystander pings. Where None, the plan's span and the time that one server would need for
            all of it: the same for every strategy.
        timeout_s: an event without an answer so long after its intended start has timed out. Where None, 5 s and three
            times that need.
        warm_up: events before the run, which are not counted and which the clients send in turn; 2 where it is not
            named. Of a mix at least one of each kind.
        acknowledge: the client asks for an acknowledgement of every event (``run.acked_ms``).
        reads_from_s: the senders read nothing until then: slow readers. Their window of receiving is small, too.
        client: who fires; the session's client process where None.
        expected: of an earlier :func:`labkit.plan.calibration.expected_answers`, which costs a call of the work per
            payload.
        event: the event that is sent; ``message`` where it is not named.
        answer_event: the one that carries the answer; ``response`` where it is not named.
        namespace: of senders and listeners; ``/`` where it is not named. The bystander is always on ``/``.
        answer: how an event is answered: by an ``event``, or by what the handler returns (``ack``). Where None, the
            warm-up tells: acknowledged with what the work answered, and by no event, it is ``ack``.
        transport: of the senders: ``websocket``, ``polling``, or ``upgrade``: first the one, then the other, as pages
            do (`run.upgrade_ms`). Bystander and listeners have a websocket, or upgrade too.
        fan_out: every answer is meant for everybody who is connected to the namespace (``run.fan_out``); else one that
            reaches another client than its sender is a stray.
        listeners: further clients that only read: the silent members of a room.
        network: what lies between all of them and the server: a ``lab.Link(delay_ms=40)``, or a text of delay, jitter
            and loss as ``40ms,10ms,2%``; nothing where it is not named. See :func:`labkit.network`.
    """

    ping_hz: float | None
    window_s: float | None
    timeout_s: float | None
    warm_up: int | None
    acknowledge: bool
    reads_from_s: float
    client: Client | None
    expected: Expected | None
    event: str
    answer_event: str
    namespace: str
    answer: str | None
    transport: str
    fan_out: bool
    listeners: int
    network: Link | str | None


class UrlSettings(TypedDict, total=False):
    """How a plan is fired at a URL, beside :class:`FireSettings` (:func:`labkit.fire`).

    Where they are not named there: one event before the plan (`warm_up`), a time limit of 10 s, and a bystander that
    goes on for 1 s after the last event is due, with 50 ping frames a second or 10 events.

    Attributes:
        payload: what each event carries; a tuple is several arguments, as python-socketio has it. In its texts
            ``{counter}`` is the event's number and ``{client}`` its client's. Nothing where it is not named.
        payloads: several in turn instead: a list, a generator, or a function that returns one.
        response: what answers an event: ``ack`` (its acknowledgement, where it is not named), the name of an event, or
            ``none``. An event that is called like one of these words is ``event:ack``.
        match: by what an answering event is matched with its event: a field of both (``id``, or ``ref=order.id`` where
            it is called otherwise in the answer), ``order`` (of each client's answers; where it is not named), or
            ``nothing``: then answers are counted, and there is no latency.
        bystander: an event of the app that it acknowledges; ``heartbeat`` where it is not named: ping frames of a
            websocket, which the server's websocket library answers, and no handler; ``none`` for nobody.
        bystander_payload, bystander_namespace: of its event; the namespace is the senders' where it is not named.
        auth: what clients say when they connect to the namespace, most often a dictionary.
        headers, cookies, query: of the request with which a client connects. ``{client}`` is its number, in auth too.
        path: where Socket.IO is served; ``/socket.io`` where it is not named.
        ca_file: certificates to trust beside the system's.
        ramp_s: clients come evenly within this time; all at once where it is not named.
        scenario: what each client does before the load: a list of ``{"emit": ..., "data": ..., "wait": ...}``, a file
            of TOML with ``[[step]]``, or a function that returns such a list. `wait` is ``ack``, an event, or seconds.
        connect_s: within which all have to be let in, and each wait of the scenario has to end; 10 where not named.
        i_own_this_server: it is on another machine and yours: at most 100 events in any second, from 100 clients.
    """

    payload: Any
    payloads: Any
    response: str | None
    match: str | None
    bystander: str | None
    bystander_payload: Any
    bystander_namespace: str
    auth: Any
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    query: Mapping[str, str]
    path: str
    ca_file: str
    ramp_s: float
    scenario: Any
    connect_s: float
    i_own_this_server: bool


class Settings(ServeSettings, FireSettings, total=False):
    """Everything that :func:`labkit.measure` can be told besides strategy, work and plan.

    Attributes:
        switch_interval_s: of ``sys.setswitchinterval`` in the server's process during the run; Python's own where None.
        freeze_gc: keep the garbage collector off what is there already, during the run; True where it is not named.
    """

    switch_interval_s: float | None
    freeze_gc: bool


#: What must be a number of 0 or more, where it is given.
_NOT_NEGATIVE = ("ping_hz", "window_s", "timeout_s", "reads_from_s", "warm_up", "ping_interval_s", "ping_timeout_s")


def require_known(settings: Mapping[str, Any]) -> None:
    """Raise `UsageError` where a setting is not one, with the name that was probably meant, or makes no sense."""
    refuse_old(settings)
    refuse_unknown(settings, Settings.__annotations__)
    for name in _NOT_NEGATIVE:
        value = settings.get(name)
        if value is not None and not 0 <= value < 1e6:
            raise UsageError(f"{name} must be 0 or more, not {value}")
    Link.of(settings.get("network"))
    exchange = Exchange.of(settings)
    if exchange.transport == POLLING and settings.get("reads_from_s"):
        raise UsageError("a client that polls asks for what it reads: leave out reads_from_s, or transport='polling'")
    if exchange.transport in (POLLING, UPGRADE):
        polling.require()
    interval_s = settings.get("switch_interval_s")
    if interval_s is not None and not interval_s > 0:
        raise UsageError(f"switch_interval_s must be above 0, not {interval_s}")


def ping_instants_ns(ping_hz: float, window_s: float) -> NDArray[np.int64]:
    """When the bystander pings, in ns from the start of the run."""
    if ping_hz == 0:
        return np.zeros(0, np.int64)
    # Half an interval late: a ping that is due with the burst would measure the client's own sending.
    return np.round((np.arange(max(1, round(window_s * ping_hz))) + 0.5) / ping_hz * NS_PER_S).astype(np.int64)


def require_memory(plan: Schedule, exchange: Exchange = USUAL, frame_bytes: int = 0) -> None:
    """Raise `TooMuchMemory` where this machine cannot keep so many events, or as many answers as go to everybody.

    Args:
        plan: what is fired.
        exchange: to whom answers go.
        frame_bytes: what all events come to on the wire, where that is known: a client has all encoded before it
            sends, and once more where the server does not read as fast.
    """
    needed, available = len(plan) * BYTES_PER_EVENT + 2 * frame_bytes, psutil.virtual_memory().available
    if exchange.fan_out:
        needed += len(plan) * (plan.connections + exchange.listeners) * BYTES_PER_DELIVERY
    if needed > available:
        raise TooMuchMemory(
            f"{len(plan):,} events need about {needed / 1e9:.1f} GB and {available / 1e9:.1f} GB are free: fire fewer"
        )


def require_room(
    plan: Schedule, mode: str, ping_hz: float | None, client: Client | None, exchange: Exchange = USUAL
) -> None:
    """Raise where the mode or the client has no place for a connection of each sender, the bystander and listeners.

    Raises:
        ModeError: the mode's server holds fewer at once.
        UsageError: one client process drives fewer sockets.
    """
    others = 1 + (ping_hz is None or ping_hz > 0) + exchange.listeners
    MODES[mode].require_room(plan.connections, others)
    if client is None:  # the session's one process
        require_sockets(plan.connections * exchange.sockets + others)


def require_descriptors(plan: Schedule, exchange: Exchange = USUAL) -> None:
    """Raise `UsageError` where this process may not open a socket for each of so many clients."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    clients = plan.connections + exchange.listeners
    needed = plan.connections * exchange.sockets + exchange.listeners + OWN_DESCRIPTORS
    if soft not in (-1, resource.RLIM_INFINITY) and needed > soft:
        raise UsageError(
            f"{clients:,} clients need about {needed:,} open files and {soft:,} are allowed here: run "
            f"`ulimit -n {needed}` before, or ask for fewer connections"
        )
