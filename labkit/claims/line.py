"""What a line of the advice is, and how verdicts on claims become one on the line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from labkit.base.text import Plain
from labkit.claims.claim import DEPENDS, DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Verdict

#: How a claim bears on a line, where it holds: it speaks for the line, or against it; it tells a side effect that
#: decides nothing; or it says whether the measure itself is right, without which nothing is decided.
FOR, AGAINST, BESIDE, CONTROL = "for", "against", "beside", "control"

_INCOMPLETE = "The rest could not be tested here."


@dataclass(frozen=True)
class Source:
    """What the library's documentation, its maintainer or its users say.

    Attributes:
        says: a sentence, in our words.
        where: an issue, a page, or a docstring and the version in which it was read.
    """

    says: str
    where: str

    @property
    def url(self) -> str:
        """The address, where there is one; empty for a docstring."""
        return self.where if self.where.startswith("https://") else ""


@dataclass(frozen=True)
class Bearing:
    """One claim, and what it means for a line.

    Attributes:
        slug: the claim's.
        side: FOR, AGAINST, BESIDE or CONTROL. A claim has one bound on one side of what theory says, so where it does
            not hold, it counts for the other side.
        when: for whom, or of what, and under which condition: a noun phrase that continues "True for ...".
        mode: in which the claim is judged, as of ``--mode``; for the page, of the server behind it.
    """

    slug: str
    side: str
    when: str
    mode: str = "threading"

    def supports(self, verdict: Verdict) -> bool | None:
        """Whether a verdict on a deciding claim speaks for the line; None where the claim was not testable.

        ============  =====  =======
        the claim     FOR    AGAINST
        ============  =====  =======
        holds         True   False
        does not      False  True
        ============  =====  =======
        """
        if verdict.status == NOT_TESTABLE:
            return None
        return verdict.status == HOLDS if self.side == FOR else verdict.status != HOLDS


@dataclass(frozen=True)
class Line:
    """One numbered line of the advice.

    Attributes:
        number: as in README and in the notebooks.
        quote: what the page says, in our words.
        proposition: what is tested; where the line is no proposition, how it became one.
        measured: how.
        says: what docs, maintainer and users say of it.
        bearings: the claims that decide it.
    """

    number: int
    quote: str
    proposition: str
    measured: str
    says: tuple[Source, ...]
    bearings: tuple[Bearing, ...]

    @property
    def slugs(self) -> tuple[str, ...]:
        """Of all its claims, once each."""
        return tuple(dict.fromkeys(bearing.slug for bearing in self.bearings))


@dataclass(frozen=True)
class LineVerdict:
    """A line, judged.

    Attributes:
        line: which.
        status: HOLDS, DEPENDS, DOES NOT HOLD HERE or NOT TESTABLE HERE.
        why: for whom it is so and for whom not, in a sentence without numbers of a measurement.
        verdicts: on its claims, by slug.
        complete: whether every claim that decides it could be judged.
        so: the cases in which it is so, in words; a case counts once.
        not_so: those in which it is not.
    """

    line: Line
    status: str
    why: str
    verdicts: Mapping[str, Verdict]
    complete: bool
    so: tuple[str, ...] = ()
    not_so: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = [f"{self.status}: {self.line.quote}"]
        for said, cases in self._cases:
            parts += [f"  {said}:", *(f"  - {case}" for case in cases)]
        return "\n".join([*parts, *(f"  {note}" for note in self._notes)])

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.status)}:</b> {escape(self.line.quote)}</p>{self.cases_html()}"

    def cases_html(self) -> str:
        """For whom it is true and for whom not, as two lists."""
        lists = [
            f"<p>{said}:</p><ul>{''.join(f'<li>{escape(case)}</li>' for case in cases)}</ul>"
            for said, cases in self._cases
        ]
        return "".join([*lists, *(f"<p>{escape(note)}</p>" for note in self._notes)])

    @property
    def _cases(self) -> list[tuple[str, tuple[str, ...]]]:
        return _told(self.so, self.not_so)

    @property
    def _notes(self) -> tuple[str, ...]:
        """What is to be said beside the cases: why there are none, or that they are not all."""
        if not self._cases:
            return (self.why,)
        return () if self.complete else (_INCOMPLETE,)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.line.number,
            "quote": self.line.quote,
            "proposition": self.line.proposition,
            "measured": self.line.measured,
            "says": [{"says": source.says, "where": source.where} for source in self.line.says],
            "verdict": self.status,
            "why": self.why,
            "complete": self.complete,
            "claims": [{"slug": b.slug, "side": b.side, "when": b.when, "mode": b.mode} for b in self.line.bearings],
        }


def judge(line: Line, verdicts: Mapping[str, Verdict]) -> LineVerdict:
    """The rule: what speaks for the line, what against it; *depends* where both do.

    A control that fails makes the line untestable: nothing is concluded from a measure that is wrong.
    """
    for bearing in line.bearings:
        verdict = verdicts[bearing.slug]
        if bearing.side == CONTROL and verdict.status == DOES_NOT_HOLD:
            why = f"The measure itself failed. Not so: {verdict.claim.sentence}"
            return LineVerdict(line, NOT_TESTABLE, why, _of(line, verdicts), complete=False)
    deciding = [b for b in line.bearings if b.side in (FOR, AGAINST)]
    said = [(b.when, b.supports(verdicts[b.slug])) for b in deciding]
    so = tuple(dict.fromkeys(when for when, supports in said if supports is True))
    not_so = tuple(dict.fromkeys(when for when, supports in said if supports is False))
    complete = all(supports is not None for _, supports in said)
    if not so and not not_so:
        reasons = dict.fromkeys(verdicts[b.slug].why for b in deciding)
        return LineVerdict(line, NOT_TESTABLE, " ".join(reasons), _of(line, verdicts), complete=False)
    status = DEPENDS if so and not_so else HOLDS if so else DOES_NOT_HOLD
    return LineVerdict(line, status, _why(so, not_so, complete), _of(line, verdicts), complete, so, not_so)


def _of(line: Line, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    return {slug: verdicts[slug] for slug in line.slugs}


def _told(so: Sequence[str], not_so: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(said, tuple(cases)) for said, cases in (("True for", so), ("Not true for", not_so)) if cases]


def _why(so: Sequence[str], not_so: Sequence[str], complete: bool) -> Plain:
    parts = [f"{said}: {'; '.join(cases)}." for said, cases in _told(so, not_so)]
    return Plain(" ".join(parts if complete else [*parts, _INCOMPLETE]))
