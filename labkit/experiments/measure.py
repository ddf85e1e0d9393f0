"""One measurement: a server is started, a plan is fired at it, and what is known to change results is held still."""

from dataclasses import replace
from typing import Any, Unpack, cast

from labkit.base import interrupts
from labkit.base.renamed import refusing_old_names
from labkit.client import process as clients
from labkit.experiments.confounders import spare_cpu
from labkit.experiments.fire import fire
from labkit.experiments.settings import (
    FireSettings,
    ServeSettings,
    Settings,
    require_descriptors,
    require_known,
    require_memory,
    require_room,
)
from labkit.plan.calibration import expected_answers
from labkit.plan.exchange import Exchange
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work
from labkit.runs.run import Run
from labkit.server.serving import require_possible, serve
from labkit.strategies import Register, Strategy

#: What can be asked for where a strategy is wanted: a name, a `register` function, or a `strategy(...)`.
AnyStrategy = str | Register | Strategy


@refusing_old_names
@interrupts.kept()
def measure(strategy: AnyStrategy, work: Work, plan: Schedule, **settings: Unpack[Settings]) -> Run:
    """Serve a strategy, fire a plan at it once, and stop: :func:`labkit.serve` and :func:`labkit.fire` in one.

    During the run the garbage collector is kept off what is there already, and before and after it the lab looks how
    much CPU there is to spare (``run.conditions``).

    Args:
        strategy: a name, a `strategy(...)`, or a `register` function.
        work: what an event costs.
        plan: what is sent when, and by how many clients.
        settings: see :class:`labkit.Settings`.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        LabError: server or client failed; both are stopped.
    """
    chosen = require_measurable(strategy, work, plan, settings)
    client = settings.get("client") or clients.shared()
    expected = settings.get("expected") or expected_answers(work, plan)
    firing = cast(FireSettings, {**_part(settings, FireSettings), "client": client, "expected": expected})
    serving = cast(ServeSettings, _part(settings, ServeSettings))
    freeze_gc = settings.get("freeze_gc", True)

    spare = [spare_cpu(client)]
    interval_s = settings.get("switch_interval_s")
    with serve(chosen, work, **serving) as server, server.server.held_still(interval_s, freeze_gc) as held:
        run = fire(server, plan, **firing)
        steady: dict[str, Any] = {
            "switch_interval_s": held.switch_interval_s,
            "full_collections": held.full_collections(),
        }
    spare.append(spare_cpu(client))
    about: dict[str, Any] = {
        "gc_frozen": freeze_gc,
        "spare_cpu": tuple(share for share in spare if share is not None),
        "server_log": tuple(server.server.log[:20]),
    }
    return replace(run, conditions=replace(run.conditions, **steady, **about))


def require_measurable(strategy: AnyStrategy, work: Work, plan: Schedule, settings: Settings) -> Strategy:
    """The strategy, if all of this can be measured together. Starts nothing.

    Raises:
        UsageError: it cannot: the sentence says why.
        MissingExtra: a package that the mode needs is absent.
    """
    require_known(settings)
    exchange = Exchange.of(settings)
    require_memory(plan, exchange)
    require_descriptors(plan, exchange)
    mode = settings.get("mode", "threading")
    chosen = require_possible(strategy, work, mode)
    require_room(plan, mode, settings.get("ping_hz"), settings.get("client"), exchange)
    return chosen


def _part(settings: Settings, of: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in of.__annotations__}
