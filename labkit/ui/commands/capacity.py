"""The command ``labkit capacity``: a bracket for each strategy, and the curve."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import interrupts
from labkit.base.errors import UsageError
from labkit.ui.commands import session
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.experiments.capacity import Capacity, Trial
    from labkit.plan.work import Work
    from labkit.strategies import Strategy


@click.command()
@click.argument("strategies", nargs=-1)
@click.option("--work", "target", default="prices", show_default=True, help="Of an event; as of labkit compare.")
@click.option("--bound", type=float, default=200, show_default=True, help="On p98 of caller and bystander, in ms.")
@click.option("--seconds", type=float, default=60, show_default=True, help="At most, for each strategy.")
@click.option("--poisson", is_flag=True, help="Random arrivals instead of evenly spaced ones.")
@click.option(
    "--connections", type=int, default=10, show_default=True, help="Clients that send in turn; 1: a greedy one."
)
@click.option("--app", metavar="PKG.MODULE:CREATE_APP", help="Run a function of yours inside this Flask app's context.")
@click.option("--data", metavar="JSON|FILE", help="What events carry: JSON, or a file with one value a line.")
@click.option("--mode", default="threading", show_default=True, help="What serves; as of labkit compare.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of payloads and arrivals.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file for the figure, such as curve.png."
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")
def capacity(out: Path | None, json_: bool, **asked: Any) -> None:
    """How many events per second a strategy takes within a bound on latency, as a bracket.

    STRATEGIES are names (see labkit list). Without any, the mode's inline and process-pool are tried. Each is
    overloaded once to see what it can do at most, and then fired at with 0.9 and 1.1 times of that. Where these do not
    show it, the search goes on by halving.

    Exit code: 0 every bracket is confirmed at both ends, 1 one is not, 2 wrong usage.
    """
    request = Request(**asked)
    if not 0 < request.seconds < 86_400:
        raise UsageError(f"--seconds must be above 0 and less than a day, not {request.seconds:g}")
    _Searching(request, request.chosen(), request.work(), out, json_).run()


@dataclass(frozen=True)
class Request:
    """What was asked for, by the names of the options."""

    strategies: tuple[str, ...]
    target: str
    bound: float
    seconds: float
    poisson: bool
    connections: int
    app: str | None
    data: str | None
    mode: str
    seed: int

    def chosen(self) -> "list[Strategy]":
        """The strategies, each of which can run in the mode."""
        from labkit.strategies import default_in, strategy

        usual = [name for name in default_in(self.mode) if name.endswith(("inline", "process-pool"))]
        chosen = [strategy(name) for name in self.strategies or usual]
        for one in chosen:
            one.require_mode(self.mode)
        return chosen

    def work(self) -> "Work":
        """What an event costs."""
        from labkit.plan import targets

        payloads = None if self.data is None else targets.read(self.data)
        return session.named(self.target, payloads, self.app, mode=self.mode)

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of ``lab.capacity``."""
        return {
            "mode": self.mode,
            "seed": self.seed,
            "bound_ms": self.bound,
            "random": self.poisson,
            "connections": self.connections,
            "limit_s": self.seconds,
        }


class _Searching(Session):
    """One ``labkit capacity``."""

    def __init__(self, request: Request, chosen: "list[Strategy]", work: "Work", out: Path | None, json_: bool) -> None:
        super().__init__(json_)
        self.request, self.chosen, self.work, self.out = request, chosen, work, out
        self.found: list[Capacity] = []

    @property
    def kept(self) -> str:
        done = len(self.found)
        return f" after {done} of {session.counted(len(self.chosen), 'bracket')}" if done else ""

    def measure(self) -> None:
        from labkit.experiments.capacity_search import capacity as find

        for strategy in interrupts.each(self.chosen):

            def tell(trial: "Trial", name: str = strategy.name) -> None:
                click.echo(f"{name}, {trial.rate_hz:.4g} per second: {trial.verdict}", err=True)

            self.found.append(find(strategy, self.work, progress=tell, **self.request.settings))
            if not self.json:
                click.echo(self.found[-1])

    def finish(self, code: int, early: str = "") -> NoReturn:
        if self.out is not None:
            self._draw(self.out)
        if early:
            click.echo(early, err=self.json)
        if self.json:
            click.echo(json.dumps([one.to_dict() for one in self.found], indent=2, allow_nan=False))
        sys.exit(code or (MEASURED if all(one.is_confirmed for one in self.found) else INVALID))

    def _draw(self, path: Path) -> None:
        from labkit.plots import capacity as figures
        from labkit.plots import style

        style.save(lambda: figures.capacity_curve(*self.found), path)
        click.echo(f"Figure: {path}", err=self.json)
