"""A claims table in the terminal: its lines, its claims, and how often each held."""

from rich.table import Table
from rich.text import Text

from labkit.claims.published import Recorded
from labkit.claims.table import ClaimsTable, readings
from labkit.ui.grid import grid

_COLOURS = {"HOLDS": "green", "DEPENDS": "yellow", "DOES NOT HOLD HERE": "red", "NOT TESTABLE HERE": "dim"}


def lines_table(table: ClaimsTable) -> Table:
    """One row per line: what the advice says, whom it is about, the verdict here and the recorded one, and why."""
    shown = grid(("line", "the advice says", "reading", "here", "recorded", "why"))
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


def claims_table(table: ClaimsTable) -> Table:
    """One row per claim: its reading, the verdict, and the measured value over its bound."""
    shown = grid(("claim", "reading", "here", "measured", "recorded"))
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


def repeats_table(found: Recorded) -> Table:
    """One row per claim: in how many runs it held, and its smallest headroom."""
    shown = grid(("claim", "held", "smallest headroom"))
    for slug, each in found.claims.items():
        least = "exact count or none" if each.smallest_headroom is None else f"{each.smallest_headroom:.2f}"
        shown.add_row(slug, f"{each.held} of {each.judged}", least)
    for number, line in found.lines.items():
        shown.add_row(
            f"line {number}", f"{line.reproduced} of {found.runs}", line.status or "not the same in every run"
        )
    return shown


def _coloured(status: str) -> Text:
    return Text(status, style=_COLOURS.get(status, ""))
