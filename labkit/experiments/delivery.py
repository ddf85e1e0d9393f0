"""What a ``kill -9`` in the middle of a burst loses: of a strategy with a queue, and of the clients before it."""

import importlib.util
import math
from collections.abc import Callable

from labkit.base import clock, interrupts
from labkit.base.errors import MissingExtra, UsageError
from labkit.client.outbox_process import OutboxProcess
from labkit.experiments.deployment import Deployment
from labkit.plan import modes
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work
from labkit.runs import delivery as books
from labkit.runs.delivery import FAULTS, NO_FAULT, Delivery
from labkit.server.serving import require_possible, require_visible
from labkit.strategies import Register, Strategy

#: How often the clients are asked how far they are, in seconds.
_LOOK_S = 0.01


@interrupts.kept()
def delivery(
    strategy: str | Register | Strategy,
    work: Work,
    plan: Schedule,
    *,
    fault: str = "workers",
    outbox: bool | None = None,
    again_s: float = 2.0,
    outage_s: float = 1.0,
    patience_s: float = 10.0,
    mode: str = "gunicorn",
    progress: Callable[[int, int], object] | None = None,
) -> Delivery:
    """Fire a plan at a strategy with a queue, kill something in its midst, and close the books.

    Redis, workers and server are the lab's own, started for this run. The clients are python-socketio's, in a process
    that no fault hits. The fault strikes when half of the events are sent. Workers that end by themselves are started
    again, as a supervisor would.

    Args:
        strategy: one with a queue: ``celery``, ``celery-zero-loss``, or one of yours that has a `work`. Its own
            `workers` say how many processes calculate: ``lab.strategy("celery", workers=2)``.
        work: what an event costs.
        plan: what is sent when. The fault strikes at the beginning of one whose events are all due at one instant.
        fault: what is killed: one of ``pool-child``, ``workers``, ``server``, ``redis`` (which keeps nothing on disk),
            ``redis-aof`` (which writes every command to disk before it answers); ``none`` for nothing.
        outbox: whether clients keep what they sent until its result is there, and ask for it
            (:class:`labkit.client.outbox.Outbox`); where None, with strategies that keep results.
        again_s: after how long without a result such a client asks, in seconds.
        outage_s: from the kill until it is started again, in seconds. A child of the pool is replaced by Celery itself.
        patience_s: when all have been sent, everything runs again and no answer has come for so long, the run ends, in
            seconds. What is not answered by then counts as lost.
        mode: of the server: one that runs in a process of its own.
        progress: called with how many events were sent, and how many answered.

    Raises:
        UsageError: there is no such fault, the strategy has no queue, the mode shares this process, or the broker would
            give tasks to another worker while they are still at work.
        NotPicklable: the work cannot be sent to another process.
        MissingExtra: a package is absent, or there is no Redis.
        RedisError, ServerError, ClientError: one of them did not do what it had to, before the fault or after it.
    """
    chosen = require(strategy, work, fault, mode, outage_s=outage_s, patience_s=patience_s, again_s=again_s)
    has_outbox = chosen.keeps_results if outbox is None else outbox
    payloads = list(work.make_payloads(len(plan), plan.seed))
    due_ns = plan.intended_ns.tolist()
    keeps = fault == "redis-aof"
    with Deployment(chosen, work, mode=mode, keeps=keeps) as deployment, OutboxProcess() as clients:
        service_ms = clients.connect(deployment.url, plan.connections, payloads[:1], outbox=has_outbox, again_s=again_s)
        require_visible(chosen, work, service_ms)  # of a function of the reader's, nobody knew it before
        start_ns = clients.fire(due_ns, plan.connection.tolist(), payloads)
        look = _Look(clients, progress)
        fault_ns = recovered_ns = math.inf
        if fault != NO_FAULT:
            look.until(lambda sent, _: 2 * sent >= len(plan))
            fault_ns, recovered_ns = deployment.strike(fault, outage_s)
        _wait_for_all(look, len(plan), patience_s, deployment)
        submissions, answers = clients.collect()
        queued, unacknowledged = deployment.left()
    return Delivery(
        strategy=chosen.name,
        work=work.name,
        plan=plan.name,
        fault=fault,
        outbox=has_outbox,
        **books.close(due_ns, submissions, answers, start_ns),
        fault_ms=(fault_ns - start_ns) / clock.NS_PER_MS,
        recovered_ms=(recovered_ns - start_ns) / clock.NS_PER_MS,
        patience_s=patience_s,
        restarts=deployment.restarts,
        queued=queued,
        unacknowledged=unacknowledged,
    )


class _Look:
    """How far the clients are, again and again."""

    def __init__(self, clients: OutboxProcess, progress: Callable[[int, int], object] | None) -> None:
        self._clients, self._progress = clients, progress

    def until(self, is_reached: Callable[[int, int], bool]) -> None:
        """Look until it is; it is asked with how many events were sent, and how many answered."""
        while True:
            sent, answered = self._clients.progress()
            if self._progress is not None:
                self._progress(sent, answered)
            if is_reached(sent, answered):
                return
            clock.sleep(_LOOK_S)


def _wait_for_all(look: _Look, events: int, patience_s: float, deployment: Deployment) -> None:
    """Wait until all are answered; not longer than patience lasts, once all are sent, all runs, and no answer comes."""
    since_ns, before = clock.now_ns(), (-1, -1, -1)

    def is_over(sent: int, answered: int) -> bool:
        nonlocal since_ns, before
        deployment.supervise()
        now = (sent, answered, deployment.restarts)
        if now != before:
            since_ns, before = clock.now_ns(), now
        return answered >= events or clock.now_ns() - since_ns > patience_s * clock.NS_PER_S

    look.until(is_over)


def require(
    strategy: str | Register | Strategy, work: Work, fault: str, mode: str = "gunicorn", **seconds: float
) -> Strategy:
    """The strategy, where all of this can be done. Nothing is started.

    Args:
        strategy, work, fault, mode: as of :func:`delivery`.
        seconds: durations of it, by their names.

    Raises:
        UsageError, MissingExtra, NotPicklable: as of :func:`delivery`.
    """
    if fault not in FAULTS:
        raise UsageError(f"there is no fault {fault!r}: choose from {', '.join(FAULTS)}")
    for name, value in seconds.items():
        if not 0 < value < 3600:
            raise UsageError(f"{name} must be above 0 and less than an hour, not {value!r}")
    chosen = require_possible(strategy, work, mode, own_redis=True)  # nobody's own Redis is killed
    if chosen.work is None:
        raise UsageError(f"{chosen.name} has no queue, so nothing but its server could be killed: choose celery")
    if chosen.settled.get("workers") == 0:
        raise UsageError(f"{chosen.name} starts no workers, so none could be killed: leave out workers=0")
    if modes.MODES[mode].is_in_process:
        raise UsageError(f"in mode {mode} the server runs in this process, which cannot be killed: choose gunicorn")
    if importlib.util.find_spec("websocket") is None:
        raise MissingExtra("the clients need the package websocket-client: pip install 'labkit[scale]'")
    return chosen
