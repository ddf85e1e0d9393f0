"""Faults of several servers that people met: each made to happen here, counted, and its remedy tried beside it.

Each function starts what it needs, and gives a :class:`Fault`: what was set, how much was lost, and what
was lost with the remedy, in the same run where that can be. What an installed version no longer does is said.
"""

import contextlib
import http.client
import importlib.metadata
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from labkit.base import clock
from labkit.base.clock import NS_PER_MS
from labkit.base.errors import LabError
from labkit.base.text import about
from labkit.client.audience import Audience, Manners, Sending
from labkit.runs.deliveries import NEVER, Bool, Deliveries
from labkit.runs.remedies import Fault, Role, Seen
from labkit.scale.redis_server import RedisServer
from labkit.scale.servers import Servers

#: A Redis's own limit of what waits for a subscriber: at once, or for a minute.
USUAL_LIMIT = "pubsub 32mb 8mb 60"

_LIMIT = "client-output-buffer-limit"


def no_sticky_sessions(sessions: int = 20) -> Fault:
    """Clients that poll, behind a proxy that gives each request to the next server."""
    seen = []
    tried: tuple[tuple[bool, Role], ...] = ((False, "fault"), (True, "remedy"))
    for sticky, role in tried:
        with RedisServer() as redis, Servers(count=2, queue=redis.url, sticky=sticky) as servers:
            said = [_polled(servers.url) for _ in range(sessions)]
        refused = [each for each in said if each]
        setting = "a cookie" if sticky else "each request to the next server"
        told = f"refused: {' '.join(refused[0].split()[:3])}" if refused else ""  # without the session's number
        seen.append(Seen(role, setting, len(refused), sessions, told))
    return Fault(
        "no sticky sessions",
        "clients that poll, also the first requests of those that upgrade; who begins with a websocket has one request "
        "and is spared.",
        "Keep a client with its server: HAProxy's `cookie NAME insert`; with gunicorn one worker a server (-w 1).",
        "Flask-SocketIO's documentation, and 'Invalid session' in many issues",
        tuple(seen),
    )


def _polled(url: str) -> str:
    """Open a session, enter, and ask for what there is, as a browser that polls; why that was refused, or empty."""
    host = urlsplit(url).netloc
    cookie = ""

    def ask(method: str, sid: str = "", body: str | None = None) -> tuple[int, str]:
        nonlocal cookie
        connection = http.client.HTTPConnection(host, timeout=5)
        try:
            path = "/socket.io/?EIO=4&transport=polling" + (f"&sid={sid}" if sid else "")
            connection.request(method, path, body, {"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            cookie = (answer.getheader("Set-Cookie") or cookie).partition(";")[0]
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    try:
        _, opened = ask("GET")
        sid = opened.partition('"sid":"')[2].partition('"')[0]
        for request in (("POST", sid, "40"), ("GET", sid)):
            status, body = ask(*request)
            if status != 200:
                return f"{status} {body.strip().strip(chr(34))}"
    except OSError as error:
        return str(error)
    return ""


#: What a fault needs: see :func:`stage`.
Stage = tuple[RedisServer, Servers, Audience]


@contextlib.contextmanager
def stage(count: int, settings: Mapping[str, Any] | None = None) -> Iterator[Stage]:
    """Servers with a receiver and a sender each, by whose number they are known; a first message went through all."""
    with (
        RedisServer() as redis,
        Audience() as audience,
        Servers(count=count, queue=redis.url, settings=settings) as servers,
    ):
        found = audience.connect(servers.url, count, count, Manners(reconnect_s=0.5))
        if found != [*servers.names] * 2:
            raise LabError(f"the proxy has dealt out clients as {found}, and not in turn: try again")
        audience.fire([Sending(50 * number, number % count) for number in range(2 * count)])
        yield redis, servers, audience


def _meanwhile(audience: Audience, sendings: Sequence[Sending], act: Callable[[], None], **waits: float) -> Deliveries:
    """Send, and act."""
    audience.begin(sendings, **waits)
    failed: list[Exception] = []

    def acting() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 (raised below)
            failed.append(error)

    thread = threading.Thread(target=acting)
    thread.start()
    try:
        return audience.finish()
    finally:
        thread.join()
        if failed:
            raise failed[0]


def _among(found: Deliveries, *, senders: Sequence[int], receiver: int, rows: slice = slice(None)) -> Bool:
    """Messages of some senders to one receiver."""
    chosen = np.zeros((len(found), found.receivers), bool)
    chosen[rows, receiver] = True
    chosen[~np.isin(found.sender, senders)] = False
    return chosen


def _seen(role: Role, setting: str, found: Deliveries, chosen: Bool, told: str = "") -> Seen:
    return Seen(role, setting, found.lost_among(chosen), int(chosen.sum()), told)


def slow_subscriber(
    limit: str = "pubsub 1mb 0 0", *, messages: int = 120, kilobytes: int = 200, on: Stage | None = None
) -> Fault:
    """A server that does not read from its Redis for a moment: the Redis cuts it off where too much waits for it.

    Args:
        limit: of what waits for a subscriber, as Redis writes it: small, so that little has to be sent.
        messages, kilobytes: what is sent while the second server stands still. The kernel's buffers take some 10 MB
            of it (tcp_wmem and tcp_rmem of Linux), so it is more than twice that.
        on: two servers that run already.
    """
    seen = []
    tried: tuple[tuple[Role, str], ...] = (("fault", limit), ("remedy", "pubsub 0 0 0"))
    with contextlib.nullcontext(on) if on else stage(2) as (redis, servers, audience):
        for role, setting in tried:
            _configure(redis, setting)
            found = _with_a_pause(servers, audience, messages, kilobytes)
            chosen = _among(found, senders=[0], receiver=1)
            seen.append(_seen(role, setting, found, chosen, _deafness(found, 1, messages)))
    return Fault(
        "a subscriber cut off",
        "a server that is stopped, swapped out, or computes with the GIL held, while others send more than the limit "
        "(32 MB at once, or 8 MB for a minute). python-socketio says it only to a logger that is off.",
        "Raise the limit: `client-output-buffer-limit pubsub 256mb 64mb 60`; it costs the Redis that memory.",
        "miguelgrinberg/python-socketio#1581, where one server of eight stayed deaf for good: not seen here, where it "
        "listened again by itself",
        tuple(seen),
    )


def _with_a_pause(servers: Servers, audience: Audience, messages: int, kilobytes: int) -> Deliveries:
    large = [Sending(200 + 5 * n, 0, "say_large", extra=(("bytes", kilobytes * 1000),)) for n in range(messages)]
    after_ms = large[-1].due_ms + 400
    small = [Sending(after_ms + 85 * n, 0) for n in range(24)]

    return _meanwhile(audience, [*large, *small], lambda: _stand_still(servers, (after_ms - 100) / 1000), timeout_s=1.2)


def _stand_still(servers: Servers, seconds: float) -> None:
    servers.pause("b")
    try:
        clock.sleep(seconds)
    finally:
        servers.resume("b")


def _configure(redis: RedisServer, limit: str) -> None:
    import redis as client

    with client.Redis.from_url(redis.url) as asked:
        asked.config_set(_LIMIT, limit)


def _deafness(found: Deliveries, receiver: int, first: int) -> str:
    """For how long a receiver heard nothing of the messages from `first` on."""
    had = found.first_at[first:, receiver]
    heard = np.flatnonzero(had != NEVER)
    if not len(heard):
        return f"deaf for another {about(float(found.due[-1] - found.due[first]) / NS_PER_MS)}, and longer"
    if not heard[0]:
        return "it hears what comes next"
    return f"deaf for another {about(float(had[heard[0]] - found.due[first]) / NS_PER_MS)}"


def large_event(
    megabytes: float = 33.0,
    limit: str = USUAL_LIMIT,
    *,
    busy_s: float = 0.7,
    free: bool = True,
    on: Stage | None = None,
) -> Fault:
    """One event that is larger than what may wait for a subscriber: whoever has not read it at once is cut off.

    Args:
        megabytes: of the event, of 1,048,576 bytes each, as Redis counts.
        limit: as Redis writes it; by default the one that it has.
        busy_s: the other server reads nothing until so long after the event came to the Redis.
        free: try it also while the other server has nothing else to do. Redis cuts that off, too; Valkey 9 looks ten
            times a second, and whoever has read by then is spared.
        on: two servers that run already.
    """
    tried: list[tuple[Role, str, float]] = [("fault", limit, busy_s), ("remedy", "pubsub 0 0 0", busy_s)]
    tried += [("also", limit, 0.0)] if free else []
    seen = []
    with contextlib.nullcontext(on) if on else stage(2) as staged:
        for role, setting, seconds in tried:
            _configure(staged[0], setting)
            found = _large(staged, round(megabytes * 2**20), seconds)
            own, other = (found.first_at[0, receiver] != NEVER for receiver in (0, 1))
            came = f"the event came to {'its own server' if own else 'nobody'}{' and the other' if other else ' only'}"
            told = f"{setting}, the other server {'busy' if seconds else 'free'}"
            seen.append(_seen(role, told, found, _among(found, senders=[0], receiver=1), came))
    return Fault(
        f"an event of {megabytes:g} MB",
        "every other server that does not read it at once: it has neither the event, nor what is sent until it listens "
        "again. A Redis cuts off whoever it is sent to; Valkey 9 only who has not read it a tenth of a second later.",
        "Send a link instead of the bytes, or raise `client-output-buffer-limit pubsub`; every server reads the event "
        "whole, as JSON.",
        "miguelgrinberg/python-socketio#1581",
        tuple(seen),
    )


def _large(on: Stage, size_bytes: int, busy_s: float) -> Deliveries:
    redis, servers, audience = on
    large = Sending(100, 0, "say_large", extra=(("bytes", size_bytes),))
    # For longer than it takes to send so much: some of them come after it.
    small = [Sending(150 + 50.0 * number, 0) for number in range(18 + round(1.2 * size_bytes / 2**20))]
    before = _received(redis)

    def busy() -> None:
        if not busy_s:
            return
        servers.pause("b")
        try:
            deadline_ns = clock.now_ns() + 10 * clock.NS_PER_S
            while _received(redis) < before + size_bytes and clock.now_ns() < deadline_ns:
                clock.sleep(0.02)
            clock.sleep(busy_s)
        finally:
            servers.resume("b")

    return _meanwhile(audience, [large, *small], busy, timeout_s=0.5 + 0.1 * size_bytes / 2**20)


def _received(redis: RedisServer) -> int:
    """How many bytes a Redis has been sent."""
    import redis as client

    with client.Redis.from_url(redis.url) as asked:
        told: dict[str, Any] = asked.info("stats")
    return int(told["total_net_input_bytes"])


def socket_timeout(timeout_s: float = 0.2, *, messages: int = 12) -> Fault:
    """A timeout on reading from the Redis: whoever hears nothing for so long stops listening for a second or more.

    Args:
        timeout_s: the setting; messages come further apart.
        messages: how many.
    """
    settings = {
        "a": {"socket_timeout": timeout_s},
        "b": {"client": "valkey", "socket_timeout": timeout_s},
        "c": {"client": "valkey", "socket_timeout": None},
    }
    with stage(3, settings) as (_, _, audience):
        apart_ms = timeout_s * 1000 + 250
        found = audience.fire(
            [Sending(apart_ms * (1 + number), 2 * (number % 2)) for number in range(messages)], timeout_s=1.0
        )
    valkey, redis = (f"{name} {importlib.metadata.version(name)}" for name in ("valkey", "redis"))

    def seen(role: Role, setting: str, receiver: int) -> Seen:
        return _seen(role, setting, found, _among(found, senders=[0, 2], receiver=receiver) & found.other)

    return Fault(
        "socket_timeout on the message queue",
        "an app where nothing is sent for longer than the timeout: a quiet one. redis-py up to 8.0.0 and valkey-py do "
        "it; redis-py 8.0.0 has a timeout of 5 s without being asked: of messages every 5.6 s, 6 of 8 were lost "
        "(measured once, with python-socketio 5.18.1).",
        "Set socket_timeout to None in redis_options, or take redis-py from 8.0.1 on, which listens without it.",
        "langgenius/dify#39587, open-webui/open-webui#26462",
        (
            seen("fault", f"{valkey}, socket_timeout={timeout_s:g}", 1),
            seen("remedy", f"{valkey}, socket_timeout=None", 2),
            seen("also", f"{redis}, socket_timeout={timeout_s:g}", 0),
        ),
    )


def publish_gives_up(away_s: float = 2.0) -> Fault:
    """A Redis that is away for a while: python-socketio tries twice to send a message on, and then drops it.

    Args:
        away_s: for how long.
    """
    settings = {"b": {"patient": True}, "c": {"waiting": True}}
    with stage(3, settings) as (redis, _, audience):

        def restart() -> None:
            clock.sleep(0.5)
            redis.kill()
            clock.sleep(away_s)
            redis.start()

        until_ms = (0.5 + away_s) * 1000
        sendings = [Sending(100.0 * number, number % 3) for number in range(round(until_ms / 100))]
        found = _meanwhile(audience, sendings, restart, timeout_s=3.0 + away_s)
    away = (found.due > found.due[0] + 600 * NS_PER_MS)[:, None]
    installed = f"redis {importlib.metadata.version('redis')}"

    def seen(role: Role, setting: str, sender: int) -> Seen:
        # To one whose listener comes back at once: one that comes back late is another fault.
        chosen = _among(found, senders=[sender], receiver=1 if sender == 2 else 2) & away
        waits = found.waits_ms(chosen)
        return _seen(role, setting, found, chosen, f"the rest late, up to {about(waits.max_ms)}" if len(waits) else "")

    return Fault(
        "a Redis that is away",
        "every message to other servers while the Redis restarts or fails over. The sender's own server delivers it, "
        "so half of a room has it. python-socketio says it only to a logger that is off.",
        "A manager that waits until the other servers listen again, and then sends: labkit.scale.waiting_manager. "
        "Only to try for longer leaves it to chance: whoever sends is back as soon as those that listen, and a Redis "
        "keeps no message for who is not there.",
        "RedisManager._publish of python-socketio: two attempts",
        (
            seen("fault", f"{installed}, RedisManager as it comes", 0),
            seen("also", f"{installed}, a Retry that does not give up", 1),
            seen("remedy", f"{installed}, WaitingManager", 2),
        ),
    )


#: All of them, by name.
FAULTS: dict[str, Callable[[], Fault]] = {
    "no-sticky-sessions": no_sticky_sessions,
    "slow-subscriber": slow_subscriber,
    "large-event": large_event,
    "socket-timeout": socket_timeout,
    "publish-gives-up": publish_gives_up,
}
