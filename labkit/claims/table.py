"""The lines of the advice, judged on what was measured: one table, for a notebook, the terminal and a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from labkit.base.errors import UsageError
from labkit.base.text import Plain
from labkit.claims.advice import ADVICE, LINES
from labkit.claims.claim import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Verdict
from labkit.claims.judging import CLAIMS, claim
from labkit.claims.line import LineVerdict, judge
from labkit.claims.published import Recorded, recorded
from labkit.claims.steps import STEPS, Missing
from labkit.runs import environment
from labkit.runs.table import Table

#: The layout of ``claims.json``.
SCHEMA_VERSION = 1

_HEADERS = ("line", "the advice says", "reading", "verdict", "recorded")

#: Below the table: why is asked of one line at a time, since all at once are a wall of text.
_ASK = "For whom a line is true, and for whom not: table[number] of its number."


@dataclass(frozen=True)
class ClaimsTable:
    """Every line that was asked for, judged; shows itself as a table without a measured number.

    In a notebook each line unfolds, and says for whom it is true and for whom not; so does ``table[number]``.

    Attributes:
        lines: in the order of the advice.
        published: the recorded verdicts; None where there are none.
        environment: machine and versions; JSON.
    """

    lines: tuple[LineVerdict, ...]
    published: Recorded | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, number: int) -> LineVerdict:
        for each in self.lines:
            if each.line.number == number:
                return each
        raise UsageError(f"line {number} is not in this table: {', '.join(str(x.line.number) for x in self.lines)} are")

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """On every claim of these lines, by slug."""
        return {slug: verdict for each in self.lines for slug, verdict in each.verdicts.items()}

    @property
    def differences(self) -> tuple[str, ...]:
        """Where a verdict is another than the recorded one, a sentence each; what could not be tested is left out."""
        return () if self.published is None else self.published.differences(self.lines)

    def recorded_for(self, each: LineVerdict) -> str:
        """The recorded verdict of a line; ``-`` where there is none."""
        known = None if self.published is None else self.published.lines.get(each.line.number)
        return "-" if known is None or known.status is None else known.status

    def headrooms(self) -> Plain:
        """Every claim with its measured value over its bound: numbers of this machine and this minute."""
        rows = [(slug, v.claim.reading, v.claim.who, v.status, v.measured) for slug, v in self.verdicts.items()]
        return Plain(
            Table(("claim", "reading", "who", "verdict", "measured"), tuple(rows), left=tuple(range(5))).text()
        )

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADERS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(self._row_html, self.lines))}</tbody></table>"

    def _row_html(self, each: LineVerdict) -> str:
        number, quote, *rest = map(escape, self._cells(each))
        folded = f"<details><summary>for whom</summary>{each.cases_html()}</details>"
        cells = (number, f"{quote}{folded}", *rest)
        begin = '<td style="text-align: left; vertical-align: top">'
        return f"<tr>{''.join(f'{begin}{cell}</td>' for cell in cells)}</tr>"

    def _cells(self, each: LineVerdict) -> tuple[str, ...]:
        """In the order of the headers."""
        reading = ", ".join(readings(each))
        return (str(each.line.number), each.line.quote, reading, each.status, self.recorded_for(each))

    def _table(self) -> Table:
        rows = tuple(map(self._cells, self.lines))
        left = tuple(range(1, len(_HEADERS)))
        return Table(_HEADERS, rows, left=left, notes=(_ASK,), widths=(None, 56, 13, 14, 14))

    def to_dict(self) -> dict[str, Any]:
        """The documented object of ``claims.json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "advice": ADVICE,
            "environment": dict(self.environment),
            "lines": [{**each.to_dict(), "recorded": self.recorded_for(each)} for each in self.lines],
            "claims": [self._claim(slug, verdict) for slug, verdict in self.verdicts.items()],
            "differences": list(self.differences),
        }

    def _claim(self, slug: str, verdict: Verdict) -> dict[str, Any]:
        known = None if self.published is None else self.published.claims.get(slug)
        c = verdict.claim
        return {
            "slug": slug,
            "sentence": c.sentence,
            "reading": c.reading,
            "who": c.who,
            "senders": verdict.senders or None,
            "condition": c.condition,
            "margin": c.margin,
            "verdict": verdict.status,
            "why": verdict.why,
            "headroom": None if verdict.margin is None else round(verdict.margin, 3),
            "exact": c.exact,
            "recorded": None if known is None else known.to_dict(),
        }


def claims_table(
    measured: Mapping[str, Any], *, lines: Iterable[int] | None = None, published: Recorded | None = None
) -> ClaimsTable:
    """Judge the lines of the advice on what was measured.

    Args:
        measured: by the name of a step of :data:`labkit.claims.STEPS` what it measured, or what was measured in its
            stead: a run, a comparison, a rendering, or ``Missing(reason)``. Steps that are absent leave their claims
            untested.
        lines: their numbers; all where None.
        published: what to compare with; the recorded file of this version where None.

    Raises:
        UsageError: a name is none of a step, or a number none of a line.
    """
    names = [step.name for step in STEPS]
    if unknown := [name for name in measured if name not in names]:
        raise UsageError(f"no step is called {unknown[0]!r}: there are {', '.join(names)}")
    numbers = [line.number for line in LINES] if lines is None else list(lines)
    if missing := sorted(set(numbers) - {line.number for line in LINES}):
        raise UsageError(f"there is no line {missing[0]}: the advice has 1 to {len(LINES)}")
    chosen = [line for line in LINES if line.number in numbers]
    verdicts = {slug: _verdict(slug, measured) for slug in {slug for line in chosen for slug in line.slugs}}
    about = environment.describe()
    browsers = [getattr(found, "environment", {}).get("browser") for found in measured.values()]
    about["browser"] = next((name for name in browsers if name), None)
    return ClaimsTable(tuple(judge(line, verdicts) for line in chosen), published or recorded(), about)


def readings(each: LineVerdict) -> tuple[str, ...]:
    """Whom the claims that decide a line are about: server thread, connection, page."""
    return tuple(dict.fromkeys(CLAIMS[b.slug].reading for b in each.line.bearings if b.side in ("for", "against")))


def _verdict(slug: str, measured: Mapping[str, Any]) -> Verdict:
    """On every step that serves the claim; the worst of what could be judged."""
    found = []
    for step in STEPS:
        if slug in step.slugs:
            evidence = measured.get(step.name, Missing(f"{step.name}: not measured."))
            if isinstance(evidence, Missing):
                found.append(Verdict(CLAIMS[slug], NOT_TESTABLE, why=evidence.reason))
            else:
                found.append(claim(slug, evidence))
    rank = {DOES_NOT_HOLD: 0, HOLDS: 1, NOT_TESTABLE: 2}
    return min(found, key=lambda v: (rank[v.status], v.headroom if v.status != NOT_TESTABLE else 0.0))
