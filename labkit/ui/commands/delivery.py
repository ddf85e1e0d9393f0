"""The command ``labkit delivery``: what a ``kill -9`` loses, with each of several settings."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import interrupts
from labkit.base.errors import UsageError
from labkit.ui.commands import session
from labkit.ui.commands.session import MEASURED, Session

if TYPE_CHECKING:
    from labkit.plan.schedules import Schedule
    from labkit.plan.work import Work
    from labkit.runs.delivery import Delivery
    from labkit.strategies import Strategy


@click.command()
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="What is killed; may be repeated. All if none.")
@click.option("--strategies", default="celery,celery-zero-loss", show_default=True, help="Names, with commas.")
@click.option("--work", "target", default="cpu:11ms", show_default=True, help="Of an event; as of labkit compare.")
@click.option("--rate", type=float, default=80, show_default=True, help="Events per second.")
@click.option("--events", type=int, default=200, show_default=True, help="How many.")
@click.option("--connections", type=int, default=10, show_default=True, help="Clients that send in turn.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes that calculate.")
@click.option("--patience", type=float, default=10, show_default=True, help="Wait so long for one more answer, in s.")
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of payloads.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file for the figure, such as lost.png.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")
def delivery(out: Path | None, json_: bool, **asked: Any) -> None:
    """What a kill -9 in the middle of a burst loses: of every event, answered, late or lost.

    NAME of a fault: pool-child (a child of the workers' pool), workers (all of them), server, redis (keeps nothing on
    disk), redis-aof (writes every command to disk), none. What is killed is started again after a second.

    celery is Celery with its defaults, for clients that send once. celery-zero-loss is a recipe (see labkit show), for
    clients with an outbox. It needs the extra scale, and the extra modes for gunicorn, which serves.

    Exit code: 0 measured, 1 something failed, 2 wrong usage.
    """
    _Killing(Request(**asked), out, json_).run()


@dataclass(frozen=True)
class Request:
    """What was asked for, by the names of the options."""

    faults: tuple[str, ...]
    strategies: str
    target: str
    rate: float
    events: int
    connections: int
    workers: int
    patience: float
    repeats: int
    seed: int

    def rounds(self) -> "list[tuple[str, Strategy]]":
        """Each fault with each strategy, as often as asked: of a fault the strategies one after the other."""
        from labkit.runs.delivery import FAULTS, NO_FAULT
        from labkit.strategies import strategy

        faults = self.faults or tuple(fault for fault in FAULTS if fault != NO_FAULT)
        names = [name.strip() for name in self.strategies.split(",") if name.strip()]
        if not names:
            raise UsageError("--strategies names none: celery,celery-zero-loss for example")
        chosen = [strategy(name) for name in names]
        if without := [one.name for one in chosen if one.work is None]:
            raise UsageError(f"{without[0]} has no queue, and so no workers to kill: choose celery or celery-zero-loss")
        chosen = [strategy(one, name=one.name, workers=self.workers) for one in chosen]
        return [(fault, one) for _ in range(self.repeats) for fault in faults for one in chosen]

    def plan(self) -> "Schedule":
        """When what is sent."""
        from labkit.plan.schedules import constant

        return constant(self.rate, events=self.events, connections=self.connections, seed=self.seed)


class _Killing(Session):
    """One ``labkit delivery``."""

    def __init__(self, request: Request, out: Path | None, json_: bool) -> None:
        super().__init__(json_)
        self.request, self.out = request, out
        self.rounds = request.rounds()
        self.found: list[Delivery] = []

    @property
    def kept(self) -> str:
        done = len(self.found)
        return f" after {done} of {session.counted(len(self.rounds), 'run')}" if done else ""

    def measure(self) -> None:
        from labkit.experiments.delivery import delivery as kill
        from labkit.experiments.delivery import require

        plan = self.request.plan()
        work: Work = session.named(self.request.target, mode="gunicorn")
        for fault, strategy in self.rounds:  # all of them, before the first is measured
            require(strategy, work, fault, patience_s=self.request.patience)
        for fault, strategy in interrupts.each(self.rounds):
            with self.console.status(f"{strategy.name}, {fault}") as shown:

                def tell(sent: int, answered: int, what: str = f"{strategy.name}, {fault}", shown: Any = shown) -> None:
                    shown.update(f"{what}: {sent} of {len(plan)} sent, {answered} answered")

                one = kill(strategy, work, plan, fault=fault, patience_s=self.request.patience, progress=tell)
            self.found.append(one)
            if not self.json:
                click.echo(one)

    def finish(self, code: int, early: str = "") -> NoReturn:
        if self.out is not None:
            self._draw(self.out)
        if early:
            click.echo(early, err=self.json)
        if self.json:
            click.echo(json.dumps([one.to_dict() for one in self.found], indent=2, allow_nan=False))
        sys.exit(code or MEASURED)

    def _draw(self, path: Path) -> None:
        from labkit.plots import deliveries, style

        style.save(lambda: deliveries.delivery(self.found), path)
        click.echo(f"Figure: {path}", err=self.json)
