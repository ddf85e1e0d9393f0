"""The command ``labkit gate``: two versions of an app, one against the other, for a pull request's check."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from labkit.base import clock, interrupts
from labkit.base.errors import NotStarted, UsageError
from labkit.ui.commands import expecting, session
from labkit.ui.commands.duration import Duration
from labkit.ui.commands.fire import fire
from labkit.ui.commands.fire_request import Asked
from labkit.ui.commands.session import INVALID, MEASURED, Session

if TYPE_CHECKING:
    from labkit.base.checkout import Source
    from labkit.experiments.gate import Gate
    from labkit.runs.gate import Judgement
    from labkit.runs.run import Run
    from labkit.runs.verdicts import Verdicts

#: Exit codes beside those of every command.
SLOWER, UNKNOWN, NOT_AS_EXPECTED, BASE_FAILS, HEAD_FAILS = 3, 4, 5, 6, 7

#: So many figures are seen from outside: own and bystander, p50 and p98.
_FIGURES = 4


@click.command()
@click.option("--base", required=True, metavar="REF|FOLDER", help="The version to compare with.")
@click.option("--head", default=".", show_default=True, metavar="FOLDER|REF", help="The version that may be slower.")
@click.option("--app", default="", metavar="MODULE:NAME", help="A Flask app with Flask-SocketIO, or its SocketIO.")
@click.option("--cmd", default="", metavar="COMMAND", help="Or what starts it: 'python shop.py --port {port}'.")
@click.option("--repeats", type=int, default=10, show_default=True, help="Rounds, of three runs each.")
@click.option("--start-timeout", type=Duration(), default=30.0, help="Within which a version listens.  [default: 30]")
@click.option(
    "--resolution",
    type=float,
    default=1.5,
    show_default=True,
    metavar="FACTOR",
    help="Nobody can tell where a larger slowdown might be hidden.",
)
@click.option("--expect", multiple=True, metavar="LINE", help="Such as 'own.p98 < 1.1 * base', 'lost == 0'; several.")
@click.option("--expect-file", type=click.Path(path_type=Path), metavar="TOML", help="The same from a file.")
@click.option("--summary", type=click.Path(path_type=Path), metavar="FILE", help="Append Markdown to it.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the verdicts as JUnit's XML.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.  [default: labkit-results/TIME]")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of the table.")
def gate(out: Path | None, json_: bool, **asked: Any) -> None:
    """Is this version of your app slower than that one?

    \b
    labkit gate --base main --app shop:app --event price --data '{"item": "{counter}"}' --response ack
        the working tree against the branch main, the plan and the options as of labkit fire
    labkit gate --base ../shop-1.4 --head . --cmd 'python shop.py --port {port}' --expect 'own.p98 < 1.1 * base'

    Each run starts a version in a process of its own, at a free port of this machine: base, base again and head, in an
    order that each round draws anew. A ref is checked out into a temporary folder, a folder is taken as it is; neither
    is edited. --app serves the app as labkit's servers are (threads, Werkzeug); --cmd starts it as you do.

    The base against itself shows what this machine can tell. A difference within that can't be told from noise, and
    where somebody else computes, too, it has to be far above it: the answer is "can't tell", and not an alarm.

    Exit code: 0 not slower, 1 head lost events that base did not, or it failed, 2 wrong usage, 3 slower, 4 nobody can
    tell, 5 not as expected, 6 the base does not start, 7 the head does not start. Where a line of --expect speaks of
    base, these lines decide, and a slower figure by itself is no failure. Ctrl-C keeps the rounds that were measured.
    """
    own = {name: asked.pop(name) for name in _OWN}
    fired = Asked(url="", i_own_this_server=False, **asked)
    expected = expecting.Asked(own["expect"], own["expect_file"])
    _require_sense(expected, own)
    with _versions(own["base"], own["head"]) as (sources, (base, head)), fired.client() as client:
        from dataclasses import replace as with_

        from labkit.experiments.gate import Gate
        from labkit.server.version import Launch

        launch = Launch(own["app"], _words(own["cmd"]), own["start_timeout"])
        name = own["app"] or own["cmd"]
        plan = Gate(
            base, head, launch, lambda url: with_(fired, url=url).aim(client), name, own["repeats"], asked["seed"]
        )
        with session.results(out, "*/run-*.json", "the runs of an earlier command") as folder:
            _Gating(plan, sources, folder, expected, own, json_).run()


#: The command's own options, and those of ``labkit fire``: how a plan is asked for is said in one place.
_OWN = [each.name for each in gate.params if each.name is not None and each.name not in ("out", "json_")]
gate.params += [each for each in fire.params if each.name not in ("url", "i_own_this_server", "out", "json_")]


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"--cmd cannot be read ({str(error).lower()}): quote it as for a shell") from None


def _require_sense(expected: expecting.Asked, own: dict[str, Any]) -> None:
    """UsageError where a line cannot be read, or something cannot be written."""
    expected.require_sense([])
    for path in (own["summary"], own["junit"]):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise UsageError(f"{path} cannot be written, it is a folder or in none: name a file")
    if not 1 < own["resolution"] < 1e6:
        raise UsageError(f"--resolution is a factor above 1, such as 1.5, not {own['resolution']:g}")


@contextlib.contextmanager
def _versions(base: str, head: str) -> "Iterator[tuple[tuple[Source, Source], tuple[Path, Path]]]":
    """Both versions, and the folders in which they lie while the block runs."""
    from labkit.base import checkout, warden

    beside = Path(head) if Path(head).is_dir() else Path()
    sources = (checkout.source(base, beside), checkout.source(head, beside))
    # The warden outlives this process: after a `kill -9` it removes the temporary folders.
    with warden.kept(), checkout.checked_out(sources[0]) as first, checkout.checked_out(sources[1]) as second:
        yield sources, (first, second)


class _Gating(Session):
    """One ``labkit gate``."""

    def __init__(
        self,
        gate: "Gate",
        sources: "tuple[Source, Source]",
        folder: Path,
        expected: expecting.Asked,
        own: dict[str, Any],
        json_: bool,
    ) -> None:
        from labkit.runs.gate import SIDES

        super().__init__(json_)
        self.gate, self.sources, self.folder, self.expected, self.own = gate, sources, folder, expected, own
        self.sides: dict[str, list[Run]] = {name: [] for name in SIDES}
        self.began_ns = clock.now_ns()

    @property
    def rounds(self) -> int:
        """That are whole."""
        return min(map(len, self.sides.values()))

    @property
    def kept(self) -> str:
        return f" after {session.counted(self.rounds, 'round')}, which are kept" if self.rounds else ""

    @property
    def title(self) -> str:
        """What is compared, a line."""
        base, head = self.sources
        return f"Base is {base.told}, head is {head.told}; {self.gate.name}."

    def run(self) -> NoReturn:
        try:
            super().run()
        except NotStarted as error:  # and no round was measured
            click.echo(f"labkit: {error}", err=True)
            sys.exit(_failed(error))

    def measure(self) -> None:
        from labkit.runs import difference
        from labkit.runs.comparison import file_name
        from labkit.ui import fired

        aim = self.gate.aim("http://127.0.0.1:1")
        self.say(self.title, *(f"Note: {note}." for source in self.sources for note in source.notes))
        rounds = session.counted(self.gate.repeats, "round")
        self.say(f"{aim.plan.name}; {fired.asked(aim.exchange.to_dict())}; {rounds} of three runs.")
        if self.gate.repeats < (fewest := difference.enough_for(_FIGURES)):
            self.say(f"Note: so few rounds can tell nothing, give --repeats {fewest} or more.")
        try:
            self.gate.try_both()
            total = self.gate.repeats * len(self.sides)
            for number, (side, run) in enumerate(interrupts.each(self.gate.runs()), 1):
                folder = self.folder / side.replace(" ", "-")
                folder.mkdir(exist_ok=True)
                run.save(folder / file_name(len(self.sides[side]), run))
                self.sides[side].append(run)
                self.say(f"  {number} of {total}: {side}, {_told(run)}")
        except NotStarted as error:
            if not self.kept:
                raise
            self.say(f"Failed{self.kept}: {error}")
            self.finish(_failed(error), f"Failed{self.kept}: {str(error).splitlines()[0]}")

    def finish(self, code: int, early: str = "") -> NoReturn:
        from labkit import plots
        from labkit.plots import style
        from labkit.runs.comparison import Comparison
        from labkit.runs.gate import judge

        judged = judge(self.sides, resolution=self.own["resolution"])
        for name, runs in self.sides.items():
            Comparison(tuple(runs)).save_about(self.folder / name.replace(" ", "-"))
        lines = self.expected.expectations
        found = judged.verdicts(*lines) if lines else None
        figure = style.save(lambda: plots.diff(judged.found), self.folder / "gate.png")
        ends = code or self._code(judged, found)
        self._tell(judged, found, figure, early, ends)
        sys.exit(ends)

    def _code(self, judged: "Judgement", found: "Verdicts | None") -> int:
        from labkit.runs.diff import Direction

        of_base = any(one.of_base for one in self.expected.expectations)
        of_lines = {session.BROKEN: NOT_AS_EXPECTED}.get(expecting.code(found), expecting.code(found))
        of_figures = {Direction.SLOWER: SLOWER, Direction.UNKNOWN: UNKNOWN}.get(judged.direction, MEASURED)
        if of_base:
            return of_lines or (INVALID if judged.loses_more else MEASURED)
        if of_figures == SLOWER:
            return SLOWER
        return (INVALID if judged.loses_more else MEASURED) or of_lines or of_figures

    def _tell(self, judged: "Judgement", found: "Verdicts | None", figure: Path | str, early: str, code: int) -> None:
        from labkit.ui import junit, markdown, terminal

        base, head = self.sources
        told = {
            **judged.to_dict(),
            "base": base.told,
            "head": head.told,
            "app": self.gate.name,
            "rounds": self.rounds,
            "expectations": None if found is None else [verdict.to_dict() for verdict in found],
            "early": early,
            "exit_code": code,
            "notes": [note for source in self.sources for note in source.notes],
            "folder": str(self.folder),
            "figure": str(figure),
        }
        text = json.dumps(told, indent=2, allow_nan=False)
        session.write(self.folder / "gate.json", text)
        verdict = _VERDICTS.get(code, early or "Ended early.")
        if self.own["summary"] is not None:
            notes = [early, *told["notes"]] if early else told["notes"]
            markdown.append(self.own["summary"], markdown.of_gate(verdict, self.title, judged, found, notes))
        if self.own["junit"] is not None:
            seconds = (clock.now_ns() - self.began_ns) / clock.NS_PER_S
            session.write(self.own["junit"], junit.of_changes(judged.found, found, seconds=seconds))
        if early:
            self.say(early)
        if self.json:
            click.echo(text)
            return
        self.console.print(terminal.changes(judged.found))
        if judged.loses_more:
            self.say(judged.sentences[0])
        if found is not None:
            self.say(repr(found))
        self.say(f"Figure: {figure}", f"Runs:   {self.folder}", verdict)


_VERDICTS = {
    MEASURED: "Not slower.",
    INVALID: "Head lost events that base did not.",
    SLOWER: "Slower.",
    UNKNOWN: "Can't tell.",
    NOT_AS_EXPECTED: "Not as expected.",
}


def _failed(error: NotStarted) -> int:
    from labkit.runs.gate import BASE

    return BASE_FAILS if error.version == BASE else HEAD_FAILS


def _told(run: "Run") -> str:
    from labkit.base.text import milliseconds
    from labkit.runs.summary import Distribution

    own = Distribution.of(run.own_ms)
    median = f"own p50 {milliseconds(own.p50_ms)} ms" if len(own) else "no answers"
    return f"{median}{f', {run.lost} lost' if run.lost else ''}{'' if run.is_valid else ', INVALID'}"
