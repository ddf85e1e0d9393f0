"""The command: ``labkit compare``, ``labkit show``, ``labkit list``, ``labkit render``, ``labkit trace``."""

import contextlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labkit.base import errors
from labkit.plan.modes import MODES
from labkit.ui.commands.capacity import capacity
from labkit.ui.commands.claims import claims
from labkit.ui.commands.doctor import doctor
from labkit.ui.commands.render import browser, render
from labkit.ui.commands.trace import trace

if TYPE_CHECKING:
    from labkit.experiments.diagnose import Diagnosis
    from labkit.plan.schedules import Schedule
    from labkit.runs.comparison import Comparison
    from labkit.strategies import Strategy

MEASURED, INVALID, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class _Told(click.ClickException):
    """What click has to say of a command line, as labkit says it."""

    exit_code = WRONG_USAGE

    def show(self, file: Any = None) -> None:
        click.echo(f"labkit: {self.format_message()}", err=True)


def _told(error: click.UsageError) -> click.ClickException:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    said = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "labkit"
    return _Told(f"{said[:1].lower()}{said[1:]}: see {command} --help")


class _Commands(click.Group):
    """Turns every error of labkit, and of click, into one sentence and an exit code."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _told(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _told(error) from error
        except errors.UsageError as error:
            click.echo(f"labkit: {error}", err=True)
            ctx.exit(WRONG_USAGE)
        except errors.LabError as error:
            click.echo(f"labkit: {error}", err=True)
            ctx.exit(INVALID)
        except KeyboardInterrupt:
            click.echo("labkit: interrupted before the first run was measured, so nothing was kept", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("labkit"), prog_name="labkit")
def main() -> None:
    """Measure what Flask-SocketIO event handlers do to the people at the other end.

    \b
    labkit compare                         the example job, eight strategies, in under a minute
    labkit compare mypkg.jobs:price        the same for a function of yours
    labkit show process-pool               a strategy as a complete app to start from
    labkit capacity thread process-pool    how many events a second they take
    labkit list                            all strategies, a line each
    labkit selftest                        does labkit read what is true?
    labkit render                          ways of updating a page, in a real browser
    labkit claims                          the advice, line by line: what holds on this machine
    labkit browser                         which browsers there are, and what is missing
    labkit trace recording.json            what a recording of Chrome's shows of a page
    labkit doctor                          what is installed, what will be skipped, how to get it
    """


main.add_command(capacity)
main.add_command(claims)
main.add_command(render)
main.add_command(browser)
main.add_command(trace)
main.add_command(doctor)


@main.command()
@click.argument("target", default="prices")
@click.option("--events", type=int, help="How many events.  [default: 10, with --rate 20]")
@click.option("--burst", type=int, metavar="N", help="So many at one instant.  [default: all]")
@click.option("--every", type=float, metavar="S", help="Seconds between two bursts, where events exceed a burst.")
@click.option("--rate", type=float, metavar="HZ", help="Events per second, evenly spaced, instead of a burst.")
@click.option("--poisson", is_flag=True, help="With --rate: random arrivals of that mean rate.")
@click.option("--strategies", metavar="A,B,...", help="Which, by name.  [default: the usual ones of the mode]")
@click.option("--repeats", type=int, default=3, show_default=True, help="Runs of each, interleaved in random order.")
@click.option("--connections", type=int, default=1, show_default=True, help="Clients that send, in turn.")
@click.option("--app", metavar="PKG.MODULE:CREATE_APP", help="Run a function of yours inside this Flask app's context.")
@click.option("--data", metavar="JSON|FILE", help="What events carry: JSON, or a file with one value a line.")
@click.option(
    "--mode",
    default="threading",
    show_default=True,
    help=f"What serves: {', '.join(MODES)}; all but the first in a child process.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of payloads, arrivals and the order of runs.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table (see README).")
def compare(
    target: str,
    events: int | None,
    burst: int | None,
    every: float | None,
    rate: float | None,
    poisson: bool,
    strategies: str | None,
    repeats: int,
    connections: int,
    app: str | None,
    data: str | None,
    mode: str,
    seed: int,
    out: Path | None,
    json_: bool,
) -> None:
    """Measure strategies with one kind of work, and say what it did to its caller and to everybody else.

    TARGET is the work of one event:

    \b
    prices               the example job on real data (the default): when did GOOG last move like this?
    cpu:100ms            pure Python that holds the GIL
    io_wait:100ms        waiting, as for a database
    cpu_nogil:100ms      C code that releases the GIL
    package.module:name  a function of yours; it gets the event's number, or nothing if it takes nothing

    Ten events are sent at once, over one connection, to a real server that runs in this process; a bystander on a
    connection of its own only pings. --mode puts the server into a child process, under what an app is deployed with;
    eventlet is deprecated upstream and not measured.

    Exit code: 0 measured, 1 a run is invalid or lost events, 2 wrong usage. Failed and wrong answers are results: they
    are told below the table, and count as never answered.
    """
    from labkit.plan import flask_app, targets
    from labkit.plan import work as workloads

    if repeats < 1:
        raise errors.UsageError(f"--repeats must be 1 or more, not {repeats}")
    if poisson and rate is None:
        raise errors.UsageError("--poisson needs --rate: give the mean events per second")
    if rate is not None and (burst is not None or every is not None):
        raise errors.UsageError("--rate excludes --burst and --every: give one or the other")
    if every is not None and (burst is None or events is None or events <= burst):
        raise errors.UsageError("--every is the time between two bursts: give --burst, and --events for several")
    if rate is None:
        plan = _bursts(events, burst, every, connections, seed)
    else:
        plan = _steady(20 if events is None else events, rate, poisson, connections, seed)
    work = workloads.parse(target, None if data is None else targets.read(data))
    if app is not None:
        work = flask_app.in_app(work, app)
    chosen = _strategies(strategies, mode)
    _Comparing(work, plan, chosen, repeats, seed, mode, _folder(out), json_).run()


def _bursts(events: int | None, burst: int | None, every: float | None, connections: int, seed: int) -> "Schedule":
    from labkit.plan import schedules

    if burst is None:
        burst = 10 if events is None else events
    if burst < 1:
        return schedules.burst(burst)  # which says what is wrong with it
    times, rest = divmod(burst if events is None else events, burst)
    if rest or times < 1:
        raise errors.UsageError(f"{events} events are not a whole number of bursts of {burst}: change one of them")
    return schedules.burst(burst, every_s=every, times=times, connections=connections, seed=seed)


def _steady(events: int, rate: float, poisson: bool, connections: int, seed: int) -> "Schedule":
    from labkit.plan import schedules

    make = schedules.poisson if poisson else schedules.constant
    return make(rate, events=events, connections=connections, seed=seed)


def _folder(out: Path | None) -> Path:
    from labkit.base import clock
    from labkit.runs.comparison import unused

    return unused(out or Path("labkit-results") / clock.folder_stamp())


def _strategies(names: str | None, mode: str) -> "list[Strategy]":
    from labkit.strategies import default_in, strategy

    chosen = [strategy(name.strip()) for name in (names.split(",") if names else default_in(mode))]
    for s in chosen:
        s.require_mode(mode)
    return chosen


class _Comparing:
    """One ``labkit compare``: measure, show, keep."""

    def __init__(
        self,
        work: Any,
        plan: "Schedule",
        chosen: "list[Strategy]",
        repeats: int,
        seed: int,
        mode: str,
        out: Path,
        json_: bool,
    ) -> None:
        from rich.console import Console

        self.work, self.plan, self.chosen = work, plan, chosen
        self.repeats, self.seed, self.mode, self.out, self.json = repeats, seed, mode, out, json_
        # With --json, standard output is the object's alone.
        self.console = Console(stderr=json_)
        self.names: tuple[str, ...] = ()
        self.result: Comparison | None = None
        self.diagnosis: Diagnosis | None = None

    def run(self) -> None:
        from labkit.base import interrupts
        from labkit.experiments.compare import ordered
        from labkit.experiments.diagnose import diagnose
        from labkit.plan.calibration import expected_answers
        from labkit.ui import terminal

        with self._interruptible():
            expected = expected_answers(self.work, self.plan)
            # Whatever can be refused is refused here, before anything is on screen.
            order = ordered(
                self.chosen,
                self.work,
                self.plan,
                repeats=self.repeats,
                seed=self.seed,
                mode=self.mode,
                expected=expected,
            )
            self.names = order.names
            scope = terminal.scope(self.mode, self.plan.name, self.work.name, expected.mean_service_ms)
            self.diagnosis = diagnose(self.work, seed=self.seed)
            self.console.print(f"{self.diagnosis}\n{scope}", highlight=False, markup=False)
            if not expected.checked:
                self.console.print("Answers are not checked: the work gives different ones for the same data.")
            with terminal.progress(self.console, len(order)) as screen:
                for run in interrupts.each(order.runs()):
                    screen.update(self._keep(run), run)
        self._finish(scope, MEASURED)

    def _keep(self, run: Any) -> "Comparison":
        """Every run goes to disk at once: what is measured is never lost."""
        from labkit.runs.comparison import Comparison, file_name

        number = 0 if self.result is None else len(self.result.runs)
        run.save(self.out / file_name(number, run))
        runs = () if self.result is None else self.result.runs
        self.result = Comparison((*runs, run), names=self.names)
        return self.result

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C and failures: show what was measured until then, and where it is."""
        try:
            yield
        except KeyboardInterrupt:
            if self.result is None:
                raise
            self._finish(f"interrupted after {len(self.result.runs)} runs, which are kept", INTERRUPTED)
        except errors.LabError as error:
            if self.result is None:
                raise
            self._finish(f"failed after {len(self.result.runs)} runs, which are kept: {error}", INVALID)

    def _finish(self, scope: str, code: int) -> None:
        from labkit.ui import terminal

        result = self.result
        assert result is not None
        figure = self._figure(result)
        result.save_about(self.out)
        advice = terminal.advice(self.diagnosis, result)
        text = terminal.as_json(result, scope_line=scope, figure=figure, folder=self.out, more=advice.json)
        (self.out / "summary.json").write_text(text, encoding="utf-8")
        if code != MEASURED:
            self.console.print(scope[0].upper() + scope[1:], markup=False)
        if self.json:
            click.echo(text)
        else:
            self.console.print(terminal.final(result, self.console.width))
            self.console.print(advice.text, highlight=False, markup=False)
            self.console.print(f"Figure: {figure}\nRuns:   {self.out}", highlight=False, markup=False, soft_wrap=True)
        lost = any(s.lost or s.unaccounted for s in result.summaries)
        sys.exit(code or (INVALID if lost or not result.is_valid else MEASURED))

    def _figure(self, result: "Comparison") -> Path:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        from labkit import plots

        path = self.out / "overview.png"
        figure = plots.overview(result)
        figure.savefig(path)
        plt.close(figure)
        return path


@main.command()
@click.argument("name")
@click.option("--exhibit", is_flag=True, help="The strategy alone, without an app around it.")
def show(name: str, exhibit: bool) -> None:
    """Print a strategy as a complete Flask-SocketIO app.

    \b
    labkit show process-pool > app.py
    """
    from labkit import strategies

    click.echo(strategies.show(name) if exhibit else strategies.runnable(name))


@main.command()
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Fire all cases so often.")
def selftest(repeats: int) -> None:
    """Fire at queues whose answers are known: does labkit read what is true?

    Four cases in about half a minute, in ms: a stall, a serial server under a burst, two kinds of service time, random
    arrivals. Right means: every percentile within 5% or 2 ms, and, in the last two, 95% of the
    events within 2 ms.

    Exit code: 0 all right, 1 one is not (on a busy machine, look at what else it does).
    """
    from labkit.experiments import selftest as bench

    right: dict[str, int] = {}
    for _ in range(repeats):
        for found in bench.readings():
            click.echo(f"{found}\n")
            right[found.case] = right.get(found.case, 0) + found.is_right
    if repeats > 1:
        for case, count in right.items():
            click.echo(f"right {count} of {repeats}: {case}")
    sys.exit(MEASURED if min(right.values()) == repeats else INVALID)


@main.command("list")
def list_() -> None:
    """All strategies, a line each."""
    from labkit.strategies import NAMES, strategy

    for name in NAMES:
        click.echo(f"{name:18} {strategy(name).about}")
    click.echo(f"\nModes: {', '.join(MODES)}. (eventlet is deprecated upstream, and not measured.)")
