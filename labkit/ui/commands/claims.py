"""The command ``labkit claims``: the advice, line by line, measured here and beside what was recorded."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import interrupts
from labkit.base.errors import UsageError
from labkit.ui.commands import session
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from rich.live import Live

    from labkit.claims import ClaimsTable, Recorded
    from labkit.claims.steps import Step

#: Below this, a claim may well fail on another machine or in a worse minute.
ENOUGH_HEADROOM = 1.5


@click.command()
@click.option("--only", metavar="N,N,...", help="These lines of the advice, by number.  [default: all 14]")
@click.option("--no-browser", is_flag=True, help="Leave the page out; its claims are then not testable.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of the whole set.")
@click.option("--record", is_flag=True, help="Write what these runs agreed on into the package, as the recorded file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order; then one higher.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for claims.html and claims.json.")
def claims(only: str | None, no_browser: bool, out: Path | None, **asked: Any) -> None:
    """Put every line of the advice to the test on this machine, in about four minutes.

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
    request = Request(lines=_numbers(only), browser=not no_browser, out=out, **asked)
    if request.record and (request.lines is not None or no_browser):
        raise UsageError("--record is for the whole set: leave --only and --no-browser out")
    with contextlib.nullcontext() if out is None else session.results(out, "claims.*", "an earlier claims table"):
        _Claims(request).run()


def _numbers(only: str | None) -> list[int] | None:
    from labkit.claims.advice import LINES

    if only is None:
        return None
    try:
        numbers = sorted({int(part) for part in only.split(",")})
    except ValueError as error:
        raise UsageError(f"--only takes numbers, such as 2,5, not {only!r}") from error
    if unknown := [n for n in numbers if not 1 <= n <= len(LINES)]:
        raise UsageError(f"there is no line {unknown[0]}: the advice has 1 to {len(LINES)}")
    return numbers


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        lines: of the advice, by number; None for all.
        browser: measure the page, too.
        repeats: runs of the whole set.
        record: write what they agreed on into the package.
        seed: of the first run's order; each further run has the next one.
        out: a folder for the page and its JSON.
    """

    lines: list[int] | None
    browser: bool
    repeats: int
    record: bool
    seed: int
    out: Path | None


class _Claims(Session):
    """One ``labkit claims``: measure the set, show, keep; several times, if asked."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
        self.runs: list[ClaimsTable] = []
        self.found: dict[str, Any] = {}

    @property
    def kept(self) -> str:
        from labkit.claims import Missing

        judged = self.runs or any(not isinstance(evidence, Missing) for evidence in self.found.values())
        return "; what was judged until then is kept" if judged else ""

    def measure(self) -> None:
        for number in interrupts.each(range(self.request.repeats)):
            self.found = {}
            self._measure(number)
            self.runs.append(self._table())
            self._keep()

    def _measure(self, number: int) -> None:
        from rich.live import Live

        from labkit.claims import steps

        chosen = steps.steps(self.request.lines)
        again = f", run {number + 1} of {self.request.repeats}" if self.request.repeats > 1 else ""
        self.found = {s.name: steps.Missing("Asked for without a browser.") for s in chosen if self._left_out(s)}
        todo = [step for step in chosen if not self._left_out(step)]
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            done = 0

            def announced() -> Iterator[Any]:
                for step in todo:
                    self._tell(live, f"[{done + 1} of {len(todo)}{again}] {step.what}")
                    yield step

            for step, evidence in steps.measured(announced(), self.request.seed + number):
                done += 1
                self.found[step.name] = evidence
                if isinstance(evidence, steps.Missing):
                    self.say(f"{step.name}: {evidence.reason}")

    def _left_out(self, step: "Step") -> bool:
        return bool(step.browser) and not self.request.browser

    def _tell(self, live: "Live", line: str) -> None:
        """Between two steps only: what redraws during one would disturb what it measures."""
        from rich.console import Group
        from rich.text import Text

        from labkit.ui import claims_tables

        if self.console.is_terminal:
            below = Text(f"{line}; Ctrl-C keeps what is judged", style="dim")
            live.update(Group(claims_tables.lines_table(self._table()), below), refresh=True)
        else:
            self.say(line)

    def _table(self) -> "ClaimsTable":
        from labkit.claims import claims_table

        return claims_table(self.found, lines=self.request.lines)

    def _keep(self) -> None:
        if self.request.out is None:
            return
        from labkit.plots import style
        from labkit.ui import claims_page

        style.without_display()
        about = {**self.runs[-1].to_dict(), "repeats": self._summary().to_dict() if len(self.runs) > 1 else None}
        session.write(self.request.out / "claims.json", json.dumps(about, indent=2, allow_nan=False))
        session.write(self.request.out / "claims.html", claims_page.html(self.runs[-1]))

    def _summary(self) -> "Recorded":
        from labkit.claims import published

        seed = f" --seed {self.request.seed}" if self.request.seed else ""
        command = f"labkit claims --repeats {len(self.runs)}{' --record' if self.request.record else ''}{seed}"
        return published.summarised([run.lines for run in self.runs], self.runs[-1].environment, command)

    def finish(self, code: int, early: str = "") -> NoReturn:
        if early:
            self.say(early)
            if not self.runs:
                self.runs.append(self._table())
            self._keep()
        self._show()
        differences = dict.fromkeys(said for run in self.runs for said in run.differences)
        if self.request.record and not early:
            code = self._record()
        else:
            self._say_whether_as_recorded(list(differences))
            code = code or (INVALID if differences else MEASURED)
        if self.request.out is not None:
            self.say(f"Kept:   {self.request.out}")
        sys.exit(code)

    def _show(self) -> None:
        from labkit.ui import claims_tables

        self.console.print(claims_tables.lines_table(self.runs[-1]))
        self.console.print(claims_tables.claims_table(self.runs[-1]))
        if len(self.runs) > 1:
            self.console.print(claims_tables.repeats_table(self._summary()))

    def _say_whether_as_recorded(self, differences: list[str]) -> None:
        if self.runs[-1].published is None:
            self.say("No verdicts are recorded with this version.")
        elif differences:
            self.say("Other than recorded:", *(f"  {said}" for said in differences))
        else:
            self.say("As recorded, as far as it could be tested.")

    def _record(self) -> int:
        summary = self._summary()
        path = summary.save()
        unlike = [f"line {number}" for number, line in summary.lines.items() if line.status is None]
        unlike += [slug for slug, each in summary.claims.items() if each.status is None]
        least = {slug: each.smallest_headroom for slug, each in summary.claims.items()}
        tight = [slug for slug, value in least.items() if value is not None and value < ENOUGH_HEADROOM]
        said = [f"Recorded {session.counted(summary.runs, 'run')}: {path.name} of the package."]
        if unlike:
            said.append(f"Not the same in every run, and so without a verdict: {', '.join(unlike)}.")
        if tight:
            said.append(f"Smallest headroom below {ENOUGH_HEADROOM:g}: {', '.join(tight)}.")
        self.say(*said)
        return INVALID if unlike else MEASURED
