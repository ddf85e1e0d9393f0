"""Is the head of two versions slower than its base: what may be said where the machine is nobody's alone.

The test and its sentences are :func:`labkit.runs.diff.diff`'s. What is added takes verdicts back and never makes one: a
base that is measured twice shows by how much two sets of runs of one version differ here (A/A), and a difference
within that is none of the head's.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from labkit.runs import diff as diffs
from labkit.runs.comparison import Comparison
from labkit.runs.diff import Change, Diff, Direction
from labkit.runs.expectation import Expectation
from labkit.runs.run import Run
from labkit.runs.verdicts import State, Verdict, Verdicts, verdicts

#: What is measured: the base, once more the base, and the head.
BASE, AGAIN, HEAD = "base", "base again", "head"
SIDES = (BASE, AGAIN, HEAD)

#: Nobody can tell where a slowdown of more than this factor may be hidden, unless it is below so many ms.
RESOLUTION, NOBODYS_MS = 1.5, 1.0

#: A machine that gives two cores less than this share of what each has alone is shared with somebody who computes.
BUSY = 0.5

#: So many of the rounds may be left out since a run in them is INVALID; where it were more, nobody can tell.
LEFT_OUT = 1 / 2


@dataclass(frozen=True, eq=False)
class Judgement:
    """Base and head side by side.

    Attributes:
        found: what differs between base and head; can't tell where the machine does not allow more.
        noise: the same of the base and the base again.
        busy: why nothing can be told of this machine; empty where that is not so.
    """

    found: Diff
    noise: Diff
    busy: str = ""

    @property
    def direction(self) -> Direction:
        """Of all figures together: slower if one is, else unknown if one is, else faster if one is."""
        return self.found.direction

    @property
    def loses_more(self) -> bool:
        """Whether the head lost a larger share of the events than the base did, either time."""
        return self.found.loses_more and _share_lost(self.found.second) > _share_lost(self.noise.second)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What follows, a sentence each."""
        lost = sum(run.lost for run in self.found.second.runs)
        more = (f"head lost {lost} of {sum(map(len, self.found.second.runs)):,} events, more than base did",)
        return (*(more if self.loses_more else ()), *self.found.sentences)

    def verdicts(self, *expectations: str | Expectation) -> Verdicts:
        """What can be said of expectations about the head: with nothing against it that is against the base, too.

        Raises:
            UsageError: as :func:`labkit.verdicts`.
        """
        base = self.found.first
        found = verdicts(self.found.second, *expectations, base=base)
        alike = verdicts(self.noise.second, *expectations, base=base)
        return Verdicts(tuple(self._allowed(one, other) for one, other in zip(found, alike, strict=True)))

    def _allowed(self, verdict: Verdict, alike: Verdict) -> Verdict:
        if verdict.state is not State.BROKEN or not verdict.expectation.of_base:
            return verdict
        if alike.state is State.BROKEN:
            return replace(verdict, state=State.UNKNOWN, why="the base itself breaks it here")
        figure = verdict.expectation.quantity.name
        clear = any(change.quantity.name == figure for change in self.found.of(Direction.SLOWER))
        return replace(verdict, state=State.UNKNOWN, why=self.busy) if self.busy and not clear else verdict

    def __repr__(self) -> str:
        return "\n".join((*self.sentences[: int(self.loses_more)], repr(self.found)))

    def _repr_html_(self) -> str:
        lost = [f"<p>{escape(sentence)}</p>" for sentence in self.sentences[: int(self.loses_more)]]
        return "".join((*lost, self.found._repr_html_()))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.found.to_dict(), "loses_more": self.loses_more, "noise": self.noise.to_dict()}


def judge(sides: Mapping[str, Sequence[Run]], *, resolution: float = RESOLUTION) -> Judgement:
    """Hold the head against the base.

    Args:
        sides: the runs of each of :data:`SIDES`, in the order of their rounds. A round that one of them lacks does not
            count.
        resolution: a factor above 1: where a larger one may be hidden, nobody can tell.

    Raises:
        UsageError: there is no whole round.
        MissingExtra: SciPy is not there.
    """
    rounds, left_out = _usable(list(zip(*(sides[name] for name in SIDES), strict=False)))
    base, again, head = (Comparison(tuple(runs)) for runs in (zip(*rounds, strict=True) if rounds else ((), (), ())))
    noise = diffs.diff(base, again, names=(BASE, AGAIN))
    found = diffs.diff(base, head, names=(BASE, HEAD))
    busy = _busy([run for of_round in rounds for run in of_round])
    floors = {(change.strategy, change.quantity.name): change for change in noise}
    changes = tuple(
        _allowed(change, floors.get((change.strategy, change.quantity.name)), busy, resolution) for change in found
    )
    told = (*left_out, *([f"{busy[:1].upper()}{busy[1:]}."] if busy else []), *_noise(noise))
    return Judgement(replace(found, changes=changes, cautions=(*found.cautions, *told)), noise, busy)


def _usable(rounds: list[tuple[Run, ...]]) -> tuple[list[tuple[Run, ...]], tuple[str, ...]]:
    """The rounds without an invalid run: left out whole, so that no version is spared its bad minutes alone."""
    valid = [of_round for of_round in rounds if all(run.is_valid for run in of_round)]
    count = len(rounds) - len(valid)
    if not count or count > LEFT_OUT * len(rounds):
        return rounds, ()
    worst = next(note for of_round in rounds for run in of_round for note in run.quality if note.invalid)
    return valid, (f"{count} of {len(rounds)} rounds left out, a run in each is INVALID: {worst.why}.",)


def _busy(runs: Sequence[Run]) -> str:
    """Why nothing can be told of a machine that is shared; empty where it is not, or nobody knows."""
    spare = [min(run.conditions.spare_cpu) for run in runs if run.conditions.spare_cpu]
    if not spare or (share := statistics.median(spare)) >= BUSY:
        return ""
    return f"something else computes here: two cores at work at once got only {share:.0%} of the speed of one alone"


def _allowed(change: Change, noise: Change | None, busy: str, resolution: float) -> Change:
    """The change, or that it cannot be told."""
    if why := _doubt(change, noise, busy, resolution):
        return replace(change, direction=Direction.UNKNOWN, why=why)
    return change


def _doubt(change: Change, noise: Change | None, busy: str, resolution: float) -> str:
    if change.direction is Direction.UNKNOWN:
        return ""  # it says why
    if change.direction is Direction.SAME:
        hidden_ms = (change.hidden - 1) * max(change.first, change.second)
        if change.hidden > resolution and hidden_ms > NOBODYS_MS:
            return f"runs differ too much among themselves: a slowdown above {resolution:g}x might be hidden"
        return ""
    floor = math.inf if noise is None else floor_of(noise)
    if math.isnan(change.found.factor):  # some answers never came: there is a rank, and no factor
        alike = noise is not None and noise.direction is change.direction
        return busy or ("of the base some answers never came, either" if alike else "")
    if abs(math.log(change.found.factor)) <= math.log(floor):
        return "the base differs from itself by as much here"
    # Who computes beside it may have come for one version more than for another: twice the floor, with the whole
    # interval, is more than that.
    least = min(abs(math.log(bound)) for bound in (change.found.low, change.found.high))
    return busy if busy and least <= 2 * math.log(floor) else ""


def floor_of(noise: Change) -> float:
    """By which factor two sets of runs of one version may differ on this machine, as far as an A/A shows."""
    if noise.direction is Direction.SAME:
        return noise.hidden
    low, high = noise.found.low, noise.found.high
    return math.inf if math.isnan(low) else max(high, 1 / low)


def _noise(noise: Diff) -> tuple[str, ...]:
    """What the A/A says, in a line."""
    told = [
        f"{change.quantity.name} {'unknown' if math.isinf(floor_of(change)) else f'{floor_of(change):.2f}x'}"
        for change in noise
    ]
    differs = noise.of(Direction.SLOWER) or noise.of(Direction.FASTER)
    extra = ", and by chance or by its neighbours the base did differ from itself" if differs else ""
    return (f"Floor of noise, the base against itself: {', '.join(told)}{extra}.",) if told else ()


def _share_lost(side: Comparison) -> float:
    return sum(run.lost for run in side.runs) / sum(map(len, side.runs))
