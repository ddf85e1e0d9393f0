"""Several measurements to be compared: of strategies, of settings, of modes. Interleaved: a slow minute hits all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack, cast

from labkit.base import interrupts
from labkit.base.collector import collector_frozen
from labkit.base.errors import LabError, UsageError
from labkit.base.renamed import refusing_old_names
from labkit.experiments.measure import AnyStrategy, measure, require_measurable
from labkit.experiments.settings import Settings
from labkit.plan.calibration import expected_answers
from labkit.plan.interleaving import interleaved
from labkit.plan.link import Link
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work
from labkit.runs.comparison import Comparison, file_name, unused
from labkit.runs.run import Run
from labkit.runs.summary import BOUNDS_MS
from labkit.strategies import Strategy, default_in

#: Of each strategy: some days of measuring, and no more than can be put in order at once.
MOST_REPEATS = 100_000

#: Is called after each run, never during one, with how many are done, of how many, and the run.
Progress = Callable[[int, int, Run], object]


@refusing_old_names
@interrupts.kept()
def compare(
    strategies: Sequence[AnyStrategy] | AnyStrategy,
    work: Work,
    plan: Schedule,
    *,
    repeats: int = 3,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Progress | None = None,
    save_to: str | Path | None = None,
    **settings: Unpack[Settings],
) -> Comparison:
    """Measure several strategies with the same plan, interleaved in random order, `repeats` times each.

    What cannot be measured is refused before the first run. Where a later run fails, or Ctrl-C comes, what was measured
    is in the folder of `save_to`.

    Args:
        strategies: names, `strategy(...)`, or `register` functions; a single one will do.
        work, plan: the same for all.
        repeats: runs of each.
        seed: of the order.
        bounds_ms: of the verdicts.
        progress: called after each run, never during one, with how many are done, of how many, and the run.
        save_to: a folder for the runs, each as soon as it is measured; :meth:`labkit.Comparison.load` reads it.
        settings: of every measurement: see :class:`labkit.Settings`.

    Raises:
        UsageError: the request makes no sense; nothing was started.
        LabError: server or client failed; both are stopped.
    """
    order = ordered(strategies, work, plan, repeats=repeats, seed=seed, **settings)
    return order.measure(bounds_ms, progress, save_to)


@refusing_old_names
def compare_modes(
    strategies: Mapping[str, Sequence[AnyStrategy] | None],
    work: Work,
    plan: Schedule,
    *,
    repeats: int = 3,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Progress | None = None,
    save_to: str | Path | None = None,
    **settings: Unpack[Settings],
) -> Comparison:
    """Measure strategies in several modes, such as threading and gevent, in one comparison.

    Args:
        strategies: of each mode its strategies; None for those that the mode is usually measured with.
        work, plan, repeats, seed, bounds_ms, progress, save_to, settings: as for :func:`compare`.

    Returns:
        A comparison in which a strategy goes by ``name (mode)``; ``result.within(mode)`` gives the runs of one mode.

    Raises:
        As :func:`compare`; ModeError: a mode is unknown, or a strategy cannot run in it; MissingExtra: a package that a
        mode needs is absent.
    """
    things = [
        (chosen, {**settings, "mode": mode})
        for mode, named in strategies.items()
        for chosen in several(default_in(mode) if named is None else named)
    ]
    if not things:
        raise UsageError("there is no mode to measure in: name at least one")
    return _order(things, work, plan, repeats, seed).measure(bounds_ms, progress, save_to)


@refusing_old_names
def vary(
    strategy: AnyStrategy,
    work: Work,
    plan: Schedule,
    variants: Mapping[str, Settings],
    *,
    repeats: int = 3,
    seed: int = 0,
    bounds_ms: tuple[float, float] = BOUNDS_MS,
    progress: Progress | None = None,
    save_to: str | Path | None = None,
    **settings: Unpack[Settings],
) -> Comparison:
    """Measure one strategy under several settings, interleaved in random order, `repeats` times each.

    Args:
        strategy, work, plan: the same for all.
        variants: of each the name under which it is shown, and its settings, as ``{"stock": {"stock": True}}``.
        repeats, seed, bounds_ms, progress, save_to: as for :func:`compare`.
        settings: what all share.

    Raises:
        As :func:`compare`.
    """
    if not variants:
        raise UsageError("there is nothing to vary: give at least one variant")
    things = [(strategy, {**settings, **own}) for own in variants.values()]
    return _order(things, work, plan, repeats, seed, tuple(variants)).measure(bounds_ms, progress, save_to)


@dataclass(frozen=True)
class Ordered:
    """Measurements that were found possible, in the order in which they will be made.

    Attributes:
        work, plan: the same for all.
        names: of what is measured, in the order in which it was asked for.
        turns: of each run its strategy, its settings, and under what name it is shown where that is not the strategy's.
    """

    work: Work
    plan: Schedule
    names: tuple[str, ...]
    turns: tuple[tuple[Strategy, Settings, str], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.turns)

    @property
    def options(self) -> tuple[Mapping[str, Any], ...]:
        """What the servers will be given, one a run."""
        return tuple({**one.options, **(settings.get("options") or {})} for one, settings, _ in self.turns)

    def runs(self) -> Iterator[Run]:
        """Measure them one by one, for those who show or save each as it comes. The work is calibrated at first."""
        lacking = any(settings.get("expected") is None for _, settings, _ in self.turns)
        expected = expected_answers(self.work, self.plan) if lacking else None
        # Each run collects before it freezes: a tenth of a second in a notebook, and once is enough for what is old.
        freeze_gc = all(settings.get("freeze_gc", True) for _, settings, _ in self.turns)
        with collector_frozen() if freeze_gc else nullcontext():
            for number, (strategy, settings, variant) in enumerate(self.turns):
                own = cast(Settings, {**settings, "expected": settings.get("expected") or expected})
                if (link := Link.of(own.get("network"))) is not None:
                    # Else each repeat would meet the same jitter and lose the same segments, no sample of its own.
                    own["network"] = replace(link, seed=link.seed + number)
                yield replace(measure(strategy, self.work, self.plan, **own), variant=variant)

    def measure(
        self, bounds_ms: tuple[float, float], progress: Progress | None, save_to: str | Path | None
    ) -> Comparison:
        """All of them as one comparison; each is saved as soon as it is measured, where a folder is named."""
        folder = None if save_to is None else unused(save_to)
        runs: list[Run] = []
        try:
            for run in interrupts.each(self.runs()):
                if folder is not None:
                    run.save(folder / file_name(len(runs), run))
                runs.append(run)
                if progress is not None:
                    progress(len(runs), len(self), run)
        except LabError as error:
            error.add_note(_kept(runs, folder))
            raise
        finally:
            result = Comparison(tuple(runs), bounds_ms, self.names)
            if folder is not None and runs:
                result.save_about(folder)
        return result


def ordered(
    strategies: Sequence[AnyStrategy] | AnyStrategy,
    work: Work,
    plan: Schedule,
    *,
    repeats: int = 3,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Ordered:
    """What :func:`compare` will measure, in random order. Everything that cannot be measured is refused here."""
    return _order([(each, settings) for each in several(strategies)], work, plan, repeats, seed)


def several(strategies: Sequence[AnyStrategy] | AnyStrategy) -> list[AnyStrategy]:
    """What was asked for, also where it is a single one."""
    if isinstance(strategies, str | Strategy) or callable(strategies):
        return [strategies]
    return list(strategies)


def _order(
    things: Sequence[tuple[AnyStrategy, Mapping[str, Any]]],
    work: Work,
    plan: Schedule,
    repeats: int,
    seed: int,
    variants: tuple[str, ...] = (),
) -> Ordered:
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}")
    if repeats > MOST_REPEATS:
        raise UsageError(f"{repeats} repeats would never end: ask for {MOST_REPEATS:,} or fewer")
    if not things:
        raise UsageError("there is no strategy to measure: name at least one")
    each = [cast(Settings, dict(settings)) for _, settings in things]
    chosen = [require_measurable(one, work, plan, own) for (one, _), own in zip(things, each, strict=True)]
    labels = variants or tuple(s.name for s in chosen)
    rows = [(label, own.get("mode", "threading")) for label, own in zip(labels, each, strict=True)]
    if len(set(rows)) < len(rows):
        raise UsageError(f"two strategies have one name ({', '.join(labels)}): give one of them name=...")
    turns = list(zip(chosen, each, variants or [""] * len(chosen), strict=True))
    return Ordered(work, plan, tuple(dict.fromkeys(labels)), tuple(interleaved(turns, repeats, seed)))


def _kept(runs: Sequence[Run], folder: Path | None) -> str:
    if not runs:
        return "nothing was measured before"
    where = "lost, since no save_to=... was given" if folder is None else f"in {folder}"
    return f"the {len(runs)} runs that were measured before are {where}"
