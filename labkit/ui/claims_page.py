"""A claims table as one page that needs nothing else: every line, its claims with condition and margin, its sources."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.claims.table import ClaimsTable
from labkit.runs import environment

TEMPLATE = Path(__file__).with_name("claims.html.j2")


def html(table: ClaimsTable) -> str:
    """The page; every text in it is escaped."""
    from jinja2 import Environment, StrictUndefined

    from labkit.plots import claims as figures
    from labkit.plots import style

    about = table.to_dict()
    maker = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return maker.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        table=about,
        claims={each["slug"]: each for each in about["claims"]},
        published=table.published,
        picture=style.embedded(figures.advice_lines(table), "The lines in one picture; the table below has the words."),
        machine=environment.one_line(),
        measured=_measured,
        kept=_kept,
    )


def _measured(claim: Mapping[str, Any]) -> str:
    if claim["headroom"] is None:
        return "exact count" if claim["exact"] else "-"
    return f"{claim['headroom']:.2f} times its bound"


def _kept(recorded: Mapping[str, Any] | None) -> str:
    if recorded is None:
        return "-"
    least = recorded["smallest_headroom"]
    smallest = "" if least is None else f", smallest {least:.2f}"
    return f"{recorded['held']} of {recorded['judged']}{smallest}"
