"""``labkit compare --serve``: the reader's app, as it is, under several servers and interpreters."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import interrupts
from labkit.base.errors import NotStarted
from labkit.ui.commands import expecting, session
from labkit.ui.commands.duration import Duration
from labkit.ui.commands.fire import fire
from labkit.ui.commands.fire_request import Asked
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.experiments.one_app import Servers
    from labkit.runs.one_app import AcrossServers
    from labkit.runs.run import Run


@click.command()
@click.option("--serve", "app", required=True, metavar="MODULE:NAME", help="The app, or its SocketIO, as it is.")
@click.option(
    "--modes",
    default="threading,gunicorn,gevent",
    show_default=True,
    metavar="A,B,...",
    help="What serves it; also gevent-unpatched, and asgi for an app with an AsyncServer.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PATH",
    help="An interpreter to serve with; several times. labkit need not be there.  [default: here, this one]",
)
@click.option(
    "--repeats", type=int, help="Runs of each, in random order.  [default: the fewest that can tell, and one]"
)
@click.option("--start-timeout", type=Duration(), default=30.0, help="Within which it serves.  [default: 30]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
@expecting.options
def servers(out: Path | None, json_: bool, **asked: Any) -> None:
    """Your app under several servers and interpreters: who waits how long under which, and what breaks.

    \b
    labkit compare --serve shop:app --event price --data '{"item": "{counter}"}' --rate 50
        under Werkzeug, gunicorn and gevent, the plan and the options as of labkit fire
    labkit compare --serve shop:app --modes threading --python here --python ~/venvs/3.13/bin/python --replay day.jsonl
        under two interpreters: what was recorded, fired at each

    Nothing of the app is edited. What a mode needs is met from outside: its async_mode, where the app names none;
    gevent patches before the app is imported; gunicorn has one worker (gthread), with a thread for each connection.
    Each run has a process of its own, in which labkit is not imported: client and books stay here. The servers are as
    socketio.run(app) and the others start them, and tuned by nobody.

    A server that cannot serve the app, or ends while it is fired at, is left out, and it is said why. Who is soonest is
    said where all runs together can tell, of the median, and of nothing that was not measured.

    \b
    Strategies are measured without --serve: labkit compare --help

    Exit code: 0 measured, 1 a run is invalid, events were lost or a server was left out, 2 wrong usage or nothing
    serves the app, 3 an expectation does not hold, 4 of one nobody can tell (3 and 4 come before 1). Ctrl-C keeps the
    runs that were measured.
    """
    own = {name: asked.pop(name) for name in _OWN}
    expected = expecting.Asked.of(asked)
    fired = Asked(url="", i_own_this_server=False, **asked)
    with fired.client() as client:
        from dataclasses import replace as with_

        from labkit.base import interpreter
        from labkit.experiments.one_app import Servers

        order = Servers(
            own["app"],
            Path(),
            lambda url: with_(fired, url=url).aim(client),
            tuple(name.strip() for name in own["modes"].split(",")),
            interpreter.distinct(own["pythons"] or (interpreter.HERE,)),
            own["repeats"],
            asked["seed"],
            own["start_timeout"],
        )
        expected.require_sense(list(order.names))
        with session.results(out, "run-*.json", "the runs of an earlier comparison") as folder:
            _ComparingServers(order, folder, expected, json_).run()


#: The command's own options, and those of ``labkit fire``: how a plan is asked for is said in one place.
_OWN = ("app", "modes", "pythons", "repeats", "start_timeout")
servers.params += [each for each in fire.params if each.name not in ("url", "i_own_this_server", "out", "json_")]


class _ComparingServers(Session):
    """One ``labkit compare --serve``."""

    def __init__(self, order: "Servers", folder: Path, expected: expecting.Asked, json_: bool) -> None:
        super().__init__(json_)
        self.order, self.folder, self.expected = order, folder, expected
        self.runs: list[Run] = []

    @property
    def kept(self) -> str:
        count = len(self.runs)
        return f" after {session.counted(count, 'run')}, which {'is' if count == 1 else 'are'} kept" if count else ""

    @property
    def found(self) -> "AcrossServers":
        """What was measured so far."""
        from labkit.runs.comparison import Comparison
        from labkit.runs.one_app import AcrossServers

        return AcrossServers(Comparison(tuple(self.runs), names=self.order.names), self.order.failed)

    def measure(self) -> None:
        from labkit.runs.comparison import file_name
        from labkit.ui import one_app as shown
        from labkit.ui import terminal

        self.order.try_all()
        self.say(*(f"{name} is left out: {reason}" for name, reason in self.order.failed.items()))
        self.say(*shown.scope(self.order))
        total = self.order.rounds * (len(self.order.names) - len(self.order.failed))
        try:
            with terminal.progress(self.console, total) as progress:
                for run in interrupts.each(self.order.runs()):
                    run.save(self.folder / file_name(len(self.runs), run))
                    self.runs.append(run)
                    progress.update(self.found.result, run)
        except NotStarted:
            if not self.runs:
                raise
            # Each is told of as left out: what was measured of it before is kept.

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit import plots
        from labkit.plots import style
        from labkit.ui import one_app as shown
        from labkit.ui import terminal

        found = self.found
        found.result.save_about(self.folder)
        figure = style.save(lambda: plots.by_server(found), self.folder / "servers.png")
        verdicts = None if early else self.expected.judge(found.result)
        told = None if verdicts is None else [verdict.to_dict() for verdict in verdicts]
        title = early or " ".join(shown.scope(self.order))
        more = {**shown.more(found), "expectations": told}
        text = terminal.as_json(found.result, scope_line=title, figure=figure, folder=self.folder, more=more)
        session.write(self.folder / "summary.json", text)
        if early:
            self.say(early)
        if self.json:
            click.echo(text)
        else:
            self.console.print(shown.final(found, self.console.width))
            if verdicts is not None:
                self.console.print(terminal.verdicts(verdicts))
            self.say(f"Figure: {figure}", f"Runs:   {self.folder}")
        if not early:
            seconds = sum(run.conditions.duration_s for run in self.runs)
            self.expected.tell(title, found.result, verdicts, seconds)
        sys.exit(code or expecting.code(verdicts) or (MEASURED if found.is_good else INVALID))
