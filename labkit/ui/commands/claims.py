"""The command ``labkit claims``: the advice, line by line, measured here and beside what was recorded."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.base import errors

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from labkit.claims import ClaimsTable, Recorded

MEASURED, DIFFERS, INTERRUPTED = 0, 1, 130

#: Below this, a claim may well fail on another machine or in a worse minute.
ENOUGH_HEADROOM = 1.5

_COLOURS = {"HOLDS": "green", "DEPENDS": "yellow", "DOES NOT HOLD HERE": "red", "NOT TESTABLE HERE": "dim"}


@click.command()
@click.option("--only", metavar="N,N,...", help="These lines of the advice, by number.  [default: all 14]")
@click.option("--no-browser", is_flag=True, help="Leave the page out; its claims are then not testable.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of the whole set.")
@click.option("--record", is_flag=True, help="Write what these runs agreed on into the package, as the recorded file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order; then one higher.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for claims.html and claims.json.")
def claims(only: str | None, no_browser: bool, repeats: int, record: bool, seed: int, out: Path | None) -> None:
    """Put every line of the advice to the test on this machine, in about two minutes.

    A line HOLDS, DEPENDS (its claims disagree: by reading or by condition), DOES NOT HOLD or is NOT TESTABLE here.
    Each of its claims is judged by a measured value over a bound from theory; 1 or more holds. Beside it is what was
    recorded with this version of labkit.

    \b
    labkit claims --only 2,5               two lines, and the measurements that they need
    labkit claims --out results            claims.html and claims.json
    labkit claims --repeats 20             how often each claim held, and its smallest headroom

    Exit code: 0 as recorded, 1 a verdict differs from the recorded one (or, with --record, from run to run), 2 wrong
    usage.
    """
    lines = _numbers(only)
    if record and (lines is not None or no_browser):
        raise errors.UsageError("--record is for the whole set: leave --only and --no-browser out")
    if out is not None and out.exists() and not out.is_dir():
        raise errors.UsageError(f"{out} is a file: name a folder")
    _Claims(lines, not no_browser, repeats, record, seed, out).run()


def _numbers(only: str | None) -> list[int] | None:
    from labkit.claims.advice import LINES

    if only is None:
        return None
    try:
        numbers = sorted({int(part) for part in only.split(",")})
    except ValueError as error:
        raise errors.UsageError(f"--only takes numbers, such as 2,5, not {only!r}") from error
    if unknown := [n for n in numbers if not 1 <= n <= len(LINES)]:
        raise errors.UsageError(f"there is no line {unknown[0]}: the advice has 1 to {len(LINES)}")
    return numbers


class _Claims:
    """One ``labkit claims``: measure the set, show, keep; several times, if asked."""

    def __init__(
        self, lines: list[int] | None, browser: bool, repeats: int, record: bool, seed: int, out: Path | None
    ) -> None:
        from rich.console import Console

        self.lines, self.browser, self.repeats, self.record = lines, browser, repeats, record
        self.seed, self.out = seed, out
        self.console = Console()
        self.runs: list[ClaimsTable] = []
        self.found: dict[str, Any] = {}

    def run(self) -> None:
        with self._interruptible():
            for number in range(self.repeats):
                self.found = {}
                self._measure(number)
                self.runs.append(self._table())
                self._keep()
        self._finish(MEASURED)

    def _measure(self, number: int) -> None:
        from rich.live import Live

        from labkit.claims import steps as measuring

        chosen = measuring.steps(self.lines)
        again = f", run {number + 1} of {self.repeats}" if self.repeats > 1 else ""
        self.found = {s.name: measuring.Missing("Asked for without a browser.") for s in chosen if self._left_out(s)}
        todo = [step for step in chosen if not self._left_out(step)]
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            done = 0

            def announced() -> Iterator[Any]:
                for step in todo:
                    self._tell(live, f"[{done + 1} of {len(todo)}{again}] {step.what}")
                    yield step

            for step, evidence in measuring.measured(announced(), self.seed + number):
                done += 1
                self.found[step.name] = evidence
                if isinstance(evidence, measuring.Missing):
                    self.console.print(f"{step.name}: {evidence.reason}", highlight=False, markup=False)

    def _left_out(self, step: Any) -> bool:
        return bool(step.browser) and not self.browser

    def _tell(self, live: "Live", line: str) -> None:
        """Between two steps only: what redraws during one would disturb what it measures."""
        from rich.console import Group
        from rich.text import Text

        if self.console.is_terminal:
            below = Text(f"{line}; Ctrl-C keeps what is judged", style="dim")
            live.update(Group(lines_table(self._table()), below), refresh=True)
        else:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self) -> "ClaimsTable":
        from labkit.claims import claims_table

        return claims_table(self.found, lines=self.lines)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C and failures: show and keep what was judged until then."""
        try:
            yield
        except KeyboardInterrupt:
            if not self.runs and not any(self._was_measured(evidence) for evidence in self.found.values()):
                raise
            if not self.runs:
                self.runs.append(self._table())
            self.console.print("Interrupted; what was judged until then is kept.", highlight=False)
            self._keep()
            self.record = False
            self._finish(INTERRUPTED)

    def _was_measured(self, evidence: Any) -> bool:
        from labkit.claims import Missing

        return not isinstance(evidence, Missing)

    def _keep(self) -> None:
        if self.out is None:
            return
        import matplotlib as mpl

        mpl.use("Agg")
        from labkit.base.files import whole
        from labkit.ui import claims_page

        self.out.mkdir(parents=True, exist_ok=True)
        about = {**self.runs[-1].to_dict(), "repeats": self._summary().to_dict() if len(self.runs) > 1 else None}
        for name, text in (
            ("claims.json", json.dumps(about, indent=2, allow_nan=False)),
            ("claims.html", claims_page.html(self.runs[-1])),
        ):
            with whole(self.out / name) as half:
                half.write_text(text, encoding="utf-8")

    def _summary(self) -> "Recorded":
        from labkit.claims import published as recording

        seed = f" --seed {self.seed}" if self.seed else ""
        command = f"labkit claims --repeats {len(self.runs)}{' --record' if self.record else ''}{seed}"
        return recording.summarised([run.lines for run in self.runs], self.runs[-1].environment, command)

    def _finish(self, code: int) -> None:
        last = self.runs[-1]
        self.console.print(lines_table(last))
        self.console.print(claims_rows(last))
        if len(self.runs) > 1:
            self.console.print(repeats_table(self._summary()))
        differences = dict.fromkeys(said for run in self.runs for said in run.differences)
        if self.record:
            code = self._record()
        elif last.published is None:
            self.console.print("No verdicts are recorded with this version.", highlight=False)
        elif differences:
            self.console.print("Other than recorded:", *differences, sep="\n  ", highlight=False, markup=False)
        else:
            self.console.print("As recorded, as far as it could be tested.", highlight=False)
        if self.out is not None:
            self.console.print(f"Kept:   {self.out}", highlight=False, markup=False, soft_wrap=True)
        sys.exit(code or (DIFFERS if differences and not self.record else MEASURED))

    def _record(self) -> int:
        summary = self._summary()
        path = summary.save()
        unlike = [f"line {number}" for number, line in summary.lines.items() if line.status is None]
        unlike += [slug for slug, each in summary.claims.items() if each.status is None]
        least = {slug: each.smallest_headroom for slug, each in summary.claims.items()}
        tight = [slug for slug, value in least.items() if value is not None and value < ENOUGH_HEADROOM]
        said = [f"Recorded {summary.runs} runs: {path.name} of the package."]
        if unlike:
            said.append(f"Not the same in every run, and so without a verdict: {', '.join(unlike)}.")
        if tight:
            said.append(f"Smallest headroom below {ENOUGH_HEADROOM:g}: {', '.join(tight)}.")
        self.console.print(*said, sep="\n", highlight=False, markup=False, soft_wrap=True)
        return DIFFERS if unlike else MEASURED


def lines_table(table: "ClaimsTable") -> "Table":
    """A row a line: what the advice says, whom it is about, the verdict here and the recorded one, and why."""
    from labkit.claims.table import readings

    shown = _grid("line", "the advice says", "reading", "here", "recorded", "why")
    for each in table.lines:
        known = table.recorded_for(each)
        shown.add_row(
            str(each.line.number),
            each.line.quote,
            ", ".join(readings(each)),
            _coloured(each.status),
            _coloured(known),
            each.why,
        )
    return shown


def claims_rows(table: "ClaimsTable") -> "Table":
    """A row a claim: its reading, the verdict, and the measured value over its bound."""
    shown = _grid("claim", "reading", "here", "measured", "recorded")
    for slug, verdict in table.verdicts.items():
        known = None if table.published is None else table.published.claims.get(slug)
        sentence = verdict.claim.sentence if not verdict.why else f"{verdict.claim.sentence} ({verdict.why})"
        shown.add_row(
            f"{slug}: {sentence}",
            verdict.claim.reading,
            _coloured(verdict.status),
            verdict.measured,
            "-" if known is None else f"{known.held} of {known.judged}",
        )
    return shown


def repeats_table(found: "Recorded") -> "Table":
    """A row a claim: in how many runs it held, and its smallest headroom."""
    shown = _grid("claim", "held", "smallest headroom")
    for slug, each in found.claims.items():
        least = "exact count or none" if each.smallest_headroom is None else f"{each.smallest_headroom:.2f}"
        shown.add_row(slug, f"{each.held} of {each.judged}", least)
    for number, line in found.lines.items():
        shown.add_row(
            f"line {number}", f"{line.reproduced} of {found.runs}", line.status or "not the same in every run"
        )
    return shown


def _grid(*headers: str) -> "Table":
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for header in headers:
        shown.add_column(header, overflow="fold")
    return shown


def _coloured(status: str) -> "Text":
    from rich.text import Text

    return Text(status, style=_COLOURS.get(status, ""))
