"""The command ``labkit doctor``."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from labkit.ui.commands.session import INVALID, MEASURED

if TYPE_CHECKING:
    from labkit.ui.commands.examine import Finding, Report


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")
def doctor(json_: bool) -> None:
    """Say what is installed, what will be skipped without the rest, and how to get it.

    It looks at Python, at each package and its range, at the browser, the page's JavaScript parts and npm, and at the
    machine: its cores, how much of them is free now, memory, limits.

    Exit code: 0 labkit compare can run, 1 it cannot.
    """
    from labkit.ui.commands.examine import examine

    report = examine()
    if json_:
        click.echo(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    else:
        _show(report)
    sys.exit(MEASURED if report.is_ready else INVALID)


def _show(report: "Report") -> None:
    from labkit.ui.commands.examine import FINE

    _table(("", "what", "found"), [(_mark(each), each.name, each.found or "nothing") for each in _brief(report)])
    wrong = [each for each in report.findings if each.state != FINE]
    if wrong:
        click.echo("\nWhat that means, and what to do:")
        for without, how, names in _alike(wrong):
            click.echo(f"  {', '.join(names)}\n    skipped or in doubt: {without}\n    to mend it: {how}")
    click.echo(f"\nlabkit compare can{'' if report.is_ready else 'not'} run here.")


def _mark(each: "Finding") -> str:
    return {"fine": "ok", "doubtful": "?", "missing": "-"}[each.state]


def _brief(report: "Report") -> Iterable["Finding"]:
    """Packages of one extra that are fine, or missing, share a line; everything else has a line of its own."""
    from labkit.ui.commands.examine import DOUBTFUL, FINE, Finding

    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in report.findings:
        alone = each.state == DOUBTFUL or not each.topic.startswith("packages")
        groups.setdefault((each.topic, each.name if alone else each.state), []).append(each)
    for group in groups.values():
        first = group[0]
        if first.state == DOUBTFUL or not first.topic.startswith("packages"):
            yield first
        elif first.state == FINE:
            yield Finding(first.topic, first.topic, ", ".join(f"{one.name} {one.found}" for one in group))
        else:
            missing = ", ".join(one.name for one in group)
            yield Finding(first.topic, first.topic, f"missing: {missing}", first.state)


def _alike(wrong: Iterable["Finding"]) -> list[tuple[str, str, list[str]]]:
    """Findings with the same consequence and the same remedy are told once."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in wrong:
        found.setdefault((each.without, each.how), []).append(each.name)
    return [(without, how, names) for (without, how), names in found.items()]


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    try:
        from rich.console import Console

        from labkit.ui.grid import grid
    except ImportError:  # it is among what is missing
        for row in rows:
            click.echo("  ".join(row))
        return
    table = grid(headers)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
