"""Fire a plan at a server that runs, and keep what became of every event."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from labkit.base import clock, interrupts
from labkit.base.errors import ServerError, UsageError
from labkit.client import process as clients
from labkit.client.firing import Job
from labkit.client.process import Client
from labkit.experiments.confounders import ServerCost
from labkit.experiments.settings import require_descriptors, require_known, require_memory
from labkit.plan.calibration import Expected, expected_answers
from labkit.plan.schedules import Schedule
from labkit.runs import close, environment
from labkit.runs.conditions import Conditions
from labkit.runs.fired import Fired
from labkit.runs.run import Run
from labkit.server.contract import PING_EVENT
from labkit.server.serving import Serving


@interrupts.kept()
def fire(
    server: Serving,
    plan: Schedule,
    *,
    ping_hz: float = 50.0,
    window_s: float | None = None,
    timeout_s: float | None = None,
    warm_up: int = 2,
    acknowledge: bool = False,
    reads_from_s: float = 0.0,
    client: Client | None = None,
    expected: Expected | None = None,
) -> Run:
    """Fire a plan at a server, from another process, and return what became of every event.

    The plan is open loop: an event is sent when it is due, whether or not earlier ones were answered.

    Args:
        server: of :func:`labkit.serve`.
        plan: what is sent when, and by how many clients.
        ping_hz, window_s, timeout_s, warm_up, acknowledge, reads_from_s, client, expected: see
            :class:`labkit.experiments.settings.FireSettings`.

    Raises:
        UsageError: the request makes no sense; nothing was fired.
        ServerError: the server does not run.
        ClientError: the client could not connect, or its process ended.
    """
    _require_running(server)
    numbers = {"ping_hz": ping_hz, "window_s": window_s, "timeout_s": timeout_s, "warm_up": warm_up}
    require_known({**numbers, "reads_from_s": reads_from_s})
    require_memory(plan)
    require_descriptors(plan)
    expected = expected or expected_answers(server.work, plan)
    client = client or clients.shared()
    need_s = expected.mean_service_ms * len(plan) / 1000
    window_s = plan.span_s + need_s if window_s is None else window_s
    timeout_s = 5 + 3 * need_s if timeout_s is None else timeout_s
    job = replace(
        _job(plan, expected),
        ping_ns=ping_instants_ns(ping_hz, window_s),
        timeout_ns=round(timeout_s * clock.NS_PER_S),
        acknowledge=acknowledge,
        reads_from_ns=round(reads_from_s * clock.NS_PER_S),
    )
    about = {"ping_hz": ping_hz, "window_s": window_s, "answers_checked": expected.checked, "client": client.place}
    fired, stamps, told = _fired(server, client, job, plan.connections, warm_up_payloads(expected, warm_up))
    about |= told
    return close.close(
        fired,
        stamps,
        strategy=server.strategy.name,
        work=server.work.name,
        mode=server.mode,
        plan=plan,
        ping_ns=job.ping_ns,
        timeout_s=timeout_s,
        service_ms=expected.service_ms,
        kinds=expected.kinds,
        kind=expected.kind,
        machine=environment.describe(),
        conditions=_conditions(server, fired, plan, about),
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
    server: Serving, client: Client, job: Job, connections: int, warm_up: list[Any]
) -> tuple[Fired, Mapping[str, Any], dict[str, Any]]:
    """Connect, warm up, fire, disconnect: what the clients saw, what the server stamped, and what it cost meanwhile."""
    served = server.server
    try:
        client.open(server.url, connections, len(job.ping_ns) > 0)
        answered = client.warm(warm_up, job.timeout_ns / clock.NS_PER_S) if warm_up else 0
        served.record(len(job.intended_ns))
        cost, parted = ServerCost(served.serving_pid, client), clock.parting()
        fired = client.fire(replace(job, watch_pid=served.serving_pid))
        spent = {"server_cpu_s": cost.cpu_s, "server_switches": cost.switches, "clocks_parted_s": parted()}
        stamps = served.collect()
    except psutil.NoSuchProcess as error:
        raise ServerError("the server's process ended in the middle of the run: see what its app does") from error
    finally:
        client.close()
    return fired, stamps.columns(), {"warm_up_asked": len(warm_up), "warm_up_answered": answered, **spent}


def warm_up_payloads(expected: Expected, count: int) -> list[Any]:
    """What the events before the run carry; of a mix each kind in turn and at least once, unless none are wanted."""
    firsts = expected.first_of_each_kind
    return [firsts[i % len(firsts)] for i in range(max(count, len(firsts)))] if count else []


def _require_running(server: Serving) -> None:
    if not isinstance(server, Serving):
        raise UsageError(f"fire at what lab.serve(...) returns, not at {server!r}")
    if not server.is_running:
        raise ServerError(f"this server ({server.strategy.name}) does not run: start it with server.start()")


def ping_instants_ns(ping_hz: float, window_s: float) -> NDArray[np.int64]:
    """When the bystander pings, in ns from the start of the run."""
    if ping_hz == 0:
        return np.zeros(0, np.int64)
    # Half an interval late: a ping that is due with the burst would measure the client's own sending.
    return np.round((np.arange(max(1, round(window_s * ping_hz))) + 0.5) / ping_hz * clock.NS_PER_S).astype(np.int64)


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
        closed_senders=int(np.count_nonzero(fired.closed_ns[: plan.connections])),
        closed_others=int(np.count_nonzero(fired.closed_ns[plan.connections :])),
        handler_errors=tuple(error.strip().splitlines()[-1] for error in served.errors),
        server_log=tuple(served.log[:20]),
        **about,
    )


def _json(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
