"""One app under several servers and interpreters: what served, what could not, and what may be said of them.

Sentences are of the runs' medians (:mod:`labkit.runs.difference`), all of them judged together: of several tests one
finds a difference by chance. A server that lost events, or whose runs are invalid, is never said to be ahead.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any

from labkit.base.errors import MissingExtra
from labkit.runs import difference
from labkit.runs.comparison import Comparison
from labkit.runs.conditions import HEARTBEAT
from labkit.runs.difference import ALPHA, Difference
from labkit.runs.run import Run
from labkit.runs.summary import Distribution
from labkit.runs.table import Table

#: Of :meth:`AcrossServers.table`.
HEADERS = ("server", "Python", "GIL", "async_mode", "serves", "Flask-\nSocketIO", "python-\nsocketio")

#: What serves in a mode: its distribution.
_SERVES = {
    "threading": "werkzeug",
    "gunicorn": "gunicorn",
    "gevent": "gevent",
    "gevent-unpatched": "gevent",
    "asgi": "uvicorn",
}


@dataclass(frozen=True, eq=False)
class AcrossServers:
    """An app at several servers; shows itself as its tables and what follows from them.

    Attributes:
        result: the runs; each server is a strategy of it.
        failed: of each server that was left out why: before the first run, or while it was measured.
    """

    result: Comparison
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether every server served to the end, lost nothing, and its runs may be used."""
        lost = any(one.lost or one.unaccounted for one in self.result.summaries)
        return not self.failed and not lost and self.result.is_valid

    def table(self) -> Table:
        """What served: a row for each server."""
        rows = tuple(self._row(name, self.result.of(name)[0]) for name in self.result.strategies)
        return Table(HEADERS, rows, tuple(range(len(HEADERS))))

    def _row(self, name: str, run: Run) -> tuple[str, ...]:
        told = run.conditions.interpreter
        versions, distribution = told.get("versions", {}), _SERVES.get(run.mode, "")
        serves = [distribution, versions.get(distribution, "")]
        serves += [f"({many} threads)" for name, many in run.conditions.tuned.items() if "threads" in name]
        return (
            name,
            python(told),
            "not known" if told.get("gil") is None else "yes" if told["gil"] else "no",
            str(told.get("async_mode", "")),
            " ".join(filter(None, serves)),
            versions.get("flask-socketio", "-"),
            versions.get("python-socketio", "-"),
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What follows, a sentence each: what broke, who was soonest, what is known of the GIL, for what it holds."""
        return (*self.broken, *self.soonest, *self.of_the_gil, *self._scope())

    @property
    def broken(self) -> tuple[str, ...]:
        """What was left out, and what was lost, a sentence each."""
        out = [f"{name} was left out: {reason}" for name, reason in self.failed.items()]
        lost = [
            f"{one.strategy} lost {one.lost} of {one.events:,} events." for one in self.result.summaries if one.lost
        ]
        return (*out, *lost)

    @property
    def of_the_gil(self) -> tuple[str, ...]:
        """What each interpreter says of its GIL, once each."""
        said: dict[str, dict[str, None]] = {}
        for name in self.result.strategies:
            for run in self.result.of(name):
                said.setdefault(_gil(run.conditions.interpreter), {})[python(run.conditions.interpreter)] = None
        return tuple(sentence.format(_listed(list(names))) for sentence, names in said.items())

    @property
    def may_have_gil(self) -> bool:
        """Whether an interpreter has a GIL, or nobody knows."""
        return any(run.conditions.interpreter.get("gil") is not False for run in self.result.runs)

    @cached_property
    def ranked(self) -> Comparison:
        """What servers are ranked by: those that served to the end and lost nothing, in rounds without an invalid run.

        A round is left out whole, so that no server is spared its bad minutes alone.
        """
        sides = [self.result.of(name) for name in self._able]
        rounds = [each for each in zip(*sides, strict=False) if all(run.is_valid for run in each)]
        return replace(self.result, runs=tuple(run for each in rounds for run in each))

    @property
    def _able(self) -> list[str]:
        able = [one.strategy for one in self.result.summaries if not (one.lost or one.unaccounted)]
        return [name for name in able if name not in self.failed]

    @cached_property
    def differences(self) -> Mapping[str, tuple[tuple[Difference, bool], ...]]:
        """By measure: how the best server compares with each other, and whether that can be told of all together."""
        found = {by: tuple(self._against_best(by)) for by in ("own", "bystander")}
        each = [one for of_measure in found.values() for one in of_measure]
        adjusted = iter(difference.adjusted([1.0 if math.isnan(one.p_value) else one.p_value for one in each]))
        return {
            by: tuple((one, next(adjusted) < ALPHA and not one.is_told_as_none) for one in ones)
            for by, ones in found.items()
        }

    def _against_best(self, by: str) -> Iterator[Difference]:
        known = [name for name in self.ranked.order(by) if self._is_known(name, by)]
        for other in known[1:]:
            yield self.ranked.versus(known[0], other, by)

    def _is_known(self, name: str, by: str) -> bool:
        return all(len(Distribution.of(getattr(run, f"{by}_ms"))) for run in self.ranked.of(name))

    @property
    def soonest(self) -> tuple[str, ...]:
        """Whose answers come soonest, of callers and of a bystander; why it cannot be told where SciPy is absent."""
        try:
            return tuple(self._soonest())
        except MissingExtra as missing:
            return (str(missing),)

    def _soonest(self) -> Iterator[str]:
        if len(self.result.strategies) < 2:
            return
        if left_out := [name for name in self.result.strategies if name not in self._able]:
            yield f"Not ranked, since it ended or events were lost: {_listed(left_out)}."
        if len(self._able) < 2:
            return
        rounds = min(len(self.result.of(name)) for name in self._able)
        usable = len(self.ranked.runs) // len(self._able)
        if usable < rounds / 2:
            yield f"Who is soonest is not said: in {rounds - usable} of {rounds} rounds a run is INVALID."
            return
        bystander = self.result.runs[0].conditions.bystander
        for by, found in self.differences.items():
            who = "Own answers" if by == "own" else "Ping frames" if bystander == HEARTBEAT else "A bystander's answers"
            if found:
                yield _told(who, found, 2 * len(self.differences["own"]))

    def _scope(self) -> Iterator[str]:
        if self.result.runs:
            first = self.result.runs[0]
            yield f"All of that is of {first.work!r} of {first.strategy}, {first.plan.name}, on this machine."

    def __repr__(self) -> str:
        return "\n\n".join((repr(self.result), self.table().text(), "\n".join(self.sentences)))

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences)
        return f"{self.result._repr_html_()}{self.table().html()}{said}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON, beside what is told of the comparison."""
        servers = [{"name": name, **self.result.of(name)[0].conditions.interpreter} for name in self.result.strategies]
        return {"servers": servers, "left_out": dict(self.failed), "sentences": list(self.sentences)}


def python(told: Mapping[str, Any]) -> str:
    """Which interpreter: ``3.13.0``, ``3.13.0 free-threaded``, ``PyPy 7.3.17 (3.10.14)``."""
    version = str(told.get("python", "not known"))
    if "pypy" in told:
        return f"PyPy {told['pypy']} ({version})"
    named = version if told.get("implementation", "CPython") == "CPython" else f"{told['implementation']} {version}"
    return f"{named} free-threaded" if told.get("free_threaded") else named


def _gil(told: Mapping[str, Any]) -> str:
    """What an interpreter says of its GIL, with a place for its name."""
    if told.get("gil") is None:
        return "Python {}: whether it has a GIL is not known, so nothing is said of that."
    if not told["gil"]:
        return "Python {}: without a GIL, so threads that compute did so at once, as far as there are cores."
    if told.get("free_threaded"):
        return (
            "Python {}: its GIL was on, although the build can do without: something imported does not support "
            "that, or PYTHON_GIL=1 asks for it. One thread at a time ran Python code."
        )
    return "Python {}: with a GIL, so one thread at a time ran Python code."


def _told(who: str, found: Sequence[tuple[Difference, bool]], tests: int) -> str:
    """Who is soonest, as far as it can be told."""
    best, fewest = found[0][0].first, min(min(one.runs) for one, _ in found)
    enough = difference.enough_for(tests)
    behind = [one for one, is_clear in found if is_clear]
    alike = [one.second for one, is_clear in found if not is_clear]
    if not behind and fewest < enough:
        return f"{who}: too few runs to tell servers apart, {fewest} of each; {enough} of each can."
    if not behind:
        return f"{who}: nobody can tell {_listed([best, *alike])} apart at p50, {fewest} runs each."
    ahead = f"come soonest under {best}"
    if alike:
        ahead = f"come as soon under {_listed([best, *alike])}, as far as shows"
    far = ", ".join(f"{_factor(one)} sooner than under {one.second}" for one in behind)
    under = "" if not alike else f"{best} "
    return f"{who} {ahead}: {under}{far}, at p50 of {fewest} runs each."


def _factor(one: Difference) -> str:
    if math.isnan(one.factor):
        return "clearly"
    digits = 1 if one.factor >= 1.1 else 2
    return f"{one.factor:.{digits}f}x ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
