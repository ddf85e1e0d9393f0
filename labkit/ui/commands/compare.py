"""The command ``labkit compare``: measure strategies with one kind of work, show them, keep every run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.plan.modes import MODES
from labkit.ui.commands import expecting, session
from labkit.ui.commands.compare_request import Request
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.experiments.compare import Ordered
    from labkit.experiments.diagnosis import Diagnosis
    from labkit.experiments.settings import Settings
    from labkit.plan.calibration import Expected
    from labkit.plan.schedules import Schedule
    from labkit.plan.work import Work
    from labkit.runs.comparison import Comparison
    from labkit.runs.run import Run
    from labkit.runs.verdicts import Verdicts

#: Of a folder of results: where the runs of one greedy client are, which are another comparison.
ONE_CLIENT = "one-client"


class _Compare(click.Command):
    """With ``--serve`` it is about servers, and has the options of that: one name for what people ask, two parsers."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if not any(word == "--serve" or word.startswith("--serve=") for word in args):
            return super().make_context(info_name, args, parent, **extra)
        from labkit.ui.commands.one_app import servers

        return servers.make_context(info_name, args, parent, **extra)


@click.command(cls=_Compare)
@click.argument("target", required=False)
@click.option(
    "--serve",
    metavar="MODULE:NAME",
    expose_value=False,
    help="Instead, your app as it is under several servers and interpreters: labkit compare --serve shop:app --help",
)
@click.option(
    "--events", type=int, help="How many events.  [default: 10, with --rate 20; fewer where --data has fewer values]"
)
@click.option("--burst", type=int, metavar="N", help="So many at one instant.  [default: all]")
@click.option("--every", type=float, metavar="S", help="Seconds between two bursts, where events exceed a burst.")
@click.option("--rate", type=float, metavar="HZ", help="Events per second, evenly spaced, instead of a burst.")
@click.option("--poisson", is_flag=True, help="With --rate: random arrivals of that mean rate.")
@click.option(
    "--load", type=float, metavar="RHO", help="Random arrivals that ask for this share of one core; 0.9 is 90%."
)
@click.option("--seconds", type=float, metavar="S", help="With --load: how long events arrive.  [default: 5]")
@click.option("--strategies", metavar="A,B,...", help="Which, by name.  [default: the usual ones of the mode]")
@click.option(
    "--repeats",
    type=int,
    help="Runs of each, interleaved in random order.  [default: 3; fewer where the example job is slow]",
)
@click.option(
    "--connections",
    type=int,
    help="Clients that send in turn; 1: a greedy one.  [default: 10, or one an event where there are fewer]",
)
@click.option(
    "--mix",
    multiple=True,
    metavar="KIND=SHARE:WORK",
    help="Instead of TARGET, once for each kind of event: --mix chat=0.9:cpu:1ms --mix export=0.1:cpu:200ms",
)
@click.option("--apart", is_flag=True, help="With --mix: each client sends events of one kind only.")
@click.option("--app", metavar="PKG.MODULE:CREATE_APP", help="Run a function of yours inside this Flask app's context.")
@click.option(
    "--data",
    metavar="JSON|FILE",
    help="What events carry: JSON for all, or a file with a value a line, each sent once if there are enough.",
)
@click.option("--calls", is_flag=True, help="Say how often a function of yours would be called, and stop.")
@click.option(
    "--answers-differ", is_flag=True, help="They differ by nature, as a time does: recommend although none was checked."
)
@click.option(
    "--mode",
    default="threading",
    show_default=True,
    help=f"What serves: {', '.join(MODES)}; all but the first in a child process.",
)
@click.option("--ping-interval", type=float, metavar="S", help="Of the server's heartbeat.  [default: 25]")
@click.option(
    "--ping-timeout", type=float, metavar="S", help="A client that says nothing for so long is dropped.  [default: 20]"
)
@click.option(
    "--option", multiple=True, metavar="NAME=VALUE", help="Of SocketIO(...), such as max_http_buffer_size=5000000."
)
@click.option("--network", metavar="DELAY,JITTER,LOSS", help=session.NETWORK)
@click.option("--seed", type=int, default=0, show_default=True, help="Of payloads, arrivals and the order of runs.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
@expecting.options
def compare(out: Path | None, json_: bool, **asked: Any) -> None:
    """Measure strategies with one kind of work, and say what it did to its caller and to everybody else.

    TARGET is the work of one event:

    \b
    (none)               the example job, sized so that all of it takes less than a minute here
    prices               the example job on all of its data: when did GOOG last move like this?
    cpu:100ms            pure Python that holds the GIL
    io_wait:100ms        waiting, as for a database
    cpu_nogil:100ms      C code that releases the GIL
    package.module:name  a function of yours; it gets the event's number, or nothing if it takes nothing

    Ten clients send an event each at the same instant, to a real server that runs in this process. A bystander on a
    connection of its own only pings. For one greedy client that sends everything the answer may be another, so the
    strategies for which that matters are measured with it, too; --connections 1 measures all of them so. --load 0.9
    asks for 90% of one core's time instead, for some seconds: what becomes of everybody when much arrives, and with
    --load 1.5 when too much does. --mode puts the server into a child process, under what an app is deployed with.
    (eventlet is deprecated upstream and not measured.)

    --expect judges each strategy of the table, all its runs together: by p50 to p99.9, max or mean of own, bystander,
    handler_blocking and connection_blocked (ms, s), by goodput (%), rate (/s), and counts such as lost, failed or
    order.overtaken. What too few events support, or an invalid run shows, cannot be told, and is never a pass.

    Exit code: 0 measured, 1 a run is invalid or lost events, 2 wrong usage, 3 an expectation does not hold, 4 of one
    nobody can tell (3 and 4 come before 1). Answers that failed, are wrong, or cannot be read by a page are results:
    they are told below the table, and count as never answered.
    """
    request = Request(expected=expecting.Asked.of(asked), **asked)
    request.require_sense()
    with session.results(out, "run-*.json", "the runs of an earlier comparison") as folder:
        _Comparing(request, folder, json_).run()


class _Comparing(Session):
    """One ``labkit compare``."""

    def __init__(self, request: Request, folder: Path, json_: bool) -> None:
        super().__init__(json_)
        self.request, self.folder = request, folder
        self.names: tuple[str, ...] = ()
        self.result: Comparison | None = None
        self.greedy: Comparison | None = None  # the same of one client that sends everything
        self.diagnosis: Diagnosis | None = None
        self.scope = ""

    @property
    def kept(self) -> str:
        if self.result is None:
            return ""
        runs = len(self.result.runs)
        return f" after {session.counted(runs, 'run')}, which {'is' if runs == 1 else 'are'} kept"

    def measure(self) -> None:
        from labkit.experiments.compare import ordered
        from labkit.experiments.foreseen import foreseen
        from labkit.ui import terminal
        from labkit.ui.commands import example_job

        asked = self.request
        example = example_job.sized() if asked.work is None else None
        work = example.work if example is not None else asked.work
        assert work is not None
        calls = asked.counted_calls(work)
        if asked.calls:
            click.echo(calls or f"{work.name} is the lab's own work, and no function of yours is called.")
            sys.exit(MEASURED)
        if calls:
            self._say(calls)
        plan, shown, settings = self._asked(work)
        expected = settings["expected"]
        assert expected is not None
        fitted = example and example.fitted(
            expected.mean_service_ms, plan, len(asked.chosen) + len(asked.greedy), asked.repeats, asked.mode
        )
        repeats = fitted.repeats if fitted else asked.repeats or example_job.REPEATS
        # Whatever can be refused is refused here, before anything is on screen.
        order = ordered(asked.chosen, work, plan, repeats=repeats, seed=asked.seed, **settings)
        self.names = order.names
        greedy = None
        if asked.greedy:
            greedy = ordered(asked.greedy, work, asked.greedy_plan, repeats=repeats, seed=asked.seed, **settings)
        self.scope = terminal.scope(asked.mode, shown, work, expected.mean_service_ms)
        if fitted:
            # What kind of work the example job is can wait until a first run is on screen.
            self._say(fitted.sentence)
        else:
            self._diagnose(work, expected)
        self._say(self.scope)
        self._begin_anew(work, expected)
        if again := asked.repeated(len(plan)):
            self._say(again)
        for sentence in foreseen(expected, asked.mode, order.options):
            self._say(sentence)
        if not expected.checked:
            self._say("Answers are not checked: the work gives different ones for the same data.")
        self._run_all(order, greedy)

    def _asked(self, work: "Work") -> "tuple[Schedule, str, Settings]":
        """The plan, how the first line calls it, and the settings that belong to it; the work is calibrated here."""
        from labkit.plan.calibration import expected_answers

        asked = self.request
        if asked.load is None:
            expected = expected_answers(work, asked.plan)
            return asked.plan, asked.plan.name, {**asked.serving, "expected": expected}
        found = asked.offered(work)
        # Work that waits takes no core's time, and how much of it is possible at once is the strategy's own.
        computes = sum(found.expected.cpu_ms) > sum(found.expected.service_ms) / 2
        of_what = "one core" if computes else "what one at a time can do"
        return found.plan, f"{found.plan.name}, {asked.load:.0%} of {of_what}", {**found.settings, **asked.serving}

    def _run_all(self, order: "Ordered", greedy: "Ordered | None") -> None:
        from labkit.base import interrupts
        from labkit.ui import terminal

        with terminal.progress(self.console, len(order) + (len(greedy) if greedy else 0)) as screen:
            for run in interrupts.each(order.runs()):
                self.result = self._kept(run, self.result, self.folder)
                screen.update(self.result, run)
                if self.diagnosis is None and not run.kinds:
                    self._diagnose(order.work, order.turns[0][1].get("expected"))
            for run in interrupts.each(greedy.runs() if greedy else ()):
                self.greedy = self._kept(run, self.greedy, self.folder / ONE_CLIENT)
                assert self.result is not None
                screen.update(self.result, run)

    def _begin_anew(self, work: "Work", expected: "Expected") -> None:
        """Of work that keeps something from call to call, each run is to find nothing that the one before has left."""
        if not expected.state and not (self.diagnosis and self.diagnosis.state):
            return
        if work.place is not None and MODES[self.request.mode].is_in_process:
            work.place.is_renewed = True
            self._say("It keeps something from call to call, so each run begins in a process of its own.")

    def _diagnose(self, work: "Work", expected: "Expected | None" = None) -> None:
        from labkit.experiments.diagnose import diagnose
        from labkit.plan.mix import Mix

        asked = self.request

        if isinstance(work, Mix):
            # Each kind by itself, and no recommendation: what is right for one may be wrong for another.
            for part in work.parts:
                self._say(f"{part.kind}: {diagnose(part.work, mode=asked.mode, seed=asked.seed)!r}")
            return
        self.diagnosis = diagnose(work, mode=asked.mode, expected=expected, seed=asked.seed)
        self._say(repr(self.diagnosis))

    def _keep_output(self) -> Path | None:
        """Where what the reader's code printed is kept; None where it printed nothing."""
        work, path = self.request.work, self.folder / "output.txt"
        return path if work is not None and work.place is not None and work.place.keep_output(path) else None

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)

    def _kept(self, run: "Run", before: "Comparison | None", folder: Path) -> "Comparison":
        """Every run goes to disk at once: what is measured is never lost."""
        from labkit.runs.comparison import Comparison, file_name

        runs = () if before is None else before.runs
        run.save(folder / file_name(len(runs), run))
        return Comparison((*runs, run), names=self.names)

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit import plots
        from labkit.plan.link import Link
        from labkit.plots import style
        from labkit.ui import terminal

        result = self.result
        assert result is not None
        output = self._keep_output()
        figure = style.save(lambda: plots.overview(result), self.folder / "overview.png")
        by_kind = None
        if result.kinds:
            by_kind = style.save(lambda: plots.by_kind(result), self.folder / "by-kind.png")
        result.save_about(self.folder)
        greedy = self.greedy
        if greedy is not None:
            greedy.save_about(self.folder / ONE_CLIENT)
        differ = self.request.answers_differ
        advice = terminal.advice(self.diagnosis, result if greedy is None else result + greedy, answers_differ=differ)
        scope = early[:1].lower() + early[1:] if early else self.scope
        one_client = [] if greedy is None else [summary.to_dict() for summary in greedy.summaries]
        notes = [*result.notes, *(greedy.out_of_order if greedy is not None else ())]
        more = {"load": self.request.load, "one_client": one_client, "notes": notes, **advice.json}
        link = self.request.serving.get("network")
        more["network"] = link.to_dict() if isinstance(link, Link) else None
        more["output"] = None if output is None else str(output)
        # What is not there yet cannot be judged, and an early end has an exit code of its own.
        verdicts = None if early else self.request.expected.judge(result)
        more["expectations"] = None if verdicts is None else [verdict.to_dict() for verdict in verdicts]
        text = terminal.as_json(result, scope_line=scope, figure=figure, folder=self.folder, more=more)
        session.write(self.folder / "summary.json", text)
        if early:
            self._say(early)
        if self.json:
            click.echo(text)
        else:
            self._show(result, advice.text, verdicts)
            if by_kind is not None:
                self.say(f"Kinds:  {by_kind}")
            self.say(f"Figure: {figure}", f"Runs:   {self.folder}")
            if output is not None:
                self.say(f"Output: {output}, what {self.request.target} printed")
        if not early:
            everything = result if greedy is None else result + greedy
            self.request.expected.tell(
                self.scope, result, verdicts, sum(run.conditions.duration_s for run in everything.runs)
            )
        sys.exit(code or expecting.code(verdicts) or self._validity)

    def _show(self, result: "Comparison", advice: str, verdicts: "Verdicts | None") -> None:
        """What was measured, what follows, and whether it is as expected."""
        from labkit.ui import terminal

        self.console.print(terminal.final(result, self.console.width))
        if self.greedy is not None:
            self._say(f"\nThe same from one client that sends everything ({self.greedy.runs[0].plan.name}):")
            self.console.print(terminal.table(self.greedy, self.console.width))
            for note in self.greedy.out_of_order:
                self._say(note)
        self._say(advice)
        if result.kinds:
            self._say(result.by_kind().text())
        if verdicts is not None:
            self.console.print(terminal.verdicts(verdicts))

    @property
    def _validity(self) -> int:
        """The exit code of what was measured, whatever was expected."""
        assert self.result is not None
        everything = self.result if self.greedy is None else self.result + self.greedy
        lost = any(s.lost or s.unaccounted for s in everything.summaries)
        return INVALID if lost or not everything.is_valid else MEASURED
