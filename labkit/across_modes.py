"""Strategies of several modes in one comparison: interleaved, so that a slow minute hits every mode alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit import experiment
from labkit.comparison import Comparison
from labkit.errors import UsageError
from labkit.metrics import BOUNDS_MS
from labkit.records import Run
from labkit.schedules import Schedule
from labkit.strategies import default_in
from labkit.workloads import Work


def across(
    exhibits: Mapping[str, Sequence[experiment.Exhibit] | None],
    work: Work,
    plan: Schedule,
    *,
    repeats: int = 3,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Callable[[int, int, Run], object] | None = None,
    **settings: Any,
) -> Comparison:
    """Measure each mode's strategies with the same plan, interleaved in random order, `repeats` times each.

    Args:
        exhibits: of each mode its strategies; None for those that the mode is usually measured with.
        work, plan: the same for all.
        repeats: runs of each.
        seed: of the order.
        bounds_ms: of the verdicts.
        progress: called after each run with how many are done, of how many, and the run.
        settings: further arguments of :func:`labkit.experiment.measure`, the same for all.

    Returns:
        A comparison in which a strategy goes by ``name (mode)``; `.within(mode)` gives one mode's runs.

    Raises:
        ModeError: a mode is unknown, or a strategy cannot run in it.
        MissingExtra: a package that a mode needs is absent.
    """
    pairs = [
        (mode, chosen)
        for mode, named in exhibits.items()
        for chosen in experiment.refuse(default_in(mode) if named is None else named, work, repeats=repeats, mode=mode)
    ]
    if not pairs:
        raise UsageError("there is no mode to measure in: name at least one")
    settings.setdefault("expected", experiment.expected_answers(work, plan))
    order = [(s, {**settings, "mode": mode}) for mode, s in experiment.interleaved(pairs, repeats, seed)]
    runs: list[Run] = []
    for run in experiment.one_by_one(order, work, plan):
        runs.append(run)
        if progress is not None:
            progress(len(runs), len(order), run)
    return Comparison(tuple(runs), bounds_ms)
