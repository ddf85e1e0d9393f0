"""The command ``labkit crossover``: who holds a bound on latency, over service time, load and workers."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import clock
from labkit.base.errors import UsageError
from labkit.base.files import claimed, new_folder
from labkit.base.text import about_seconds
from labkit.ui.commands import session
from labkit.ui.commands.session import INVALID, MEASURED, RESULTS, Session

if TYPE_CHECKING:
    from labkit.experiments.crossover_runs import Survey
    from labkit.runs.run import Run

    _Type = click.ParamType[tuple[float, ...]]
else:
    _Type = click.ParamType

#: Of --quick: one value on each side of where most strategies cross.
QUICK: dict[str, Any] = {"service_ms": (5.0, 40.0), "load": (0.6, 1.5), "workers": (1,)}


class Values(_Type):
    """Numbers with commas between them."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """A tuple of them."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(each) for each in value.split(","))
        except ValueError:
            what = "whole numbers" if self.kind is int else "numbers"
            self.fail(f"{value!r} are not {what} with commas between them", param, ctx)


@click.command()
@click.option("--strategies", metavar="NAMES", help="With commas between them.  [default: inline,process-pool,celery]")
@click.option("--service-ms", type=Values(float), metavar="MS,MS", help="Of an event.  [default: 1,5,20,80]")
@click.option("--load", type=Values(float), metavar="SHARE,SHARE", help="Of one core.  [default: 0.3,0.6,0.9,1.5]")
@click.option("--workers", type=Values(int), metavar="N,N", help="Of those that have some.  [default: 1,2]")
@click.option("--bound", "bound_ms", type=float, help="On p98, in ms.  [default: 200]")
@click.option("--events", type=int, help="Of each cell at least; a p98 takes 150.  [default: 160]")
@click.option("--connections", type=int, help="Clients that send in turn.  [default: 10]")
@click.option("--mode", help="What serves; as of labkit compare.  [default: threading]")
@click.option("--seed", type=int, help="Of arrivals and order.  [default: 0]")
@click.option("--quick", is_flag=True, help="A small grid: 5,40 ms at 60% and 150%, one worker.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="For the cells; a map with the same settings goes on there.  [default: labkit-results/TIME]",
)
@click.option("--resume", type=click.Path(path_type=Path), metavar="FOLDER", help="Go on with the map of this folder.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def crossover(out: Path | None, resume: Path | None, json_: bool, quick: bool, **asked: Any) -> None:
    """Which strategy holds a bound on latency, where?

    In each cell of a grid (service time, load, workers), events that compute arrive at random from many clients. A
    strategy holds if all of them are answered, 98% within the bound. The model stands beside it: queueing theory, with
    what a hop costs when nothing else runs. How long it takes is said first. Ctrl-C keeps the cells that were measured,
    and says how to go on.

    Exit code: 0 the map is whole, 1 a cell could not be measured, 2 wrong usage, 130 interrupted.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    if "strategies" in given:
        given["strategies"] = [name.strip() for name in given["strategies"].split(",")]
    if resume is not None and (given or quick or out is not None):
        raise UsageError("--resume takes all settings from its folder: leave the others out")
    wanted = _of(resume) if resume is not None else _asked({**QUICK, **given} if quick else given)
    with _folder(resume or out) as folder:
        _Mapping(wanted, folder, json_).run()


def _asked(settings: dict[str, Any]) -> "Survey":
    from labkit.experiments.crossover_runs import survey

    return survey(**settings)


def _of(folder: Path) -> "Survey":
    """What the map of a folder asked for."""
    from labkit.experiments.crossover_folder import MapFolder
    from labkit.experiments.crossover_runs import survey

    return survey(**MapFolder.found(folder).grid.asked)


@contextlib.contextmanager
def _folder(named: Path | None) -> Iterator[Path]:
    """The folder that was named, for this command alone; or a new one, which goes again where nothing came."""
    if named is None:
        folder = new_folder(RESULTS, clock.folder_stamp())
        try:
            yield folder
        finally:
            _clear(folder)
            with contextlib.suppress(OSError):  # it holds something, as it should
                folder.rmdir()
                RESULTS.rmdir()
        return
    if named.exists() and not named.is_dir():
        raise UsageError(f"{named} is a file: name a folder")
    with claimed(named) as folder:
        try:
            yield folder
        finally:
            _clear(folder)


def _clear(folder: Path) -> None:
    """What was calibrated for a map of which no cell was measured is of no use."""
    from labkit.experiments.crossover_folder import ABOUT

    if not any(folder.glob("cell-*.json")):
        (folder / ABOUT).unlink(missing_ok=True)


class _Mapping(Session):
    """One ``labkit crossover``."""

    def __init__(self, wanted: "Survey", folder: Path, json_: bool) -> None:
        super().__init__(json_)
        self.wanted, self.folder = wanted, folder
        self.total = len(wanted.grid.cells)
        self.done = 0

    @property
    def kept(self) -> str:
        if not self.done:
            return ""
        on = f"labkit crossover --resume {self.folder} goes on"
        return f" after {self.done} of {self.total} cells, which are kept ({on})"

    def measure(self) -> None:
        before = self.wanted.measured_in(self.folder)
        self.done = len(before)
        left = about_seconds(self.wanted.estimate_s(before))
        there = f", {self.done} of them are measured already" if self.done else ""
        self.say(f"{session.counted(self.total, 'cell')}{there}; about {left}. The cells are kept in {self.folder}.")
        self.wanted.measure(self._tell, self.folder)

    def _tell(self, done: int, total: int, run: "Run") -> None:
        from labkit.runs import holding

        self.done = done
        judged = holding.callers(run, self.wanted.grid.bound_ms)
        self.say(f"  {done} of {total}: {run.name}, {run.work}, {run.plan.rate_hz or 0:.3g}/s: {judged}")

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit import plots
        from labkit.experiments.crossover import Crossover
        from labkit.plots import style

        found = Crossover.load(self.folder)
        figure = style.save(lambda: plots.crossover(found), self.folder / "crossover.png")
        code = code or (MEASURED if found.is_whole else INVALID)
        if self.json:
            if early:
                click.echo(early, err=True)
            told = {"schema_version": 1, **found.to_dict(), "early": early, "exit_code": code, "figure": str(figure)}
            click.echo(json.dumps({**told, "folder": str(self.folder)}, indent=2, allow_nan=False))
        else:
            self.say(repr(found), f"Figure: {figure}", f"Cells:  {self.folder}", *([early] if early else []))
        sys.exit(code)
