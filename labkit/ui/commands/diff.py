"""The command ``labkit diff``: two folders of results side by side."""

import json
import sys
from pathlib import Path

import click

from labkit.ui.commands.session import BROKEN, INVALID, MEASURED, UNKNOWN


@click.command()
@click.option("--figure", type=click.Path(path_type=Path), metavar="FILE", help="Draw the factors, such as diff.png.")
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Append the same as Markdown, such as to $GITHUB_STEP_SUMMARY.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
def diff(a: Path, b: Path, figure: Path | None, summary: Path | None, json_: bool) -> None:
    """Hold two results side by side: is B slower than A, and by how much?

    \b
    labkit compare cpu:20ms --strategies inline --repeats 10 --out before
    labkit compare cpu:20ms --strategies inline --repeats 10 --out after
    labkit diff before after

    A and B are folders that labkit compare wrote, or folders of such folders. Each run gives one figure, and an exact
    permutation test compares them: a few runs can tell nothing, and the answer is then "can't tell". What else differs
    between the two (plan, settings, versions, machine, quality) is said first, since it may be why.

    Exit code: 0 B is nowhere slower, 1 B lost events that A did not, or a folder cannot be read, 2 wrong usage, 3 B is
    slower, 4 nobody can tell.
    """
    from rich.console import Console

    from labkit.runs import diff as diffs
    from labkit.runs.diff import Direction
    from labkit.ui import markdown, terminal

    found = diffs.diff(a, b)
    console = Console(stderr=json_)
    if json_:
        click.echo(json.dumps({**found.to_dict(), "first": str(a), "second": str(b)}, indent=2, allow_nan=False))
    else:
        console.print(f"A is {a}, B is {b}.", highlight=False, markup=False, soft_wrap=True)
        console.print(terminal.changes(found))
    if summary is not None:
        markdown.append(summary, markdown.of_diff(f"A is {a}, B is {b}.", found))
    if figure is not None:
        from labkit import plots
        from labkit.plots import style

        drawn = style.save(lambda: plots.diff(found), figure)
        console.print(f"Figure: {drawn}", highlight=False, markup=False, soft_wrap=True)
    told = {Direction.SLOWER: BROKEN, Direction.UNKNOWN: UNKNOWN}
    sys.exit(told.get(found.direction) or (INVALID if found.loses_more else MEASURED))
