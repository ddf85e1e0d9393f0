"""The command ``labkit servers``: several servers behind a proxy, and the faults that people met with them."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import interrupts
from labkit.ui.commands import session
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.experiments.several_servers import SeveralServers
    from labkit.runs.remedies import Fault

#: What a fault's name may be; the module that has them takes long to import.
FAULTS = ("no-sticky-sessions", "slow-subscriber", "large-event", "socket-timeout", "publish-gives-up")


@click.command()
@click.option("--app", default="", metavar="MODULE:APP", help="Yours, instead of the lab's own room.")
@click.option("--event", default="say", show_default=True, help="What senders emit, with a number in the field `id`.")
@click.option("--response", default="said", show_default=True, help="What everybody hears, with the same `id`.")
@click.option("--count", type=int, default=2, show_default=True, help="How many servers.")
@click.option("--receivers", type=int, default=20, show_default=True, help="How many clients listen.")
@click.option("--rate", type=float, default=20, show_default=True, help="Messages per second, all senders together.")
@click.option("--seconds", type=float, default=5, show_default=True, help="How long while nothing happens.")
@click.option("--polling", is_flag=True, help="Clients poll, instead of having a websocket.")
@click.option(
    "--broker", default="", metavar="URL", help="A Redis that runs; else LABKIT_REDIS_URL, or one of the lab's."
)
@click.option(
    "--fault", "faults", type=click.Choice([*FAULTS, "all"]), multiple=True, help="Show a known fault instead."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A folder for the figure and the JSON.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")
def servers(out: Path | None, json_: bool, faults: tuple[str, ...], **asked: Any) -> None:
    """What a broadcast costs across several servers, and what clients feel when one ends.

    Servers are gunicorn processes with threads (-w 1 -k gthread) behind HAProxy, with a Redis between them, all on this
    machine. First nothing happens; then one server is killed and comes back; then all are restarted in turn. An app of
    yours takes its message queue from the variable LABKIT_REDIS_URL, and puts each client that connects into the room.

    With --fault, a fault that people met is made to happen, and its remedy is tried beside it.

    Exit code: 0 measured, 1 a fault did not happen or its remedy did not help, or something failed, 2 wrong usage.
    """
    chosen = FAULTS if "all" in faults else tuple(dict.fromkeys(faults))
    if chosen:
        _Showing(chosen, out, json_).run()
    _Measuring(asked, out, json_).run()


class _Measuring(Session):
    """One ``labkit servers``."""

    def __init__(self, asked: dict[str, Any], out: Path | None, json_: bool) -> None:
        super().__init__(json_)
        self.asked, self.out = asked, out
        self.found: SeveralServers | None = None

    @property
    def kept(self) -> str:
        return f" after {session.counted(len(self.found.phases), 'phase')}, kept below" if self.found else ""

    def _keep(self, found: "SeveralServers") -> None:
        self.found = found

    def measure(self) -> None:
        from labkit.client.audience import Manners
        from labkit.experiments.several_servers import several_servers

        asked = self.asked
        transport = "polling" if asked["polling"] else "websocket"
        found = several_servers(
            asked["app"],
            count=asked["count"],
            receivers=asked["receivers"],
            rate_hz=asked["rate"],
            seconds=asked["seconds"],
            queue=asked["broker"],
            manners=Manners(event=asked["event"], answer=asked["response"], transport=transport),
            progress=lambda what: click.echo(f"{what} ...", err=True),
            keep=self._keep,
        )
        self._keep(found)

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit.experiments.several_servers import finding

        found = self.found
        assert found is not None
        if early:
            click.echo(early, err=self.json)
        if self.json:
            click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False))
        else:
            self.say(finding(found), "", found.table.text())
        if self.out is not None:
            session.write(self.out / "servers.json", json.dumps(found.to_dict(), indent=2, allow_nan=False))
            self._draw(found, self.out / "servers.png")
        sys.exit(code)

    def _draw(self, found: "SeveralServers", path: Path) -> None:
        from labkit.plots import servers as figures
        from labkit.plots import style

        style.save(lambda: figures.several_servers(found), path)
        click.echo(f"Figure: {path}", err=self.json)


class _Showing(Session):
    """One ``labkit servers --fault ...``."""

    def __init__(self, names: tuple[str, ...], out: Path | None, json_: bool) -> None:
        super().__init__(json_)
        self.names, self.out = names, out
        self.found: list[Fault] = []

    @property
    def kept(self) -> str:
        done = len(self.found)
        return f" after {done} of {session.counted(len(self.names), 'fault')}" if done else ""

    def measure(self) -> None:
        from labkit.experiments import server_faults

        for name in interrupts.each(self.names):
            click.echo(f"{name} ...", err=True)
            self.found.append(server_faults.FAULTS[name]())
            if not self.json:
                self.say(repr(self.found[-1]), "")

    def finish(self, code: int, early: str = "") -> NoReturn:
        told = json.dumps([each.to_dict() for each in self.found], indent=2, allow_nan=False)
        if early:
            click.echo(early, err=self.json)
        if self.json:
            click.echo(told)
        if self.out is not None:
            session.write(self.out / "faults.json", told)
        sys.exit(code or (MEASURED if all(each.helped for each in self.found) else INVALID))
