"""Fire a plan at a server that runs, and keep what became of every event."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack, cast

import numpy as np
import psutil

from labkit.base import clock, interrupts
from labkit.base.errors import ServerError, UsageError
from labkit.base.renamed import refuse_unknown
from labkit.base.text import without_password
from labkit.client import process as clients
from labkit.client.firing import Job
from labkit.client.process import Client
from labkit.experiments import foreseen
from labkit.experiments.aim import counted
from labkit.experiments.at_url import aimed
from labkit.experiments.confounders import ServerCost
from labkit.experiments.settings import (
    PING_HZ,
    FireSettings,
    UrlSettings,
    ping_instants_ns,
    require_descriptors,
    require_known,
    require_memory,
    require_room,
)
from labkit.plan import address
from labkit.plan.calibration import Expected, expected_answers
from labkit.plan.exchange import BY_VALUE, MESSAGE, RESPONSE, ROOT, WEBSOCKET, Exchange
from labkit.plan.link import Link
from labkit.plan.replay import Replay
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work
from labkit.runs import close, environment
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.scale import network as networks
from labkit.server.contract import PING_EVENT
from labkit.server.event_handlers import require_handler
from labkit.server.serving import Serving

#: Events before the run, where nobody says how many.
WARM_UP = 2


@interrupts.kept()
def fire(
    server: Serving | str,
    plan: Schedule,
    *,
    ping_hz: float | None = None,
    window_s: float | None = None,
    timeout_s: float | None = None,
    warm_up: int | None = None,
    acknowledge: bool = False,
    reads_from_s: float = 0.0,
    client: Client | None = None,
    expected: Expected | None = None,
    event: str = MESSAGE,
    answer_event: str = RESPONSE,
    namespace: str = ROOT,
    answer: str | None = None,
    transport: str = WEBSOCKET,
    fan_out: bool = False,
    listeners: int = 0,
    network: Link | str | None = None,
    **url: Unpack[UrlSettings],
) -> Run:
    """Fire a plan at a server, from another process, and return what became of every event.

    The plan is open loop: an event is sent when it is due, whether or not earlier ones were answered.

    ``lab.fire("http://127.0.0.1:5000", lab.constant(20, seconds=10), event="price", payload={"item": "{counter}"})``
    fires at an app of yours, as it runs; with ``lab.replay(file)`` as the plan it sends what was recorded of clients.
    An interrupt cuts that short, and what was sent is still waited for: the KeyboardInterrupt has the run as its
    attribute ``run``.

    Args:
        server: of :func:`labkit.serve`, or the URL of any Socket.IO server of this machine.
        plan: what is sent when, and by how many clients.
        ping_hz, window_s, timeout_s, warm_up, acknowledge, reads_from_s, client, expected, event, answer_event,
            namespace, answer, transport, fan_out, listeners, network: see
            :class:`labkit.experiments.settings.FireSettings`.
        url: with a URL: see :class:`labkit.experiments.settings.UrlSettings`. `answer_event`, `answer`, `expected`,
            `acknowledge` and `reads_from_s` are of the lab's own servers.

    Raises:
        UsageError: the request makes no sense; nothing was fired.
        ServerError: the server does not run.
        ClientError: the client could not connect, or its process ended.
    """
    given: FireSettings = {
        "ping_hz": ping_hz,
        "window_s": window_s,
        "timeout_s": timeout_s,
        "warm_up": warm_up,
        "client": client,
        "event": event,
        "namespace": namespace,
        "transport": transport,
        "fan_out": fan_out,
        "listeners": listeners,
        "network": network,
    }
    own: FireSettings = {
        "acknowledge": acknowledge,
        "reads_from_s": reads_from_s,
        "expected": expected,
        "answer_event": answer_event,
        "answer": answer,
    }
    if isinstance(server, str):
        named = {name: value for name, value in own.items() if value != _OWN_USUAL[name]}
        return _at_url(server, plan, url, cast(FireSettings, {**given, **named}))
    if url:
        refuse_unknown(url, UrlSettings.__annotations__)
        raise UsageError(f"{next(iter(url))} is of a URL: the lab's own server is told by its strategy and its work")
    return _at_own(server, plan, {**given, **own})


#: What is not said of the lab's own servers.
_OWN_USUAL = {"acknowledge": False, "reads_from_s": 0.0, "expected": None, "answer_event": RESPONSE, "answer": None}


def _at_url(url: str, plan: Schedule, settings: UrlSettings, firing: FireSettings) -> Run:
    run, interrupt = aimed(url, plan, settings, firing).fire()
    if interrupt is not None:
        interrupt.run = run  # type: ignore[attr-defined]
        raise interrupt
    return run


def _at_own(server: Serving, plan: Schedule, asked: FireSettings) -> Run:
    _require_running(server)
    if isinstance(plan, Replay):
        raise UsageError("a replay is fired at a URL, whose handlers it was recorded of: give the app's address")
    exchange = Exchange.of(asked)
    ping_hz = PING_HZ if (asked_hz := asked["ping_hz"]) is None else asked_hz
    warm_up = WARM_UP if (asked_first := asked["warm_up"]) is None else asked_first
    require_known({**asked, "ping_hz": ping_hz, "warm_up": warm_up})
    _require_fit(server, plan, exchange, ping_hz, asked["client"])
    expected = asked["expected"] or expected_answers(server.work, plan)
    require_memory(plan, exchange, foreseen.frame_bytes(expected))
    client = asked["client"] or clients.shared()
    need_s = expected.mean_service_ms * len(plan) / 1000
    window_s = plan.span_s + need_s if (asked_s := asked["window_s"]) is None else asked_s
    timeout_s = 5 + 3 * need_s if (asked_s := asked["timeout_s"]) is None else asked_s
    job = replace(
        _job(plan, expected),
        ping_ns=ping_instants_ns(ping_hz, window_s),
        timeout_ns=round(timeout_s * clock.NS_PER_S),
        acknowledge=asked["acknowledge"],
        reads_from_ns=round(asked["reads_from_s"] * clock.NS_PER_S),
        exchange=exchange,
    )
    about = {"ping_hz": ping_hz, "window_s": window_s, "answers_checked": expected.checked, "client": client.place}
    about["too_large"] = foreseen.too_large(expected, server.mode, server.server.options)
    link = Link.of(asked["network"])
    about["network"] = {} if link is None else link.to_dict()
    first = warm_up_payloads(expected, warm_up, server.work, plan)
    with networks.between(address.parsed(server.url), link) as url:
        fired, stamps, told = _fired(server, url, client, job, plan.connections, first)
    about |= told
    return _closed(server, plan, job, expected, fired, stamps, _conditions(server, fired, plan, about))


def _require_fit(server: Serving, plan: Schedule, exchange: Exchange, ping_hz: float, client: Client | None) -> None:
    """Raise where the plan is more than this machine, the mode or the client can take, or nobody handles its events."""
    require_memory(plan, exchange)
    require_descriptors(plan, exchange)
    require_room(plan, server.mode, ping_hz, client, exchange)
    require_handler(server.server, exchange.event, exchange.namespace)


def _closed(
    server: Serving,
    plan: Schedule,
    job: Job,
    expected: Expected,
    fired: Fired,
    stamps: Mapping[str, Any],
    conditions: Conditions,
) -> Run:
    """The books of a firing, closed."""
    return close.close(
        fired,
        stamps,
        strategy=server.strategy.name,
        work=server.work.name,
        mode=server.mode,
        plan=plan,
        ping_ns=job.ping_ns,
        timeout_s=job.timeout_ns / clock.NS_PER_S,
        service_ms=expected.service_ms,
        kinds=expected.kinds,
        kind=expected.kind,
        machine=environment.describe(),
        conditions=conditions,
    )


def _job(plan: Schedule, expected: Expected) -> Job:
    """The plan, with what each event carries and must be answered. Nobody pings, and nothing is waited for."""
    return Job(
        intended_ns=plan.intended_ns,
        connection=plan.connection,
        payloads=list(expected.payloads),
        expected=list(expected.answers) if expected.checked else None,
        ping_ns=ping_instants_ns(0, 0),
        ping_event=PING_EVENT,
        timeout_ns=0,
    )


def _fired(
    server: Serving, url: str, client: Client, job: Job, connections: int, warm_up: list[Any]
) -> tuple[Fired, Mapping[str, Any], dict[str, Any]]:
    """Connect, warm up, fire, disconnect: what the clients saw, what the server stamped, and what it cost meanwhile."""
    served = server.server
    try:
        client.open(url, connections, len(job.ping_ns) > 0, exchange=job.exchange)
        answered = client.warm(warm_up, job.timeout_ns / clock.NS_PER_S) if warm_up else 0
        seen = client.seen_answers() if warm_up else frozenset()
        exchange = job.exchange.settled(seen)
        served.record(len(job.intended_ns))
        cost, parted = ServerCost(served.serving_pid, client), clock.parting()
        fired = client.fire(replace(job, watch_pid=served.serving_pid, exchange=exchange))
        spent = {"server_cpu_s": cost.cpu_s, "server_switches": cost.switches, "clocks_parted_s": parted()}
        stamps = served.collect()
    except psutil.NoSuchProcess as error:
        raise ServerError("the server's process ended in the middle of the run: see what its app does") from error
    finally:
        client.close()
    told = {"exchange": exchange.to_dict(), "acknowledged_otherwise": BY_VALUE in seen and not answered}
    return fired, stamps.columns(), {"warm_up_asked": len(warm_up), "warm_up_answered": answered, **told, **spent}


def warm_up_payloads(
    expected: Expected, count: int, work: Work | None = None, plan: Schedule | None = None
) -> list[Any]:
    """What the events before the run carry; of a mix each kind in turn and at least once, unless none are wanted.

    A function of the reader's is given what the plan does not have, where there is more: it may keep its answers.
    """
    if work is not None and plan is not None and work.kind == "call":
        return list(work.make_payloads(len(plan) + count, plan.seed)[len(plan) :])
    firsts = expected.first_of_each_kind
    return [firsts[i % len(firsts)] for i in range(max(count, len(firsts)))] if count else []


def _require_running(server: Serving) -> None:
    if not isinstance(server, Serving):
        raise UsageError(f"fire at what lab.serve(...) returns, or at a URL as text, not at {server!r}")
    if not server.is_running:
        raise ServerError(f"this server ({server.strategy.name}) does not run: start it with server.start()")


def _conditions(server: Serving, fired: Fired, plan: Schedule, about: dict[str, Any]) -> Conditions:
    served = server.server
    return Conditions(
        measured=clock.utc_stamp(),
        start_ns=fired.start_ns,
        options={name: _json(value) for name, value in served.options.items()},
        tuned=served.tuned,
        stock=served.stock,
        instrumented=served.instrumented,
        parameters={name: _json(value) for name, value in server.strategy.settled.items()},
        client_collections=fired.collections,
        client_cpu_s=fired.cpu_ns / clock.NS_PER_S,
        duration_s=(fired.end_ns - fired.start_ns) / clock.NS_PER_S,
        clock_resolution_s=clock.resolution_s(),
        heartbeats=fired.heartbeats,
        closings=counted(fired.closings),
        rounded=fired.rounded,
        closed_senders=int(np.count_nonzero(fired.closed_ns[: plan.connections])),
        closed_others=int(np.count_nonzero(fired.closed_ns[plan.connections :])),
        handler_errors=tuple(error.strip().splitlines()[-1] for error in served.errors),
        server_log=tuple(served.log[:20]),
        **about,
    )


def _json(value: Any) -> Any:
    if isinstance(value, str):
        return without_password(value)  # of the message queue
    return value if value is None or isinstance(value, bool | int | float) else repr(value)
