"""The command ``labkit run``: an app as it is, looked into."""

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import labkit
from labkit.base import foreground
from labkit.base.clock import utc_stamp
from labkit.base.errors import LabError, UsageError
from labkit.ui.commands.session import counted, results, sentence

if TYPE_CHECKING:
    from labkit.inside.run_folder import Ran

#: Of the process that looks, so that nobody looks twice.
_BOOT = Path(labkit.__file__).parent / "inside" / "boot"


class _Program(click.Command):
    """Remembers whether ``--`` stood before what is to be started: then it names a program, not a file of Python's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        command = ctx.params.get("command") or ()
        ctx.params["program"] = len(given) > len(command) and given[-len(command) - 1] == "--"
        return rest


@click.command(cls=_Program, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", metavar="PACKAGE", help="Start a package or module, as python -m does.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep records there.  [default: labkit-results/TIME]")
@click.option("--events", type=click.IntRange(min=1), help="Events kept, 0.3 kB each.  [default: the last 65536]")
@click.option(
    "--record-payloads",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write every event with what it carries to FILE, for labkit fire --replay; known secrets are taken out.",
)
@click.option("--otel", is_flag=True, help="Make OpenTelemetry spans and metrics too; where they go, the app says.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(
    module: str | None,
    out: Path | None,
    events: int | None,
    record_payloads: Path | None,
    otel: bool,
    command: tuple[str, ...],
    program: bool,
) -> None:
    """Start your app as it is, and see where each event's time goes.

    \b
    labkit run app.py --port 8000          instead of  python app.py --port 8000
    labkit run -m shop                     instead of  python -m shop
    labkit run -- flask run                what follows -- is started as it stands
    labkit run -- gunicorn -k gthread --threads 100 app:app
    labkit run -- uvicorn app:app
    labkit run --out before app.py         labkit's own options come first
    labkit report before                   its page again; with --text, its tables

    Nothing in the app is changed: its output, its exit code and the signals that it gets are as without labkit. Each
    Socket.IO server that it makes is looked into, in every process of it. When the app ends (press Ctrl-C), standard
    error has a table of its events, of its connections, what follows from them in words, and where the page is that
    shows all of it.

    What is kept: names of events, sizes, times. No payloads, no session ids, no rooms. With --record-payloads FILE,
    what clients send goes there as JSON Lines while the app runs, 2 GB at most; secrets are known by the names of
    fields and by their form (labkit redact --help): look at what was written before you give it away. A further
    process of the app writes beside it.

    A program after -- is the one beside this labkit's own Python where there is one, else the one that PATH finds.

    Exit code: the app's own; 128 and the number of the signal that ended it. 2 it could not be started.
    """
    started = _command(module, command, program)
    if record_payloads is not None:
        _require_new(record_payloads)
    recording = None if record_payloads is None else str(record_payloads.resolve())
    with results(out, "server-*", "records") as folder:
        sys.exit(_run(started, folder.resolve(), {"events": events, "recording": recording, "otel": otel}))


def _require_new(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} is there already: name a new file for what is recorded")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError(f"{file.parent} is no folder that can be written to: name another file for what is recorded")


def _command(module: str | None, command: Sequence[str], program: bool) -> list[str]:
    """What is started, as a list of arguments.

    Raises:
        UsageError: it says nothing to start, or names what is not there.
    """
    if module is not None:
        return [sys.executable, "-m", module, *command]
    if not command:
        raise UsageError("name what to start: labkit run app.py, or labkit run -- gunicorn app:app")
    first = command[0]
    if not program:
        if Path(first).exists():
            return [sys.executable, *command]
        if not first.endswith(".py") and _found(first):
            raise UsageError(f"{first} is a program and no file: write labkit run -- {' '.join(command)}")
        raise UsageError(f"{first} is not there: name a file of Python's, or a program after --")
    found = _found(first)
    if found is None:
        raise UsageError(f"the program {first} was not found: install it beside labkit, or give its path")
    return [found, *command[1:]]


def _found(program: str) -> str | None:
    return shutil.which(foreground.sibling(program, sys.executable))


def _run(command: Sequence[str], folder: Path, options: Mapping[str, Any]) -> int:
    """Run it, show what was seen, and hand on its exit code."""
    from labkit.inside import run_folder, running
    from labkit.inside.asking import ask

    ran = run_folder.Ran(command=tuple(command), started_utc=utc_stamp())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run_folder.write(folder, ran)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to ({error.strerror}): name a folder with --out") from error
    code = None
    try:
        code = foreground.run(command, _environment(folder, options), lambda: ask(folder))
        running.wait_for_end(folder)
        ran = dataclasses.replace(run_folder.read(folder), exit_code=code)
        run_folder.write(folder, ran)
        _show(ran, folder)
    finally:
        if code is None or not ran.served:
            (folder / "run.json").unlink(missing_ok=True)
    return code


def _environment(folder: Path, options: Mapping[str, Any]) -> dict[str, str]:
    from labkit.inside.instrument import EVENTS_KEPT

    told = {
        "folder": str(folder),
        "package": str(Path(labkit.__file__).resolve().parent),
        "events": options["events"] or EVENTS_KEPT,
        "payloads": False,
        "recording": options["recording"],
        "otel": options["otel"],
    }
    before = os.environ.get("PYTHONPATH")
    path = str(_BOOT.resolve()) + (os.pathsep + before if before else "")
    return {**os.environ, "PYTHONPATH": path, "LABKIT_RUN": json.dumps(told)}


def _show(ran: "Ran", folder: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    from labkit.ui import inside_tables, report_page

    # Standard output is the app's alone: what reads it must not find tables there.
    console = Console(stderr=True)
    looked = inside_tables.last(ran)
    inside_tables.show(ran, console, looked)
    for line in _recorded(folder):
        console.print(Text(line), soft_wrap=True)
    if not ran.served:
        return
    try:
        report_page.keep_machine(folder)
        said = f"The page: {report_page.write(ran, folder, looked=looked)}"
    except (LabError, OSError) as error:  # the app has ended as it has, whatever becomes of the page
        said = f"labkit: {sentence(error)}"
    console.print(Text(said), soft_wrap=True)


def _recorded(folder: Path) -> Iterator[str]:
    """What was recorded with what it carries, a line each; nothing where nobody asked."""
    from labkit.inside import run_folder

    found = run_folder.recording(folder)
    if not found.files and not found.missing:
        return
    out = ", ".join(f"{count:,} {kind}" for kind, count in found.redacted.items())
    yield f"Recorded {counted(found.events, 'event')}; secrets taken out: {out or 'none'}."
    for file in found.files:
        yield f"The recording: {file}"
    for why, count in found.missing.items():
        yield f"Not recorded: {count:,} that {why}."
