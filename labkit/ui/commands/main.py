"""The command ``labkit``: the group of all commands, and how their errors are told."""

import contextlib
import importlib.metadata
import io
import sys
from typing import Any

import click

from labkit.base import errors, interrupts
from labkit.ui.commands.browser import browser
from labkit.ui.commands.capacity import capacity
from labkit.ui.commands.claims import claims
from labkit.ui.commands.compare import compare
from labkit.ui.commands.crossover import crossover
from labkit.ui.commands.delivery import delivery
from labkit.ui.commands.diff import diff
from labkit.ui.commands.doctor import doctor
from labkit.ui.commands.fire import fire
from labkit.ui.commands.gate import gate
from labkit.ui.commands.locust import locust
from labkit.ui.commands.redact import redact
from labkit.ui.commands.render import render
from labkit.ui.commands.report import report
from labkit.ui.commands.run import run
from labkit.ui.commands.selftest import selftest
from labkit.ui.commands.servers import servers
from labkit.ui.commands.session import INVALID, WRONG_USAGE, sentence
from labkit.ui.commands.strategies import list_, show
from labkit.ui.commands.trace import trace
from labkit.ui.commands.watch import watch
from labkit.ui.commands.worker import worker


class _Told(click.ClickException):
    """What click has to say of a command line, as labkit says it."""

    exit_code = WRONG_USAGE

    def show(self, file: Any = None) -> None:
        click.echo(f"labkit: {self.format_message()}", err=True)


def _as_labkit_says_it(error: click.UsageError) -> click.ClickException:
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
            raise _as_labkit_says_it(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with interrupts.remembered():
                return super().invoke(ctx)
        except click.UsageError as error:
            raise _as_labkit_says_it(error) from error
        except errors.UsageError as error:
            click.echo(f"labkit: {error}", err=True)
            ctx.exit(WRONG_USAGE)
        except errors.LabError as error:
            click.echo(f"labkit: {error}", err=True)
            ctx.exit(INVALID)
        except KeyboardInterrupt as interrupt:
            said = interrupts.said(interrupt)
            told = f"{said[:1].lower()}{said[1:]} before the first run was measured, so nothing was kept"
            click.echo(f"labkit: {told}", err=True)
            ctx.exit(interrupts.exit_code(interrupt))

    def main(self, *args: Any, **extra: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal's encoding does not have (LANG=C) is no reason to end.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **extra)
        except (OSError, MemoryError, ImportError) as error:  # but for a closed pipe, which click ends by
            if isinstance(error, ImportError):
                if not any(sign in str(error) for sign in _NO_ROOM):
                    raise
                error = MemoryError()
            with contextlib.suppress(OSError):
                click.echo(f"labkit: {sentence(error)}", err=True)
            sys.exit(INVALID)


#: How a dynamic linker says that there is no memory for a library.
_NO_ROOM = ("failed to map segment", "Cannot allocate memory")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(importlib.metadata.version("labkit"), prog_name="labkit")
def main() -> None:
    """Measure what Flask-SocketIO event handlers do to the people at the other end.

    \b
    labkit compare                         the example job, eight strategies, in under a minute
    labkit compare mypkg.jobs:price        the same for a function of yours
    labkit diff FOLDER FOLDER              two results side by side: slower, faster, or nobody can tell
    labkit show process-pool               a strategy as a complete app to start from
    labkit capacity thread process-pool    how many events a second they take
    labkit delivery                        what a kill -9 loses behind a queue: Celery as it is, and a recipe
    labkit crossover                       who holds a bound, over service time, load and workers
    labkit list                            all strategies, a line each
    labkit selftest                        does labkit read what is true?
    labkit render                          ways of updating a page, in a real browser
    labkit claims                          the advice, line by line: what holds on this machine
    labkit fire http://127.0.0.1:5000      events to your own app: who waits how long
    labkit locust http://my.cluster        a locustfile, for load from several machines
    labkit redact IN OUT                   the secrets out of recorded traffic, which fire replays
    labkit gate --base main --app m:app    is this version of your app slower than that one?
    labkit servers                         a broadcast across several servers, and one that ends
    labkit compare --serve m:app           your app under several servers and interpreters
    labkit run app.py                      the same app from inside: where each event's time goes
    labkit watch                           the same while it runs, in a second terminal
    labkit report FOLDER                   what such a run has seen, again
    labkit worker mypkg.jobs:price         processes of the strategy celery, here or on other machines
    labkit browser                         which browsers there are, and what is missing
    labkit trace recording.json            what a recording of Chrome's shows of a page
    labkit doctor                          what is installed, what will be skipped, how to get it
    """


for each in (
    compare,
    diff,
    show,
    list_,
    capacity,
    delivery,
    crossover,
    selftest,
    servers,
    claims,
    render,
    browser,
    trace,
    fire,
    locust,
    redact,
    gate,
    run,
    watch,
    report,
    worker,
    doctor,
):
    main.add_command(each)
