"""The command ``labkit locust``: a locustfile to take to one's own cluster, or run here, with rows read as a run."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.base.errors import UsageError
from labkit.ui.commands import fire_request, session
from labkit.ui.commands.duration import Duration
from labkit.ui.commands.fire import Firing

if TYPE_CHECKING:
    from labkit.scale.locustfile import LocustPlan

#: Where the file goes if nobody names another.
FILE = Path("locustfile.py")


@click.command()
@click.argument("url")
@click.option("--event", default="message", show_default=True, metavar="NAME", help="The event that is sent.")
@click.option(
    "--data",
    metavar="JSON|@FILE|MODULE:FUNCTION",
    help="What events carry: JSON for all, a file of JSON Lines in turn, or what a function yields. {counter} and "
    "{client} in a text are numbers.  [default: nothing]",
)
@click.option("--response", default="ack", show_default=True, metavar="ack|EVENT", help="What answers.")
@click.option(
    "--match",
    default="order",
    show_default=True,
    metavar="FIELD|order",
    help="Of an answering event: which field is that of its event (id, or ref=order.id).",
)
@click.option(
    "--rate", type=float, default=20.0, show_default=True, metavar="HZ", help="Events a second, of all clients."
)
@click.option("--seconds", type=Duration(), default=10.0, show_default=True, help="How long events are sent.")
@click.option("--clients", type=int, default=10, show_default=True, help="Each sends at random instants of its own.")
@click.option("--namespace", default="/", show_default=True, metavar="/NAME", help="Of the clients.")
@click.option("--auth", metavar="JSON", help="What clients say when they connect. It stands in the file.")
@click.option(
    "--header", multiple=True, metavar="NAME:VALUE", help="Of the request that connects. It stands in the file."
)
@click.option("--path", default="/socket.io", show_default=True, help="Where Socket.IO is served.")
@click.option("--timeout", type=Duration(), default=10.0, show_default=True, help="Without an answer so long: lost.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random instants.")
@click.option("--file", type=click.Path(path_type=Path), default=FILE, show_default=True, help="The locustfile.")
@click.option(
    "--run", "run_", is_flag=True, help="Run it here instead: headless, a master and its workers, loopback only."
)
@click.option("--workers", type=int, default=2, show_default=True, help="With --run: processes that send.")
@click.option(
    "--rows",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Read what a cluster's workers left there (LABKIT_ROWS), with the options that the file was written with.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def locust(
    out: Path | None, json_: bool, file: Path, run_: bool, rows: Path | None, workers: int, **asked: Any
) -> None:
    """Write a locustfile for a Socket.IO app, to put load on it from several machines of yours.

    \b
    labkit locust https://shop.example --event price --data '{"item": "{counter}"}' --rate 500 --clients 200
        locustfile.py; its first lines say how to run it
    labkit locust http://127.0.0.1:5000 --event price --run
        the same here: Locust headless with a master and two workers, its rows read as a run
    labkit locust URL --event price --rows FOLDER
        rows that the workers of your cluster left, collected in one folder

    The file needs locust and websocket-client, and nothing of labkit's. Its clients are open loop, and one event is one
    request, from when it was due until its answer was read. Locust's own SocketIOUser tells what it emits and receives
    at 0 ms. labkit fire does more (a bystander, books of every answer), from one machine.

    Exit code: 0 done, 1 the run is invalid or events were lost, 2 wrong usage. Ctrl-C keeps what was measured.
    """
    request = Asked(**asked)
    if run_ and rows is not None:
        raise UsageError("--run measures, and --rows reads what was measured: give one of them")
    if not run_ and rows is None:
        request.write(file)
        click.echo(f"{file}: {request.plan.rate_hz:g} events a second from {request.plan.clients} clients. Run it with")
        click.echo(f"locust -f {file} --headless, or on several machines as its first lines say.")
        return
    if run_:
        from labkit.scale import locust_process

        locust_process.require()
    with session.results(out, "run-*.json", "the runs of an earlier command") as folder:
        _Locust(request, folder, json_, workers, rows).run()


class Asked:
    """What was asked for, by the names of the options."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    @cached_property
    def plan(self) -> "LocustPlan":
        """What the file says.

        Raises:
            UsageError: it makes no sense.
        """
        import itertools

        from labkit.plan import payloads
        from labkit.scale.locustfile import LocustPlan

        told = self._options
        values: Any = [payloads.NOTHING]
        if told["data"] is not None:
            named = payloads.chosen(payloads.NOTHING, payloads.named(told["data"]))
            values = list(itertools.islice(named, MOST_VALUES))
        return LocustPlan(
            told["url"],
            event=told["event"],
            data=values,
            response=told["response"],
            match=told["match"],
            rate_hz=told["rate"],
            seconds=told["seconds"],
            clients=told["clients"],
            timeout_s=told["timeout"],
            namespace=told["namespace"],
            path=told["path"],
            headers=fire_request.pairs("--header", told["header"], ":"),
            auth=fire_request.parsed_json("--auth", told["auth"]),
            seed=told["seed"],
        )

    def write(self, file: Path) -> None:
        """Write it where nothing is yet.

        Raises:
            UsageError: something is there, or nothing can be.
        """
        text = self.plan.text
        try:
            with file.open("x", encoding="utf-8") as new:
                new.write(text)
        except FileExistsError:
            raise UsageError(f"{file} is there already: name another with --file, or remove it") from None
        except OSError as error:
            raise UsageError(f"{file} cannot be written ({error.strerror}): name another with --file") from None


#: So many payloads at most, of what yields them without end.
MOST_VALUES = 10_000


class _Locust(Firing):
    """One ``labkit locust`` that ends in a run."""

    def __init__(self, asked: Asked, folder: Path, json_: bool, workers: int, rows: Path | None) -> None:
        super().__init__(folder, json_)
        self.plan, self.workers, self.rows = asked.plan, workers, rows

    def measure(self) -> None:
        from labkit.runs import locust_rows
        from labkit.scale import locust_process

        plan = self.plan
        if self.rows is not None:
            self.keep(locust_rows.read(self.rows, plan.exchange))
            return
        self.say(
            f"Locust, headless, with {self.workers} workers on this machine: {plan.rate_hz:g} events a second for "
            f"{plan.seconds:g} s from {plan.clients} clients."
        )
        run, interrupt = locust_process.run(plan, self.workers)
        self.keep(run)
        if interrupt is not None:
            raise interrupt
