"""Batches of answers by window: what they save in emits and CPU, and how stale they make an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack, cast

import numpy as np

from labkit.base.errors import UsageError
from labkit.base.listed import is_number, listed
from labkit.experiments.compare import compare
from labkit.experiments.settings import Settings
from labkit.plan.schedules import Schedule, constant
from labkit.plan.work import Work, call
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.strategies import strategy

#: The strategy that the windows are compared with: every answer is sent by itself.
UNBATCHED = "inline"


@dataclass(frozen=True)
class Window:
    """One window, the mean of its runs.

    Attributes:
        window_ms: how long answers are collected; 0 where each is sent by itself.
        events: of a run.
        emits: messages in which their answers came.
        server_cpu_ms: CPU time of the server for all of them.
        own_p50_ms, own_max_ms: from the intended start to the answer: its staleness.
        server_switches: context switches of the server; None where nobody counted.
    """

    window_ms: float
    events: int
    emits: float
    server_cpu_ms: float
    own_p50_ms: float
    own_max_ms: float
    server_switches: float | None = None

    @property
    def saved(self) -> float:
        """The share of messages that need not be sent."""
        return 1 - self.emits / self.events


@dataclass(frozen=True, eq=False)
class Batching:
    """The trade-off: one :class:`Window` each, in their order, and the runs behind them."""

    windows: tuple[Window, ...]
    result: Comparison

    def __repr__(self) -> str:
        return "\n".join(
            f"{w.window_ms:g} ms: {w.emits:.0f} messages for {w.events} answers, {w.server_cpu_ms:.0f} ms CPU"
            f"{'' if w.server_switches is None else f', {w.server_switches:.0f} context switches'}, "
            f"answered after {w.own_p50_ms:.1f} ms (median)"
            for w in self.windows
        )


def batching(
    windows_ms: Sequence[float] | float = (10, 50, 200),
    work: Work | None = None,
    plan: Schedule | None = None,
    *,
    repeats: int = 3,
    **settings: Unpack[Settings],
) -> Batching:
    """Measure ``server-batch`` with several windows, and ``inline``, interleaved.

    Args:
        windows_ms: how long answers are collected.
        work: what an event costs; by default nothing, so that sending is what is measured.
        plan: what is sent when; by default two seconds of 400/s of one client. A window collects for each client by
            itself: what a room of them sends at that rate saves as little as the rate of one of them says.
        repeats: runs of each.
        settings: further arguments of :func:`labkit.compare`. Nobody pings unless ``ping_hz`` says so: answers to
            pings cost the server's processor too, and no window batches them.

    Raises:
        UsageError: a window is not above 0, or there is none.
    """
    windows = list(dict.fromkeys(listed(windows_ms)))
    if not windows or not all(is_number(window) and 0 < window < float("inf") for window in windows):
        raise UsageError(f"windows_ms must be one or more numbers above 0, not {windows_ms!r}")
    strategies = [strategy(UNBATCHED), *(strategy("server-batch", window_ms=window) for window in windows)]
    work = call(_nothing, payloads=[0]) if work is None else work
    plan = constant(400, seconds=2, connections=1) if plan is None else plan
    return trade_off(compare(strategies, work, plan, repeats=repeats, **cast(Settings, {"ping_hz": 0, **settings})))


def trade_off(result: Comparison) -> Batching:
    """The windows of a comparison that was measured before.

    Raises:
        UsageError: there is no run of `server-batch` in it that says what its window was.
    """
    found = [_window(result, name) for name in result.strategies]
    windows = sorted((w for w in found if w is not None), key=lambda w: w.window_ms)
    if not any(w.window_ms for w in windows):
        raise UsageError("there is no run of server-batch here: measure it with several window_ms")
    return Batching(tuple(windows), result)


def messages(run: Run) -> int:
    """In how many messages the answers came: those that one message brought share its instant and its connection."""
    pairs = np.stack([run.deliveries["connection"], run.deliveries["at"]])
    return int(np.unique(pairs, axis=1).shape[1])


def _window(result: Comparison, name: str) -> Window | None:
    runs, summary = result.of(name), result[name]
    window_ms = 0.0 if name == UNBATCHED else runs[0].conditions.parameters.get("window_ms")
    if window_ms is None:
        return None
    return Window(
        float(window_ms),
        len(runs[0]),
        float(np.mean([messages(run) for run in runs])),
        summary.server_cpu_s * 1000,
        summary.own.p50_ms,
        summary.own.max_ms,
        mean_switches(runs),
    )


def mean_switches(runs: Sequence[Run]) -> float | None:
    """Context switches of a run's server, the mean; None where one run was not counted."""
    counts = [count for run in runs if (count := run.conditions.server_switches) is not None]
    return float(np.mean(counts)) if len(counts) == len(runs) else None


def _nothing() -> int:
    return 0
