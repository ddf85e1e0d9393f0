"""The command ``labkit browser``: what there is to measure a page with, and how to get what is missing."""

import importlib.util
import sys
from pathlib import Path

import click

from labkit.base import errors
from labkit.ui.commands.session import INVALID, MEASURED


@click.command()
@click.option("--install", is_flag=True, help="Fetch the page's JavaScript parts with npm; needs no root.")
@click.option("--carry", type=click.Path(path_type=Path), metavar="FOLDER", help="Copy those parts into a folder.")
@click.option("--from", "source", type=click.Path(path_type=Path), metavar="FOLDER", help="Install from such a folder.")
def browser(install: bool, carry: Path | None, source: Path | None) -> None:
    """Say which browsers and parts there are to measure a page with, and how to get what is missing.

    Exit code: 0 everything for labkit render is there, 1 something is missing.
    """
    from labkit.browser.driver import chromium
    from labkit.browser.page import javascript

    complete = True

    def line(what: str, found: str) -> None:
        click.echo(f"{what:17} {found}")

    if source is not None:
        javascript.install_from(source)
    elif install:
        javascript.install()
    if carry is not None:
        line("carried to", str(javascript.carry(carry)))
    found = chromium.browsers()
    for each in found:
        line("browser", str(each))
    if not found:
        line("browser", f"none: {chromium.HOW}")
    if not any(each.is_shell for each in found):
        line("for exact counts", f"none: headless shell is missing; {chromium.HOW}")
    try:
        line("JavaScript parts", str(javascript.find().folder))
    except errors.MissingExtra as error:
        complete = False
        line("JavaScript parts", f"none: {error}")
    driven = importlib.util.find_spec("playwright") is not None
    line("Playwright", "installed" if driven else "none: pip install 'labkit[browser]'")
    sys.exit(MEASURED if complete and found and driven else INVALID)
