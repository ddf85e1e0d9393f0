"""The command ``labkit report``: what ``labkit run`` has seen, again."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Show what labkit run has seen, again.

    FOLDER is one that labkit run has written, such as labkit-results/2026-11-29_09-30-00, or a process's in it.

    Exit code: 0 shown, 1 it holds no record, 2 wrong usage.
    """
    from rich.console import Console

    from labkit.inside import run_folder
    from labkit.ui.inside_tables import show

    show(run_folder.read(folder), Console())
