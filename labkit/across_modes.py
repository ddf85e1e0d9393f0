"""Strategies of several modes in one comparison: interleaved, so that a slow minute hits every mode alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit import experiment
from labkit.comparison import Comparison
from labkit.errors import UsageError
from labkit.metrics import BOUNDS_MS
from labkit.modes import MODES
from labkit.records import Run
from labkit.schedules import Schedule
from labkit.strategies import Strategy, default_in, strategy
from labkit.workloads import Work, require_picklable


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
    pairs = list(_pairs(exhibits))
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}")
    if not pairs:
        raise UsageError("there is no strategy to measure: name at least one")
    for mode, chosen in pairs:
        chosen.require_mode(mode)
        MODES[mode].require()
        if chosen.needs_pickle or not MODES[mode].is_in_process:
            require_picklable(work)
    settings.setdefault("expected", experiment.expected_answers(work, plan))
    order = experiment.interleaved(pairs, repeats, seed)
    runs: list[Run] = []
    for mode, chosen in order:
        runs.append(run := experiment.measure(chosen, work, plan, mode=mode, **settings))
        if progress is not None:
            progress(len(runs), len(order), run)
    return Comparison(tuple(runs), bounds_ms)


def _pairs(exhibits: Mapping[str, Sequence[experiment.Exhibit] | None]) -> Iterator[tuple[str, Strategy]]:
    for mode, named in exhibits.items():
        for exhibit in default_in(mode) if named is None else named:
            yield mode, strategy(exhibit)
