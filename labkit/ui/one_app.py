"""An app under several servers and interpreters, in the terminal and as JSON."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from labkit.runs import table as tables
from labkit.runs.one_app import AcrossServers
from labkit.ui import fired, terminal
from labkit.ui.grid import grid

if TYPE_CHECKING:
    from labkit.experiments.one_app import Servers


def scope(asked: "Servers") -> Iterator[str]:
    """What is about to happen, a line each."""
    aim = asked.aim("http://127.0.0.1:1")
    interpreters = ", ".join(each.name for each in asked.interpreters)
    yield f"{asked.app} as it is, under {', '.join(asked.modes)}; {interpreters}."
    runs = asked.rounds * (len(asked.names) - len(asked.failed))
    yield f"{aim.plan.name}; {fired.asked(aim.exchange.to_dict())}; {runs} runs in random order."


def final(found: AcrossServers, width: int) -> RenderableType:
    """The table of what was measured, the one of what served, and what follows."""
    result = found.result
    cells = tables.of_summaries(result.summaries, result.notes)
    cells = dataclasses.replace(cells, headers=("server", *cells.headers[1:]))
    legend, *doubts = cells.notes
    notes = [Text(note, style="bold red" if "INVALID" in note else "yellow") for note in doubts]
    told = found.table()
    served = grid(told.headers, right=(), wrap=False)
    for row in told.rows:
        served.add_row(*row)
    first = result.runs[0]
    known = Text(
        f"Bystander: {fired.bystander(first.conditions.bystander, has_gil=found.may_have_gil)}.\n"
        f"Not known from outside: {', '.join(fired.NOT_KNOWN)}.",
        style="dim",
    )
    return Group(
        terminal.fitted(cells, result.summaries, width),
        Text(legend, style="dim"),
        "",
        served,
        "",
        known,
        *notes,
        *(Text(sentence, style="bold red" if sentence in found.broken else "") for sentence in found.sentences),
    )


def more(found: AcrossServers) -> dict[str, Any]:
    """What the object of ``--json`` has beside that of a comparison."""
    first = found.result.runs[0]
    return {
        **found.to_dict(),
        "mode": ", ".join(found.result.modes),
        "exchange": dict(first.conditions.exchange),
        "bystander": first.conditions.bystander,
        "not_known": list(fired.NOT_KNOWN),
        "contrasts": [],
    }
