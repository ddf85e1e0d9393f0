"""The command ``labkit render``: ways of updating a page, in a real browser."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.ui.commands import session
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.browser.bench import Setting
    from labkit.browser.rendering import Rendering


@click.command()
@click.option(
    "--rate", type=float, default=200, show_default=True, metavar="HZ", help="Updates per second; 0: at once."
)
@click.option("--events", type=int, default=300, show_default=True, help="Updates in a run.")
@click.option("--rows", type=int, default=200, show_default=True, help="Rows in the page's list before the run.")
@click.option("--throttle", type=float, default=1, show_default=True, help="So many times slower a processor.")
@click.option("--clicks", type=int, default=9, show_default=True, help="Trusted clicks in a run; they change INP.")
@click.option("--network", default="", metavar="DELAY,JITTER,LOSS", help=session.NETWORK)
@click.option("--patterns", metavar="A,B,...", help="Which, by name, or files.  [default: naive to server-batch-200]")
@click.option("--repeats", type=int, default=3, show_default=True, help="Timed runs of each, in random order.")
@click.option("--browser", metavar="PROGRAM", help="Which browser.  [default: the first of labkit browser]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def render(out: Path | None, json_: bool, **asked: Any) -> None:
    """Measure ways of updating a page in a real browser: DOM operations, reflows, paint, INP, staleness.

    \b
    naive             each update is written as it comes
    forced, thrash    as naive, with one or five geometry reads between the writes
    dom-batch         written together, once per frame
    conflate          once per frame, and of each key only the newest value
    server-batch-50   the server collects for 50 ms (any number) and sends one message
    server-batch-200

    \b
    Measured when you name them with --patterns:
    budget            at most 8 ms of updates per frame, and a click goes between
    virtual           only the rows that can be seen are in the page
    canvas            drawn instead of written
    worker            a worker reads the socket; the page gets one message per frame
    mine.js           a file of yours that exports one function

    Each is counted frame by frame (integers, the same every time), timed without a trace, and explained with one. The
    traces are kept, for labkit trace and for DevTools.

    Exit code: 0 measured, 1 something is missing or updates were lost, 2 wrong usage.
    """
    request = Request(**asked)
    setting = request.setting()  # which refuses what makes no sense, before a folder is made
    with session.results(out, "rendering.json", "an earlier rendering") as folder:
        _Rendering(request, setting, folder, json_).run()


@dataclass(frozen=True)
class Request:
    """What was asked for, by the names of the options."""

    rate: float
    events: int
    rows: int
    throttle: float
    clicks: int
    patterns: str | None
    repeats: int
    browser: str | None
    network: str = ""

    def setting(self) -> "Setting":
        """What happens in each run; UsageError where it makes no sense."""
        from labkit.browser.bench import Setting

        return Setting(
            rate_hz=self.rate,
            events=self.events,
            rows=self.rows,
            throttle=self.throttle,
            clicks=self.clicks,
            network=self.network,
        )

    def names(self) -> list[str]:
        """The patterns."""
        from labkit.browser.page.patterns import NAMES

        return [name.strip() for name in self.patterns.split(",")] if self.patterns else list(NAMES)


class _Rendering(Session):
    """One ``labkit render``."""

    def __init__(self, request: Request, setting: "Setting", folder: Path, json_: bool) -> None:
        super().__init__(json_)
        self.request, self.setting, self.folder = request, setting, folder
        self.result: Rendering | None = None

    @property
    def kept(self) -> str:
        return "" if self.result is None else "; what was measured until then is kept"

    def measure(self) -> None:
        from labkit.base import interrupts
        from labkit.browser import measure

        asked = self.request
        names = asked.names()
        steps = len(names) * (asked.repeats + 2)
        done = 0

        def tell(line: str) -> None:
            nonlocal done
            done += 1
            self.say(f"[{done} of {steps}] {line}")

        # Whatever can be refused is refused here, before anything is on screen.
        renderings = measure.renderings(
            names, self.setting, repeats=asked.repeats, browser=asked.browser, folder=self.folder, progress=tell
        )
        for self.result in interrupts.each(renderings):
            self.result.save(self.folder / "rendering.json")

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit.plots import page, style

        result = self.result
        assert result is not None
        result.save(self.folder / "rendering.json")  # an interrupt may have stopped the save of the last step
        figure = style.save(lambda: page.overview(result), self.folder / "rendering.png")
        if early:
            self.say(early)
        if self.json:
            click.echo(_as_json(result, figure, self.folder))
        else:
            click.echo(repr(result))
            click.echo(f"Figure: {figure}\nKept:   {self.folder}")
        sys.exit(code or (MEASURED if result.is_valid else INVALID))


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
