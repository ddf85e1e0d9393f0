"""The command ``labkit watch``: what an app does now, in a second terminal."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.base import clock, interrupts
from labkit.base.clock import NS_PER_S
from labkit.ui.commands.session import INVALID, RESULTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from labkit.inside.recent import Recent
    from labkit.inside.running import Running

#: Shown so often, and asked for so often, in seconds.
EVERY_S, ASKED_S = 0.5, 1.0

#: So long an app may take for its first word; and after so long without another it is said that there is none.
FIRST_WORD_S, SILENT_S = 10.0, 3.0


#: The letter, and Escape.
_ENDS_IT = ("q", "Q", "\x1b")


class Silent(Exception):
    """The app has not said anything yet."""


class Listening:
    """Asks the processes of a folder what they do, and hears it.

    Args:
        folder: of a run, or of one of its servers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked_ns = -NS_PER_S * 1_000
        self._there: tuple[Running, ...] = ()
        self._heard: set[Path] = set()

    def hear(self) -> "list[Recent] | None":
        """What each says now; nothing of one that has not answered yet; None where none runs, or will.

        Raises:
            RecordError: the app's labkit is a newer one.
        """
        from labkit.inside import published, running

        now = clock.now_ns()
        if now - self._asked_ns >= ASKED_S * NS_PER_S:
            self._asked_ns = now
            before, self._there = self._there, running.in_folder(self._folder)
            for gone in {each.folder for each in before} - {each.folder for each in self._there}:
                published.forget(gone)  # it may have been killed
            for each in self._there:
                with suppress(OSError):  # it has just ended
                    published.want(each.folder)
        if not self._there:
            return [] if running.awaits(self._folder) else None
        found = []
        for each in self._there:
            told = published.read(each.folder)
            if told is None:
                continue
            # What is there at first may be what it said to somebody else, long ago.
            if each.folder in self._heard or not _is_old(told[1], ASKED_S):
                self._heard.add(each.folder)
                found.append(told[1])
        return found

    @property
    def is_awaited(self) -> bool:
        """Whether nobody has connected to the app yet."""
        return not self._there

    @property
    def are_heard(self) -> bool:
        """Whether all have answered."""
        return all(each.folder in self._heard for each in self._there)


def _is_old(recent: "Recent", after_s: float) -> bool:
    return clock.now_ns() - recent.taken_ns > after_s * NS_PER_S


@click.command()
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option("--json", "json_", is_flag=True, help="One JSON object a line, twice a second; with --once a single one.")
@click.argument("target", required=False, metavar="[FOLDER|PID|URL]")
def watch(target: str | None, once: bool, json_: bool) -> None:
    """See what an app does now, in a second terminal.

    \b
    labkit run app.py                      in one terminal
    labkit watch                           in another one: the run in labkit-results that began last
    labkit watch 4711                      the app of that process
    labkit watch http://127.0.0.1:5000     the app that serves there, on this machine
    labkit watch --once --json             for scripts

    By event: how many came in the last minute, how many a second, how long they waited for their handler and how long
    that took, and the longest wait: for whom, and for which line of yours. Twice a second; q or Ctrl-C ends it, and the
    app does not notice. An app of its own start says the same after labkit.instrument(socketio).publish().

    No port is opened: the app writes a small file into the run's folder, while somebody watches.

    Exit code: 0 shown, 1 the app ended, or did not answer, before there was anything to show, 2 no such app.
    """
    from labkit.inside import running

    listening = Listening(running.folder_of(target, RESULTS))
    try:
        if json_:
            _lines(listening, once)
        elif once or not sys.stdout.isatty():
            _print(_first(listening))
        else:
            _live(listening)
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, interrupts.Terminated):
            sys.exit(interrupts.exit_code(interrupt))
    except Silent as silent:
        click.echo(f"labkit: {silent}", err=True)
        sys.exit(INVALID)


def _first(listening: Listening) -> "list[Recent]":
    """What is heard first, of all processes.

    Raises:
        Silent: nothing is.
    """
    until_ns = clock.now_ns() + round(FIRST_WORD_S * NS_PER_S)
    heard: list[Recent] | None = []
    while clock.now_ns() < until_ns:
        heard = listening.hear()
        if heard is None:
            raise Silent("the app has ended: labkit report FOLDER shows what was seen")
        if heard and listening.are_heard:
            return heard
        clock.sleep(EVERY_S / 5)
    if not heard and listening.is_awaited:
        raise Silent("nobody has connected to the app yet: connect a client, then watch it again")
    if not heard:
        raise Silent("the app does not answer: it is stopped, or something holds its GIL")
    return heard


def _lines(listening: Listening, once: bool) -> None:
    heard: list[Recent] | None = _first(listening)
    while heard is not None:
        processes = [json.loads(recent.to_bytes()) for recent in heard]
        click.echo(json.dumps({"taken_ns": clock.now_ns(), "processes": processes}))
        sys.stdout.flush()
        if once:
            return
        clock.sleep(EVERY_S)
        heard = listening.hear()


def _print(heard: "list[Recent]") -> None:
    from rich.console import Console

    from labkit.ui import live_table

    console = Console()
    console.print(live_table.of(heard, console.width))


def _live(listening: Listening) -> None:
    from rich.console import Console
    from rich.live import Live

    from labkit.ui import keys

    console = Console()
    shown: list[Recent] = []
    ended = False
    live = Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop")
    with suppress(KeyboardInterrupt), keys.pressed() as key, live:
        for heard in _refreshed(listening):
            shown = heard or shown
            live.update(_screen(heard, console.width, console.height), refresh=True)
            if key(EVERY_S) in _ENDS_IT:
                break
        else:
            ended = True
    if shown:
        _print(shown)
    if ended:
        console.print("The app has ended.", style="dim")


def _refreshed(listening: Listening) -> "Iterator[list[Recent]]":
    while (heard := listening.hear()) is not None:
        yield heard


def _screen(heard: "list[Recent]", width: int, height: int) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    from labkit.ui import live_table

    if not heard:
        return Text(
            "Waiting for the app's first word: it comes within a second, or with its first client.", style="dim"
        )
    silent = [each for each in heard if _is_old(each, SILENT_S)]
    notes = [
        Text(
            f"Process {each.pid} has said nothing for {(clock.now_ns() - each.taken_ns) / NS_PER_S:.0f} s: "
            "it is stopped, or something holds its GIL.",
            style="bold red",
        )
        for each in silent
    ]
    return Group(*notes, live_table.of(heard, width, height - len(notes) - 1), Text("q ends this", style="dim"))
