"""The command ``labkit fire``: load on a Socket.IO app as it runs, with a bystander, and books that close."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.ui.commands import session
from labkit.ui.commands.duration import Duration
from labkit.ui.commands.fire_request import Asked
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.experiments.aim import Aim
    from labkit.runs.run import Run


@click.command()
@click.argument("url")
@click.option("--event", default="message", show_default=True, metavar="NAME", help="The event that is sent.")
@click.option(
    "--data",
    metavar="JSON|@FILE|MODULE:FUNCTION",
    help="What events carry: JSON for all, a file of JSON Lines in turn, or what a function yields. {counter} and "
    "{client} in a text are numbers.  [default: nothing]",
)
@click.option(
    "--response",
    default="ack",
    show_default=True,
    metavar="ack|EVENT|none",
    help="What answers: the acknowledgement, an event of that name, or nothing.",
)
@click.option(
    "--match",
    metavar="FIELD|order|nothing",
    help="Of an answering event: which field is that of its event (id, or ref=order.id).  [default: order]",
)
@click.option(
    "--replay",
    metavar="FILE",
    help="Send what was recorded, as it came: a HAR, or what labkit run --record-payloads wrote.",
)
@click.option("--speed", type=float, metavar="X", help="Of a replay: so many times as fast as recorded.  [default: 1]")
@click.option("--copies", type=int, metavar="N", help="Of a replay: N clients do what each did.  [default: 1]")
@click.option("--rate", type=float, metavar="HZ", help="Events per second, evenly spaced.  [default: 20]")
@click.option("--poisson", is_flag=True, help="Random arrivals of that mean rate.")
@click.option("--seconds", type=Duration(), help="How long events are sent.  [default: 10]")
@click.option("--events", type=int, help="How many instead, or with --burst in all.")
@click.option("--burst", type=int, metavar="N", help="So many at one instant instead of a rate.")
@click.option("--every", type=Duration(), help="Between two bursts, where --events exceeds a burst.")
@click.option(
    "--clients", "--connections", "connections", type=int, help="Clients that send in turn.  [default: 10 or fewer]"
)
@click.option("--ramp", type=Duration(), default=0.0, help="Clients come evenly within it.  [default: all at once]")
@click.option("--scenario", metavar="FILE|MODULE:FUNCTION", help="What each client does first, as steps.")
@click.option("--namespace", default="/", show_default=True, metavar="/NAME", help="Of the clients.")
@click.option("--auth", metavar="JSON", help='What clients say when they connect: \'{"token": "..."}\'.')
@click.option("--header", multiple=True, metavar="NAME:VALUE", help="Of the request that connects; several times.")
@click.option("--cookie", multiple=True, metavar="NAME=VALUE", help="The same of a cookie.")
@click.option("--query", multiple=True, metavar="NAME=VALUE", help="The same of the address.")
@click.option("--path", default="/socket.io", show_default=True, help="Where Socket.IO is served.")
@click.option("--ca", metavar="FILE", help="Certificates to trust, in PEM.")
@click.option(
    "--transport", default="websocket", show_default=True, metavar="websocket|polling|upgrade", help="Of clients."
)
@click.option(
    "--bystander",
    default="heartbeat",
    show_default=True,
    metavar="EVENT|heartbeat|none",
    help="Who sends none of that: an event that the app acknowledges, or ping frames of a websocket.",
)
@click.option("--bystander-data", metavar="JSON", help="What the bystander's event carries.")
@click.option("--ping-rate", type=float, metavar="HZ", help="The bystander's.  [default: 50, of an event 10]")
@click.option("--network", metavar="DELAY,JITTER,LOSS", help=session.NETWORK)
@click.option("--fan-out", is_flag=True, help="Answers are meant for everybody in the namespace: who has them when.")
@click.option("--listeners", type=int, default=0, metavar="N", help="So many more clients only listen.")
@click.option("--timeout", type=Duration(), help="Without an answer for so long an event is lost.  [default: 10]")
@click.option("--connect-timeout", type=Duration(), help="Within which everybody is let in.  [default: 10]")
@click.option("--warm-up", type=int, metavar="N", help="Events before, which are not counted.  [default: 1]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random arrivals.")
@click.option(
    "--i-own-this-server", is_flag=True, help="It is on another machine: at most 100 events in any second, 100 clients."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def fire(out: Path | None, json_: bool, **asked: Any) -> None:
    """Send events to a Socket.IO app that runs on this machine, and say what became of each.

    \b
    labkit fire http://127.0.0.1:5000 --event price --data '{"item": "{counter}"}' --rate 50
        50 events a second for 10 s from 10 clients, each acknowledged by what the handler returns
    labkit fire http://127.0.0.1:5000 --event order --data @orders.jsonl --response ordered --match id
        answered by an event of its own, which has the event's id
    labkit fire http://127.0.0.1:5000 --event say --data '{"id": "{counter}"}' --response said --match id
      --burst 50 --clients 50 --fan-out --listeners 450 --ramp 5s --scenario join.toml
        500 clients come within 5 s and join a room as the file says; 50 speak at once, and all are to hear it

    \b
    join.toml, where wait is ack, the name of an event, or seconds:
        [[step]]
        emit = "join"
        data = {room = "lobby", who = "{client}"}
        wait = "ack"

    \b
    labkit fire http://127.0.0.1:5000 --replay monday.jsonl --speed 2 --copies 10
        what labkit run --record-payloads has kept of people, twice as fast, by ten times as many clients; a HAR of
        Chrome or Playwright does too (labkit redact takes the secrets out of one). Every event asks for an
        acknowledgement with --response ack, and those that did when recorded with any other

    Open loop: an event is sent when it is due, whether or not earlier ones were answered, and latency counts from
    then. Every client has one connection, all the time. Without --ramp all connect at once, as after a server's
    restart, and it is said how long that took. --transport upgrade begins with polling, as pages do, and times that.

    What only the server knows is not known here: put labkit run before the command that starts it, and labkit report
    shows each event's time inside.

    Exit code: 0 measured, 1 the run is invalid or events were lost, 2 wrong usage. Ctrl-C waits for the answers to
    what was sent, and keeps that.
    """
    request = Asked(**asked)
    with request.client() as client:
        aim = request.aim(client)
        with session.results(out, "run-*.json", "the runs of an earlier command") as folder:
            _Firing(aim, folder, json_, request.told).run()


class Firing(Session):
    """A command that ends in one run of an app of the reader's."""

    def __init__(self, folder: Path, json_: bool) -> None:
        super().__init__(json_)
        self.folder = folder
        self.result: Run | None = None

    @property
    def kept(self) -> str:
        return "" if self.result is None else f" after {session.counted(len(self.result), 'event')}, which are kept"

    def keep(self, run: "Run") -> None:
        """To disk at once: what is measured is never lost."""
        from labkit.runs.comparison import file_name

        run.save(self.folder / file_name(0, run))
        self.result = run

    def finish(self, code: int, early: str = "") -> NoReturn:
        import sys

        from labkit import plots
        from labkit.plots import style
        from labkit.ui import fired

        run = self.result
        assert run is not None
        figure = style.save(lambda: plots.over_time(run), self.folder / "over-time.png")
        text = fired.as_json(run, early=early, folder=self.folder, figure=figure)
        session.write(self.folder / "summary.json", text)
        if early:
            self.say(early)
        if self.json:
            click.echo(text)
        else:
            self.console.print(fired.final(run, self.console.width))
            self.say(f"Figure: {figure}", f"Runs:   {self.folder}")
        bad = run.lost or run.unaccounted or not run.is_valid
        sys.exit(code or (INVALID if bad else MEASURED))


class _Firing(Firing):
    """One ``labkit fire``."""

    def __init__(self, aim: "Aim", folder: Path, json_: bool, about: list[str]) -> None:
        super().__init__(folder, json_)
        self.aim, self.about = aim, about

    def measure(self) -> None:
        from labkit.ui import fired

        for line in (*self.about, *fired.scope(self.aim)):
            self.say(line)
        with fired.progress(self.console, self.aim.plan.span_s) as tick:
            run, interrupt = self.aim.fire(tick)
        self.keep(run)
        if interrupt is not None:
            raise interrupt
