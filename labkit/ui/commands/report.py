"""The command ``labkit report``: what was seen inside an app, or measured from outside, as one page."""

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The page.  [default: FOLDER/report.html]")
@click.option("--text", is_flag=True, help="Print the tables that were shown then, and write nothing.")
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path, out: Path | None, text: bool) -> None:
    """Make one page of what labkit run has seen, or labkit fire and labkit compare have measured.

    \b
    labkit report labkit-results/2026-11-29_09-30-00
    labkit report --out friday.html labkit-results/2026-11-29_09-30-00
    labkit report --text labkit-results/2026-11-29_09-30-00

    FOLDER is one that labkit run has written, or a process's in it. The page is one file and needs no network: who made
    whom wait, a timeline of events, how long each took, connections, exceptions. Beside it is a trace for
    ui.perfetto.dev. Of a folder that labkit fire or labkit compare has written it shows the verdict, the table, the
    figures, the books and every reason for doubt.

    Exit code: 0 written or shown, 1 it holds no record, 2 wrong usage.
    """
    from rich.console import Console
    from rich.text import Text

    from labkit.inside import run_folder
    from labkit.runs.diff import side
    from labkit.ui import inside_tables, report_page, runs_page

    console = Console()
    if runs_page.holds_runs(folder):
        if text:
            console.print(repr(side(folder)), highlight=False, markup=False)
        else:
            console.print(Text(f"The page is {runs_page.write(folder, out)}"), soft_wrap=True)
        return
    ran = run_folder.read(folder)
    looked = inside_tables.last(ran)
    if text:
        inside_tables.show(ran, console, looked)
        return
    console.print(Text(f"The page is {report_page.write(ran, folder, out, looked)}"), soft_wrap=True)
