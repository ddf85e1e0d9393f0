"""Whether runs are as expected: it holds, it does not, or nobody can tell, which is never taken for the first.

A bound that is a number is compared with what was measured; the interval over runs stands beside it. A bound that is a
multiple of a base was measured, too: there the runs of both are compared by the exact test of
:mod:`labkit.runs.difference`, so that a slow minute is not taken for a slow version. Each such line errs in at most one
of twenty cases by itself; :mod:`labkit.runs.diff` compares several figures together.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from labkit.base.errors import NotAsExpected, UsageError
from labkit.base.renamed import refuse_unknown
from labkit.base.text import times
from labkit.runs import difference
from labkit.runs.comparison import Comparison
from labkit.runs.difference import ENOUGH, Difference
from labkit.runs.expectation import Expectation, parse_all
from labkit.runs.quantity import Found, find, interval
from labkit.runs.run import Run
from labkit.runs.table import Table

#: What can be judged: one run, several of one plan, or a comparison.
Measured = Run | Comparison | Sequence[Run]


class State(StrEnum):
    """What can be said of an expectation."""

    HOLDS = "holds"
    BROKEN = "does not hold"
    UNKNOWN = "can't tell"


@dataclass(frozen=True)
class Verdict:
    """What can be said of one expectation, of one strategy.

    Attributes:
        expectation: what was asked.
        strategy: of which.
        state: whether it is so.
        measured: in the unit of its quantity; NaN where it cannot be told, inf where an answer never came.
        low, high: the interval of `measured` over runs; NaN where it cannot be told, and of a count.
        bound: what it was compared with, in the same unit; NaN where it is of a base that cannot be told.
        against: with a base how the runs of both compare, else None.
        runs, events: how much is behind it.
        outcomes: of the runs, by name.
        why: why it cannot be told, or what to know of it; may be empty.
    """

    expectation: Expectation
    strategy: str
    state: State
    measured: float
    low: float
    high: float
    bound: float
    against: Difference | None
    runs: int
    events: int
    outcomes: dict[str, int]
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as asked."""
        return self.state is State.HOLDS

    @property
    def measured_text(self) -> str:
        """What was measured, for people."""
        return self.expectation.quantity.text(self.measured)

    @property
    def interval_text(self) -> str:
        """The interval, for people."""
        if math.isnan(self.low):
            return "-"
        text = self.expectation.quantity.text
        return f"{text(self.low)} to {text(self.high)}"

    def __repr__(self) -> str:
        """A sentence."""
        why = f" ({self.why})" if self.why else ""
        measured = "" if math.isnan(self.measured) else f": {self.measured_text}"
        return f"{self.state.upper()}: {self.strategy}, {self.expectation.text}{measured}{why}"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON; what is infinite or unknown is null."""
        return {
            "expectation": str(self.expectation),
            "strategy": self.strategy,
            "verdict": str(self.state),
            "measured": _finite(self.measured),
            "interval": None if math.isnan(self.low) else [_finite(self.low), _finite(self.high)],
            "bound": _finite(self.bound),
            "runs": self.runs,
            "events": self.events,
            "why": self.why,
        }


HEADERS = ("strategy", "expected", "verdict", "measured", "interval", "runs", "events")


@dataclass(frozen=True)
class Verdicts:
    """What can be said of several expectations; shows itself as a table."""

    all: tuple[Verdict, ...]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __bool__(self) -> bool:
        """Whether every expectation holds, and there is one."""
        return bool(self.all) and all(verdict.holds for verdict in self.all)

    def of(self, state: State) -> tuple[Verdict, ...]:
        """Those of one state."""
        return tuple(verdict for verdict in self.all if verdict.state is state)

    @property
    def state(self) -> State:
        """Of all together: broken if one is, else unknown if one is."""
        found = {verdict.state for verdict in self.all}
        return next((state for state in (State.BROKEN, State.UNKNOWN) if state in found), State.HOLDS)

    @property
    def headline(self) -> str:
        """How many hold, in a line."""
        hold, broken, unknown = (len(self.of(state)) for state in State)
        told = [f"{hold} of {len(self)} hold"]
        told += [f"{broken} {'does' if broken == 1 else 'do'} not"] if broken else []
        told += [f"of {unknown} nobody can tell"] if unknown else []
        return f"Expectations: {', '.join(told)}."

    def table(self) -> Table:
        """What was asked, what was measured, its interval; below it the reasons, and what became of the events."""
        rows = tuple(
            (
                verdict.strategy,
                verdict.expectation.text,
                str(verdict.state),
                verdict.measured_text,
                verdict.interval_text,
                str(verdict.runs),
                f"{verdict.events:,}",
            )
            for verdict in self.all
        )
        reasons: dict[str, list[str]] = {}
        for verdict in self.all:
            if verdict.why:
                reasons.setdefault(verdict.why, []).append(f"{verdict.strategy}, {verdict.expectation.text}")
        told = [f"{'; '.join(of) if len(of) < 4 else f'{len(of)} of them'}: {why}" for why, of in reasons.items()]
        outcomes = dict.fromkeys(
            f"{verdict.strategy}: {_counted(verdict.outcomes)}" for verdict in self.all if not verdict.holds
        )
        return Table(HEADERS, rows, (0, 1, 2), (*told, *outcomes))

    def __repr__(self) -> str:
        return f"{self.headline}\n{self.table().text()}"

    def _repr_html_(self) -> str:
        return self.table().html()


def verdicts(measured: Measured, *expectations: str | Expectation, base: Measured | str | None = None) -> Verdicts:
    """Judge runs by expectations such as ``bystander.p98 < 200ms``, ``lost == 0``, ``own.p98 < 1.1 * base``.

    Nothing is raised where one does not hold: :func:`labkit.expect` does that.

    Args:
        measured: a run, several, or a comparison, of which each strategy is judged.
        expectations: a line each. ``thread: lost == 0`` is about one strategy only.
        base: what `base` means in them: runs of the same plan, or the name of a strategy of this comparison.

    Returns:
        One verdict for each expectation and strategy.

    Raises:
        UsageError: an expectation cannot be read, is about a strategy that was not measured, or needs a base.
    """
    asked, mine = parse_all(expectations), _comparison(measured)
    if not asked:
        raise UsageError("there is nothing to expect: give at least one, such as 'lost == 0'")
    if not mine.runs:
        raise UsageError("there are no runs to judge: give at least one")
    refuse_unknown([one.strategy for one in asked if one.strategy], mine.strategies, "measured strategy")
    if base is None and (lacking := [one for one in asked if one.of_base]):
        raise UsageError(f"{lacking[0].text!r} needs a base: give base=, the runs to compare with")
    theirs = mine if isinstance(base, str) else None if base is None else _comparison(base)
    if isinstance(base, str):
        mine.of(base)  # which says what there is
    found = []
    for one in asked:
        for name in [one.strategy] if one.strategy else mine.strategies:
            if one.of_base and name == base and not one.strategy:
                continue  # the base itself is not compared with itself
            beside = None if theirs is None or not one.of_base else _base_of(theirs, base, name)
            found.append(_judged(one, mine, name, beside))
    if not found:
        raise UsageError("only the base itself was measured: give runs of something else to compare with it")
    return Verdicts(tuple(found))


def expect(measured: Measured, *expectations: str | Expectation, base: Measured | str | None = None) -> Verdicts:
    """Raise unless runs are as expected: ``lab.expect(run, "bystander.p98 < 200ms", "lost == 0")``.

    An expectation of which nobody can tell whether it holds is raised like one that does not.

    Args:
        measured, expectations, base: see :func:`labkit.verdicts`.

    Returns:
        The verdicts, where all hold.

    Raises:
        NotAsExpected: with a table of what was asked and what was measured; its `verdicts` are those.
        UsageError: as :func:`labkit.verdicts`.
    """
    found = verdicts(measured, *expectations, base=base)
    if not found:
        raise NotAsExpected(repr(found), found)
    return found


def _comparison(measured: Any) -> Comparison:
    if isinstance(measured, Comparison):
        return measured
    runs = (measured,) if isinstance(measured, Run) else tuple(measured) if isinstance(measured, Iterable) else ()
    if not runs or not all(isinstance(run, Run) for run in runs):
        raise UsageError(f"expectations are about a run, several runs or a comparison, not {str(measured)[:60]!r}")
    return Comparison(runs)


def _base_of(theirs: Comparison, base: Any, name: str) -> Comparison:
    """The base's runs for one strategy: those that were named, of the same strategy, or the only ones."""
    if isinstance(base, str):
        chosen = base
    elif name in theirs.strategies:
        chosen = name
    elif len(theirs.strategies) == 1:
        (chosen,) = theirs.strategies
    else:
        raise UsageError(f"the base has no runs of {name}, only of {', '.join(theirs.strategies)}: give those of one")
    return Comparison(theirs.of(chosen), theirs.bounds_ms)


def _judged(one: Expectation, mine: Comparison, name: str, base: Comparison | None) -> Verdict:
    runs, asked = mine.of(name), one.quantity
    found = find(asked, runs, mine.bounds_ms)
    low, high = interval(asked, runs, mine.bounds_ms)
    bound = one.bound * sum(len(run) for run in runs) if one.of_events else one.bound
    against = None
    if why := _invalid(runs) or found.unknown:
        state, bound = State.UNKNOWN, math.nan if one.of_base else bound
    elif base is not None:
        state, bound, against, why = _beside(one, runs, found, base)
    else:
        state = State.HOLDS if one.is_met_by(found.value, bound) else State.BROKEN
        if low < bound < high:
            why = "the bound lies within the interval, so other runs may fall on its other side"
    return Verdict(
        one,
        name,
        state,
        found.value,
        low,
        high,
        bound,
        against,
        len(runs),
        found.events,
        mine[name].outcomes,
        why,
    )


def _beside(
    one: Expectation, runs: Sequence[Run], found: Found, base: Comparison
) -> tuple[State, float, Difference | None, str]:
    """What can be said of runs beside those of a base: state, bound, how they compare, and why."""
    other = find(one.quantity, base.runs, base.bounds_ms)
    bound = one.bound * other.value
    if why := _not_comparable(one, runs, found, base, other):
        return State.UNKNOWN, bound, None, why
    what = one.quantity.name
    factor = difference.compare(other.each, found.each, names=("base", "this"), what=what)
    # The same test against the base as it may be: `1.1 * base` asks whether these runs are below that.
    tested = difference.compare([value * one.bound for value in other.each], found.each, what=what)
    told = _factor(factor)
    if tested.too_few:
        return State.UNKNOWN, bound, factor, f"{told}; {ENOUGH} runs of each are the fewest that can tell"
    if not tested.is_distinguishable:
        return State.UNKNOWN, bound, factor, f"{told}; more runs can tell"
    is_less = tested.superiority < 0.5
    return State.HOLDS if is_less == one.wants_less else State.BROKEN, bound, factor, told


def _not_comparable(one: Expectation, runs: Sequence[Run], found: Found, base: Comparison, other: Found) -> str:
    """Why runs and those of the base cannot be compared; empty where they can."""
    if why := _invalid(base.runs) or other.unknown or other.unknown_each:
        return f"of the base: {why}"
    if found.unknown_each:
        return found.unknown_each
    if {run.plan.name for run in runs} != {run.plan.name for run in base.runs}:
        return f"the base was fired another plan, {base.runs[0].plan.name}"
    if not min(*found.each, *other.each) > 0:
        return f"a run with {one.quantity.name} of 0 has no factor"
    return ""


def _factor(found: Difference) -> str:
    """How the runs compare, as a sentence's end."""
    count = f"{found.runs[1]} runs, {found.runs[0]} of the base"
    if math.isnan(found.factor):
        return f"some answers never came ({count})"
    if math.isnan(found.low):
        return f"{times(found.factor)} base ({count})"
    return f"{found.factor:.2f}x base, interval {found.low:.2f} to {found.high:.2f} ({count})"


def _invalid(runs: Sequence[Run]) -> str:
    """Why runs must not be used; empty where they may be."""
    bad = [run for run in runs if not run.is_valid]
    if not bad:
        return ""
    worst = next(note for note in bad[0].quality if note.invalid)
    return f"{len(bad)} of {len(runs)} runs INVALID: {worst.why}"


def _counted(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in outcomes.items() if count) or "no events"


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
