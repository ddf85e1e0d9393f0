"""The command ``labkit report``: what ``labkit run`` has seen, as one page, or again as text."""

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="The page.  [default: FOLDER/report.html]")
@click.option("--text", is_flag=True, help="Print the tables that labkit run has shown, and write nothing.")
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path, out: Path | None, text: bool) -> None:
    """Make one page of what labkit run has seen.

    \b
    labkit report labkit-results/2026-11-29_09-30-00
    labkit report --out friday.html labkit-results/2026-11-29_09-30-00
    labkit report --text labkit-results/2026-11-29_09-30-00

    FOLDER is one that labkit run has written, or a process's in it. The page is one file and needs no network: who made
    whom wait, a timeline of events, how long each took, connections, exceptions. Beside it is a trace for
    ui.perfetto.dev.

    Exit code: 0 written or shown, 1 it holds no record, 2 wrong usage.
    """
    from rich.console import Console
    from rich.text import Text

    from labkit.inside import run_folder
    from labkit.ui import inside_tables, report_page

    ran, console = run_folder.read(folder), Console()
    looked = inside_tables.last(ran)
    if text:
        inside_tables.show(ran, console, looked)
        return
    console.print(Text(f"The page is {report_page.write(ran, folder, out, looked)}"), soft_wrap=True)
