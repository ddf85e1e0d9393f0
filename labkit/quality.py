"""Can this run be trusted, and if not: why, and what to do.

After pyperf's ``format_checks`` (https://github.com/psf/pyperf), which says what makes a result unstable instead of
leaving it to the reader. *invalid* means that the figures must not be used; *caution*, that they must be read with it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.records import NEVER, Run
from labkit.stamps import STAGES

#: Lateness that is a tenth of the latencies is theirs, not the server's; below this floor nobody can tell.
LATE_SHARE, LATE_FLOOR_MS = 0.10, 1.0

#: Of the CPU that the calibration found alone, so much must have been there before and after the run.
SPARE_CPU = 0.75

#: Stages out of order by less than this are the work of two cores' clocks, not of a mistake.
ORDER_SLACK_NS = 20_000


@dataclass(frozen=True)
class Note:
    """One reason for doubt.

    Attributes:
        kind: what was checked; notes of one kind are told once.
        badness: the larger, the worse, among notes of one kind.
        invalid: the figures must not be used.
        why: what was seen.
        advice: what to do about it.
    """

    kind: str
    badness: float
    invalid: bool
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{'INVALID' if self.invalid else 'caution'}: {self.why}; {self.advice}"


def check(run: Run) -> list[Note]:
    """Every reason to doubt a run; none is the good case."""
    return [note for note in (check_one(run) for check_one in _CHECKS) if note]


def is_valid(run: Run) -> bool:
    """Whether no note says that the run is invalid."""
    return not any(note.invalid for note in check(run))


def digest(runs: Sequence[Run]) -> tuple[str, ...]:
    """Every kind of doubt about some runs in a line: the worst of it, how many runs, of which strategies."""
    concerns: dict[str, list[tuple[Note, str]]] = {}
    for run in runs:
        for note in check(run):
            concerns.setdefault(note.kind, []).append((note, run.strategy))
    lines = []
    for found in concerns.values():
        worst, _ = max(found, key=lambda item: (item[0].invalid, item[0].badness))
        names = list(dict.fromkeys(name for _, name in found))
        who = ", ".join(names) if len(names) < 4 else f"{len(names)} strategies"
        lines.append(f"{worst} ({len(found)} of {len(runs)} runs: {who})")
    return tuple(lines)


def _unaccounted(run: Run) -> Note | None:
    if run.unaccounted == 0:
        return None
    why = f"{run.unaccounted} events have no outcome"
    return Note("unaccounted", run.unaccounted, True, why, "run it again, and report it: this is a fault of labkit")


def _not_answered_well(run: Run) -> Note | None:
    """Not the measurement's fault, but nobody must miss it: a strategy that is fast and wrong."""
    bad = {name: count for name in ("failed", "wrong", "garbled") if (count := run.outcomes[name])}
    if not bad:
        return None
    counts = ", ".join(f"{count} {name}" for name, count in bad.items())
    first = next(iter(run.messages.values()), "without a message")
    return Note("outcomes", sum(bad.values()), False, f"{counts} of {len(run)} events: {first}", "see run.messages")


def _order(run: Run) -> Note | None:
    """Stages of one event that run backwards: two clocks, or stamps of the wrong event."""
    backwards = 0
    for before, after in itertools.pairwise(STAGES):
        a, b = run.events[before], run.events[after]
        backwards += int(np.count_nonzero((a != NEVER) & (b != NEVER) & (b < a - ORDER_SLACK_NS)))
    if backwards <= 0.001 * len(run) * (len(STAGES) - 1):
        return None
    why = f"{backwards} stages end before they begin"
    return Note("order", backwards, True, why, "run client and server on one machine and one clock")


def _warm_up(run: Run) -> Note | None:
    asked, answered = run.environment.get("warm_up", (0, 0))
    if answered >= asked:
        return None
    why = f"{asked - answered} of {asked} warm-up events were not answered"
    advice = "see run.environment['server_log'] for what the strategy did"
    return Note("warm-up", asked - answered, False, why, advice)


def _late(run: Run) -> Note | None:
    lateness, own = run.lateness_ms, run.own_ms[np.isfinite(run.own_ms)]
    if len(lateness) == 0 or len(own) == 0:
        return None
    late_ms, own_ms = float(np.percentile(lateness, 99)), float(np.percentile(own, 99))
    if late_ms <= max(LATE_SHARE * own_ms, LATE_FLOOR_MS):
        return None
    why = f"the client itself was {late_ms:.1f} ms late (p99) for latencies of {own_ms:.1f} ms"
    return Note("lateness", late_ms, True, why, "lower the rate, or leave a core to the client")


def _spare(run: Run) -> Note | None:
    spare = [value for value in run.environment.get("spare_cpu", ()) if value is not None]
    if not spare or min(spare) >= SPARE_CPU:
        return None
    why = f"two cores at work at once got only {min(spare):.0%} of the speed of one alone"
    return Note("spare CPU", -min(spare), False, why, "close what else computes, and compare within one run only")


def _gc(run: Run) -> Note | None:
    collections = run.environment.get("full_collections", 0)
    if not collections:
        return None
    why = f"{collections} full garbage collections during the run"
    return Note("garbage", collections, False, why, "keep fewer objects in the server's process, or repeat")


_CHECKS = (_unaccounted, _not_answered_well, _order, _warm_up, _late, _spare, _gc)
