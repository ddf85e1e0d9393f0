"""What to write: which strategies held the bound in the measured runs, and which of those is the simplest.

The rules, in this order; each is a sentence of the paragraph:

0. Work that keeps state, or whose answers nobody could check, is recommended nothing: what is fast and answers
   something may have answered the wrong thing. Who knows that answers differ by nature says so.
1. Runs that are invalid recommend nothing.
2. A mode that was not measured gets no recommendation; the one that was is named.
3. A strategy *holds* if the tails of its callers and of its neighbours (p98 where the sample supports it, else the
   maximum) are within the first bound, every event was answered rightly, and no stranger got an answer. Where answers
   are meant for everybody, the last who has one has it within the bound, too.
4. Of those that hold, the simplest is recommended (:mod:`labkit.experiments.simplicity`); being faster within the
   bound is no reason.
5. If a simpler one failed by its tail only, and the runs cannot tell the two apart, that is said and nothing is
   recommended. With four runs of each and more :mod:`labkit.runs.difference` decides, with fewer whether their ranges
   overlap.
6. If nothing holds, that is said, with the work that was offered beside what the machine can do, and with the
   strategy that at least holds for the neighbours, if there is one.
7. Where runs of many clients and of one are given, those of many decide, and what is otherwise for one greedy client
   is said beside it. Where only one client sent, and what is named handles the events of a client in turn
   (``async_handlers=False``), it is said that many clients are another case; where only many sent, that one is.
8. Where answers came in another order than a client's events, the recommendation is for those whose order does not
   matter, and what to write where it does stands beside it (:mod:`labkit.experiments.order_rule`).
"""

import math
from collections.abc import Sequence
from functools import cached_property

from labkit.base.errors import UsageError
from labkit.base.text import about
from labkit.experiments.diagnosis import Diagnosis
from labkit.experiments.order_rule import KEEPERS, Candidate, InOrder, in_order
from labkit.experiments.recommendation import Recommendation
from labkit.experiments.simplicity import SIMPLICITY, base_of, rank
from labkit.plan import queueing, state
from labkit.runs import difference as stats
from labkit.runs.comparison import Comparison
from labkit.runs.order import total
from labkit.runs.quality import CACHE, STATE
from labkit.runs.run import Run
from labkit.runs.summary import Distribution, Summary
from labkit.strategies import NAMES, strategy

#: Why `thread-broadcast` and the like are never recommended.
_TO_STRANGERS = "its answers reach strangers"


def recommend(
    diagnosis: Diagnosis,
    comparison: Comparison,
    *,
    mode: str | None = None,
    keeps_state: str = "",
    answers_differ: bool = False,
) -> Recommendation:
    """What to write for this work at this load, by the rules above, from the measured runs only.

    Args:
        diagnosis: of the work.
        comparison: of the strategies, with that work.
        mode: for which; the one that was measured where None.
        keeps_state: a sentence that says why the work is known to keep state; empty where it is not.
        answers_differ: answers that could not be checked are no reason for doubt: they differ by nature, as a time or a
            random number does, and the work keeps no state.

    Raises:
        UsageError: the mode was not measured, several were and none is named, or the work is another.
    """
    modes = tuple(dict.fromkeys(run.mode for run in comparison.runs))
    if mode is not None and mode not in modes:
        raise UsageError(f"mode {mode!r} was not measured, so nothing can be said of it: measure it first")
    if mode is None and len(modes) != 1:
        raise UsageError(f"name the mode to recommend for, one of those measured: {_listed(modes) or 'none was'}")
    considered = tuple(run for run in comparison.runs if mode in (None, run.mode))
    result = Comparison(considered, comparison.bounds_ms)
    several = len(result.clients) > 1
    greedy = result.sent_by(1) if several and 1 in result.clients else None
    result = result.sent_by(result.clients[-1]) if several else result
    works = {run.work for run in result.runs}
    if works != {diagnosis.work}:
        raise UsageError(
            f"the diagnosis is of {diagnosis.work} and the runs of {_listed(sorted(works))}: give one work"
        )
    alone = None if greedy is None else _Weighing(diagnosis, greedy, mode or modes[0])
    weighing = _Weighing(diagnosis, result, mode or modes[0], alone)
    return weighing.recommendation(
        _doubtful(considered, keeps_state or _state(diagnosis, answers_differ), answers_differ)
    )


def _state(diagnosis: Diagnosis, answers_differ: bool) -> str:
    """What the diagnosis saw the work keep; kept answers alone harm nobody whose payloads are new."""
    by_nature = (state.OTHERWISE,) if answers_differ else ()
    return "; ".join(told for told in diagnosis.state if not state.is_of_cache(told) and told not in by_nature)


def _doubtful(considered: Sequence[Run], keeps_state: str, answers_differ: bool) -> str:
    """Why nothing can be recommended, however fast it was answered (rule 0); empty where that is no question."""
    if keeps_state:
        return f"No recommendation: {keeps_state.rstrip('.')}. {state.remedy(keeps_state)}"
    for note in (note for run in considered for note in run.quality if note.kind in (CACHE, STATE)):
        return f"No recommendation: {note.why}; {note.advice}."
    if answers_differ or all(run.conditions.answers_checked for run in considered):
        return ""
    return (
        "No recommendation: the same data were answered otherwise each time, so nobody knows whether the answers under "
        "load were right. If the work keeps state, guard it: events at once may corrupt it. If its answers differ by "
        "nature, as a time does, say so (--answers-differ, or answers_differ=True)."
    )


class _Weighing:
    """What the runs of one plan say; beside it what those of one greedy client do, where there are any."""

    def __init__(self, diagnosis: Diagnosis, result: Comparison, mode: str, greedy: "_Weighing | None" = None) -> None:
        self.diagnosis, self.result, self.mode, self.greedy = diagnosis, result, mode, greedy
        self.bound_ms = result.bounds_ms[0]
        plan = result.runs[0].plan
        self.rate_hz = plan.rate_hz
        self.cpu_s = diagnosis.cpu_ms / 1000
        self.offered = math.nan if self.rate_hz is None else queueing.utilisation(self.rate_hz, self.cpu_s)
        self.at_once_s = len(plan) * self.cpu_s if self.rate_hz is None else math.nan
        self.rejected = {s.strategy: why for s in result.summaries if (why := self._why_not(s))}
        self.holding = tuple(sorted((n for n in result.strategies if n not in self.rejected), key=rank))

    def recommendation(self, doubt: str = "") -> Recommendation:
        """The paragraph; `doubt` is why nothing is recommended whatever the runs say."""
        chosen, verdict = (None, [doubt]) if doubt else self._verdict()
        others = {name: why for name, why in self.rejected.items() if name != chosen}
        sentences = [self._kind(), self._offer(), *verdict]
        if others and chosen is not None:
            sentences.append("Not " + "; ".join(f"{name}: {why}" for name, why in others.items()) + ".")
        if chosen is not None:
            sentences.append(_code(chosen))
        told = tuple(s for s in sentences if s)
        ordered = None if doubt or self.invalid else self._in_order(chosen).strategy
        return Recommendation(chosen, self.holding, self.rejected, self.offered, told, ordered)

    def _kind(self) -> str:
        return self.diagnosis.sentence

    def _offer(self) -> str:
        cores = self.diagnosis.cores
        if self.rate_hz is None:
            plan = self.result.runs[0].plan
            return f"Offered: {plan.name}, {_seconds(self.at_once_s)} of CPU; the machine has {_cores(cores)}."
        gil = self.rate_hz * self.diagnosis.gil_held * self.diagnosis.service.mean_ms / 1000
        one_gil = f", and one process has one GIL, of which {gil:.1f} are asked for" if gil > 1 else ""
        asked = f"{self.rate_hz:.3g}/s of {self.cpu_s * 1000:.3g} ms of CPU, from {self.result.runs[0].plan.senders}"
        return f"Offered {self.offered:.1f} cores of work ({asked}); the machine has {cores}{one_gil}."

    def _verdict(self) -> tuple[str | None, list[str]]:
        if self.invalid:
            count = len(self.result.runs)
            return None, [f"No recommendation: {self.invalid} of {count} runs are invalid, see the notes."]
        if not self.holding:
            return None, [self._nothing_holds(), *self._least_harm()]
        chosen = self.holding[0]
        held = f"Within {self.bound_ms:g} ms for callers and neighbours, in mode {self.mode}: {_listed(self.holding)}."
        for simpler in sorted(self.rejected, key=rank):
            if rank(simpler) < rank(chosen) and (doubt := self._doubt(chosen, simpler)):
                return None, [held, doubt]
        simplest = "the only one that holds" if len(self.holding) == 1 else "the simplest of them"
        cost = SIMPLICITY.get(base_of(chosen), "yours")
        ordered = self._in_order(chosen)
        is_enough = not ordered.sentence or ordered.strategy == chosen
        anyhow = "" if is_enough else ", where a client's answers may come in any order"
        write = f"Write {chosen}, {simplest} ({cost}){anyhow}."
        return chosen, [held, write, ordered.sentence, *self._for_whom(chosen)]

    @cached_property
    def invalid(self) -> int:
        """How many runs must not be used."""
        return sum(not run.is_valid for run in self.result.runs)

    def _in_order(self, name: str | None) -> InOrder:
        """What to write instead of `name` where a client's events must stay in order."""
        both = [weighing for weighing in (self, self.greedy) if weighing is not None]
        candidates = [
            Candidate(
                each,
                base_of(each),
                total(summary.order for one in both for summary in one.result.summaries if summary.strategy == each),
                self.rejected.get(each),
                None if self.greedy is None else self.greedy.rejected.get(each),
            )
            for each in sorted(self.result.strategies, key=rank)
        ]
        return in_order(name, candidates, [each for each in KEEPERS if strategy(each).runs_in(self.mode)])

    def _nothing_holds(self) -> str:
        bound = f"Nothing holds {self.bound_ms:g} ms in mode {self.mode}"
        cores = self.diagnosis.cores
        if self.offered > cores:
            return f"{bound}: offered {self.offered:.1f} cores of work, the machine has {cores}."
        if self.at_once_s / cores > self.bound_ms / 1000:
            return (
                f"{bound}: {_seconds(self.at_once_s)} of CPU at once takes {_cores(cores)} at least "
                f"{_seconds(self.at_once_s / cores)}."
            )
        reasons = "; ".join(f"{name}: {why}" for name, why in self.rejected.items())
        return f"{bound} ({reasons})."

    def _least_harm(self) -> list[str]:
        """Who cannot help the callers may still spare everybody else."""
        if not self._sparing:
            return [self._in_order(None).sentence, *self._for_whom(None)]
        best = min(self._sparing, key=lambda s: rank(s.strategy))
        tail = _tail(best.bystander)
        spares = f"If callers can wait: {best.strategy} is the simplest that spares the neighbours ({tail})."
        ordered = self._in_order(best.strategy).sentence
        return [spares, ordered, *self._for_whom(best.strategy), _code(best.strategy)]

    @property
    def _sparing(self) -> list[Summary]:
        """Those under which nobody waits long who sent nothing."""
        return [s for s in self.result.summaries if self._spares(s)]

    def _spares(self, summary: Summary) -> bool:
        pings = summary.bystander
        return self._broken(summary) is None and len(pings) > 0 and pings.tail[1] <= self.bound_ms

    def _for_whom(self, name: str | None) -> list[str]:
        """What is otherwise for one greedy client, or for many: a serial server handles a client's events in turn."""
        serial = [s.strategy for s in self.result.summaries if self.result.of(s.strategy)[0].conditions.is_serial]
        if self.result.runs[0].plan.connections > 1:
            if self.greedy is not None:
                return self.greedy.beside(self, name)
            if not serial:
                return []
            return [
                f"One greedy client was not measured: {_listed(serial)} would handle its events in turn "
                "(--connections 1)."
            ]
        if name not in serial:
            return []
        return [
            f"That is so for one client that sends everything: {name} handles the events of each client in turn, but "
            "those of different clients at the same time. Measure a room full of people with --connections 10."
        ]

    def beside(self, many: "_Weighing", name: str | None) -> list[str]:
        """These runs are of one greedy client: what is otherwise than with many, for which `name` was chosen."""
        room = many.result.runs[0].plan.senders
        holding = [n for n in self.holding if n in many.rejected]
        harmed = {s.strategy for s in many.result.summaries if not many._spares(s)}
        sparing = [s.strategy for s in self._sparing if s.strategy in harmed]
        said = []
        if name in self.result.strategies and (why := self._worse(name, many)):
            said.append(f"For one greedy client {name} is no answer: {why}.")
        if holding:
            best = min(holding, key=rank)
            said.append(f"For one greedy client {best} holds as well; for {room} it does not: {many.rejected[best]}.")
        elif sparing:
            best = min(sparing, key=rank)
            one, other = (_tail(w.result[best].bystander) for w in (self, many))
            said.append(
                f"For one greedy client {best} spares the neighbours as well ({one}); for {room} it does not ({other})."
            )
        if said or many._in_order(name).sentence:  # the sentence is of these runs: what they say is not nothing
            return said
        measured = _listed(self.result.strategies)
        return [f"For one greedy client nothing else follows, by the runs of {measured}."]

    def _worse(self, name: str, many: "_Weighing") -> str | None:
        """Why what serves many clients does not serve a greedy one; None where it does."""
        if name in many.holding:
            return self.rejected.get(name)
        summary = self.result[name]
        return None if self._spares(summary) else self._broken(summary) or f"neighbours {_tail(summary.bystander)}"

    def _why_not(self, summary: Summary) -> str | None:
        if (broken := self._broken(summary)) is not None:
            return broken
        late = [
            f"{who} {_tail(values)}"
            for who, values in (
                ("callers", summary.own),
                ("neighbours", summary.bystander),
                *(("the last member", last) for last in summary.heard_by_all),
            )
            if len(values) and not values.tail[1] <= self.bound_ms
        ]
        return ", ".join(late) or None

    def _broken(self, summary: Summary) -> str | None:
        """What disqualifies, however fast it is."""
        if summary.strays or base_of(summary.strategy) == "thread-broadcast":
            return _TO_STRANGERS
        fine = ("answered", "shed", "superseded")  # the latter two count as never answered, in the tail
        bad = {name: count for name, count in summary.outcomes.items() if count and name not in fine}
        return ", ".join(f"{count} of {summary.events} {name}" for name, count in bad.items()) or None

    def _doubt(self, chosen: str, simpler: str) -> str | None:
        """A sentence where the runs cannot tell the chosen one from a simpler one that failed by its tail."""
        if self._broken(self.result[simpler]) is not None:
            return None
        for which in ("own", "bystander"):
            values: Distribution = getattr(self.result[simpler], which)
            if len(values) and not values.tail[1] <= self.bound_ms:
                mine, other = (_tails(self.result.of(name), which) for name in (chosen, simpler))
                if told_apart(mine, other):
                    return None  # worse in one respect is enough
        fewest = min(len(self.result.of(name)) for name in (chosen, simpler))
        more = f"; repeat it {stats.ENOUGH} times or more" if fewest < stats.ENOUGH else "; repeat it more often"
        return (
            f"{chosen} holds and the simpler {simpler} does not ({self.rejected[simpler]}), but the runs cannot tell "
            f"the two apart{more}."
        )


def told_apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the first is lower than the second, by one figure of each run.

    By the exact test of :mod:`labkit.runs.difference` where there are runs enough for it, else only if their ranges
    are apart.
    """
    if min(len(first), len(second)) < stats.ENOUGH:
        return max(first) < min(second)
    difference = stats.compare(first, second)
    return difference.is_distinguishable and difference.superiority > 0.5


def _tails(runs: Sequence[Run], which: str) -> list[float]:
    return [max(Distribution.of(getattr(run, f"{which}_ms")).tail[1], 1e-6) for run in runs]


def _tail(values: Distribution) -> str:
    name, tail_ms = values.tail
    return "not all answered" if math.isinf(tail_ms) else f"{about(tail_ms)} ({name})"


def _code(name: str) -> str:
    return f"Its code: labkit show {base_of(name)}." if base_of(name) in NAMES else ""


def _seconds(value_s: float) -> str:
    return f"{value_s:.1f} s" if value_s >= 1 else f"{value_s * 1000:.0f} ms"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
