"""What else differs between two sets of runs, and may be why figures do: settings, machines, outcomes, the time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit.runs import quality
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run

#: What both sides must share to be of one thing.
_OF_RUNS: dict[str, Callable[[Run], str]] = {
    "plan": lambda run: run.plan.name,
    "work": lambda run: run.work,
    "mode": lambda run: run.mode,
    "client": lambda run: run.conditions.client,
    "network": lambda run: str(run.conditions.link or "none"),
}


def differing(a: Comparison, b: Comparison, pairs: Sequence[tuple[str, str]], names: tuple[str, str]) -> Iterator[str]:
    """What differs between two sets of runs besides what was measured, a line each.

    Args:
        a, b: the runs.
        pairs: which strategy of the one is held against which of the other.
        names: what the sides are called.
    """
    first, second = names
    for what, of in _OF_RUNS.items():
        mine, theirs = (dict.fromkeys(of(run) for run in side.runs) for side in (a, b))
        if set(mine) != set(theirs):
            yield f"Differs: {what}, {', '.join(mine)} in {first} and {', '.join(theirs)} in {second}."
    yield from _settings(a, b, pairs, names)
    yield from _machines(a, b, names)
    for name, side, other in ((first, a, {one for one, _ in pairs}), (second, b, {one for _, one in pairs})):
        if alone := [each for each in side.strategies if each not in other]:
            yield f"Only in {name}: {', '.join(alone)}."
        yield from (f"Of {name}: {line}" for line in quality.digest((run.name, run.quality) for run in side.runs))
    yield from _lost(a, b, pairs, names)
    if not _is_interleaved(a, b):
        yield (
            f"{first} and {second} were measured one after the other: what changed on the machine between them "
            "looks like a difference."
        )


def _settings(a: Comparison, b: Comparison, pairs: Sequence[tuple[str, str]], names: tuple[str, str]) -> Iterator[str]:
    for one, other in pairs:
        mine, theirs = a.of(one)[0].conditions, b.of(other)[0].conditions
        for what in ("options", "tuned", "parameters", "stock", "instrumented", "switch_interval_s", "gc_frozen"):
            before, after = getattr(mine, what), getattr(theirs, what)
            if before != after:
                yield f"Differs: {what} of {one}, {before} in {names[0]} and {after} in {names[1]}."
        served, serves = _flat(mine.interpreter), _flat(theirs.interpreter)
        differs = [what for what in {**served, **serves} if served.get(what) != serves.get(what)]
        if differs:
            told = (f"{what} {_or_none(served.get(what))} and {_or_none(serves.get(what))}" for what in differs)
            yield f"Differs, what serves {one}, in {names[0]} and {names[1]}: {', '.join(told)}."


def _machines(a: Comparison, b: Comparison, names: tuple[str, str]) -> Iterator[str]:
    mine, theirs = (_flat(side.runs[0].machine) for side in (a, b))
    differs = [what for what in sorted({*mine, *theirs}) if mine.get(what) != theirs.get(what)]
    if differs:
        told = (f"{what} {_or_none(mine.get(what))} and {_or_none(theirs.get(what))}" for what in differs)
        yield f"Differs, {names[0]} and {names[1]}: {', '.join(told)}."
    for name, side in zip(names, (a, b), strict=True):
        if len({repr(_flat(run.machine)) for run in side.runs}) > 1:
            yield f"The runs of {name} are of several machines or versions; the first of them is compared here."


def _flat(machine: Mapping[str, Any]) -> dict[str, Any]:
    versions = machine.get("versions") or {}
    return {**{name: value for name, value in machine.items() if name != "versions"}, **versions}


def _or_none(value: Any) -> str:
    return "none" if value is None else str(value)


def _lost(a: Comparison, b: Comparison, pairs: Sequence[tuple[str, str]], names: tuple[str, str]) -> Iterator[str]:
    """Where events became something else than on the other side: no percentile tells of a few."""
    for one, other in pairs:
        counts = (_outcomes(a.of(one)), _outcomes(b.of(other)))
        mine, theirs = ({name: count / side.total() for name, count in side.items() if count} for side in counts)
        if mine != theirs:
            told = (
                f"{', '.join(f'{count:,} {name}' for name, count in side.items() if count)} in {name_of_side}"
                for side, name_of_side in zip(counts, names, strict=True)
            )
            yield f"Outcomes of {one} differ: {'; '.join(told)}."


def _outcomes(runs: Sequence[Run]) -> Counter[str]:
    return sum((Counter(run.outcomes) for run in runs), Counter())


def _is_interleaved(a: Comparison, b: Comparison) -> bool:
    mine, theirs = (sorted(run.conditions.measured for run in side.runs) for side in (a, b))
    return mine[0] <= theirs[-1] and theirs[0] <= mine[-1]
