"""The commands ``labkit render`` and ``labkit browser``."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.base import errors

if TYPE_CHECKING:
    from labkit.browser.bench import Setting
    from labkit.browser.rendering import Rendering

MEASURED, INVALID, INTERRUPTED = 0, 1, 130


@click.command()
@click.option(
    "--rate", type=float, default=200, show_default=True, metavar="HZ", help="Updates per second; 0: at once."
)
@click.option("--events", type=int, default=300, show_default=True, help="Updates in a run.")
@click.option("--rows", type=int, default=200, show_default=True, help="Rows in the page's list before the run.")
@click.option("--throttle", type=float, default=1, show_default=True, help="So many times slower a processor.")
@click.option("--clicks", type=int, default=9, show_default=True, help="Trusted clicks in a run; they change INP.")
@click.option("--patterns", metavar="A,B,...", help="Which, by name, or files.  [default: all of the lab's]")
@click.option("--repeats", type=int, default=3, show_default=True, help="Timed runs of each, in random order.")
@click.option("--browser", metavar="PROGRAM", help="Which browser.  [default: the first of labkit browser]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def render(
    rate: float,
    events: int,
    rows: int,
    throttle: float,
    clicks: int,
    patterns: str | None,
    repeats: int,
    browser: str | None,
    out: Path | None,
    json_: bool,
) -> None:
    """Measure ways of updating a page in a real browser: DOM operations, reflows, paint, INP, staleness.

    \b
    naive            each update is written as it comes
    forced, thrash   as naive, with one or five geometry reads between the writes
    dom-batch        written together, once a frame
    conflate         once a frame, and of each key only the newest value
    server-batch-50  the server collects for 50 ms (any number) and sends one message
    mine.js          a file of yours that exports one function

    Each is counted frame by frame (integers, the same every time), timed without a trace, and explained with one; the
    traces are kept, for labkit trace and for DevTools. Exit code: 0 measured, 1 something is missing or updates were
    lost, 2 wrong usage.
    """
    from labkit.base import clock
    from labkit.browser.bench import Setting
    from labkit.browser.page.patterns import NAMES

    setting = Setting(rate_hz=rate, events=events, rows=rows, throttle=throttle, clicks=clicks)
    names = [name.strip() for name in patterns.split(",")] if patterns else list(NAMES)
    folder = _unused(out or Path("labkit-results") / clock.folder_stamp())
    _Rendering(names, setting, repeats, browser, folder, json_).run()


def _unused(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise errors.UsageError(f"{folder} is a file: name a folder")
    if (folder / "rendering.json").exists():
        raise errors.UsageError(f"{folder} holds an earlier rendering: name another folder")
    return folder


class _Rendering:
    """One ``labkit render``: measure, show, keep."""

    def __init__(
        self, names: list[str], setting: "Setting", repeats: int, browser: str | None, out: Path, json_: bool
    ) -> None:
        from rich.console import Console

        self.names, self.setting, self.repeats, self.browser = names, setting, repeats, browser
        self.out, self.json = out, json_
        # With --json, standard output is the object's alone.
        self.console = Console(stderr=json_)
        self.result: Rendering | None = None

    def run(self) -> None:
        from labkit.base import interrupts
        from labkit.browser import measure

        steps = len(self.names) * (self.repeats + 2)
        done = 0

        def tell(line: str) -> None:
            nonlocal done
            done += 1
            self.console.print(f"[{done} of {steps}] {line}", highlight=False, markup=False, soft_wrap=True)

        with self._interruptible():
            # Whatever can be refused is refused here, before anything is on screen.
            renderings = measure.renderings(
                self.names, self.setting, repeats=self.repeats, browser=self.browser, folder=self.out, progress=tell
            )
            for self.result in interrupts.each(renderings):
                self.result.save(self.out / "rendering.json")
        self._finish("", MEASURED)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C and failures: show what was measured until then, and where it is."""
        try:
            yield
        except KeyboardInterrupt:
            if self.result is None:
                raise
            self._finish("Interrupted; what was measured until then is kept.", INTERRUPTED)
        except errors.LabError as error:
            if self.result is None:
                raise
            self._finish(f"Failed, and what was measured until then is kept: {error}", INVALID)

    def _finish(self, line: str, code: int) -> None:
        result = self.result
        assert result is not None
        result.save(self.out / "rendering.json")  # an interrupt may have stopped the save of the last step
        figure = self._figure(result)
        if line:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self.json:
            click.echo(_as_json(result, figure, self.out))
        else:
            click.echo(repr(result))
            click.echo(f"Figure: {figure}\nKept:   {self.out}")
        sys.exit(code or (MEASURED if result.is_valid else INVALID))

    def _figure(self, result: "Rendering") -> Path:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        from labkit.plots import page

        path = self.out / "rendering.png"
        figure = page.overview(result)
        figure.savefig(path)
        plt.close(figure)
        return path


def _as_json(result: "Rendering", figure: Path, folder: Path) -> str:
    """The table's values by column, and where the rest is; what is unknown is null."""
    about = {
        "schema_version": 1,
        "patterns": [each.to_dict() for each in result.measured],
        "valid": result.is_valid,
        "notes": list(result.notes),
        "environment": dict(result.environment),
        "folder": str(folder),
        "figure": str(figure),
    }
    return json.dumps(about, indent=2, allow_nan=False)


@click.command()
@click.option("--install", is_flag=True, help="Fetch the page's JavaScript parts with npm; needs no root.")
@click.option("--carry", type=click.Path(path_type=Path), metavar="FOLDER", help="Copy those parts into a folder.")
@click.option("--from", "source", type=click.Path(path_type=Path), metavar="FOLDER", help="Install from such a folder.")
def browser(install: bool, carry: Path | None, source: Path | None) -> None:
    """Say which browsers and parts there are to measure a page with, and how to get what is missing.

    Exit code: 0 everything for labkit render is there, 1 something is missing.
    """
    import importlib.util

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
