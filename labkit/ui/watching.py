"""``lab.watch``: what a server does, in a notebook's cell.

A kernel gets no thread of labkit's that goes on after a cell, so nothing here refreshes itself: a call shows what is
now, and a ``with`` block what happened in it.
"""

import sys
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Self

from labkit.base.errors import UsageError

if TYPE_CHECKING:
    from labkit.experiments.seen import Seen
    from labkit.inside.recent import Recent
    from labkit.inside.record import Record
    from labkit.inside.watched import Watched

#: Characters of a line in a cell's output.
_WIDTH = 120

_ATTRIBUTE = "_labkit_inside"


def watch(thing: Any, *, show: bool = True) -> "Watching":
    """Show what a server does: by event, how often, how long it waits and for whom.

    In a notebook::

        lab.watch(socketio)  # the last minute, once; the first call begins to look
        with lab.watch(server) as watching:  # what happens in the block, shown at its end
            lab.fire(server, plan)
        watching.seen  # the same for figures and claims: who made whom wait, and at which line

    In a terminal, ``labkit watch`` shows the same of another process, live.

    Args:
        thing: ``flask_socketio.SocketIO``, ``socketio.Server``, ``socketio.AsyncServer``, what ``lab.serve`` or
            ``lab.instrument`` gave.
        show: a block, at its end.

    Raises:
        UsageError: it is none of these, or serves in a process of its own.
        ServerError: the installed version of a library has other private names; nothing was changed.
    """
    return Watching(_server(thing), show=show)


class Watching:
    """What a server does; made by :func:`watch`.

    Attributes:
        recent: the same as figures.
    """

    def __init__(self, server: Any, *, show: bool = True) -> None:
        from labkit.inside.instrument import Inside, instrument

        self._show = show
        self._kept: tuple[Record, Watched] | None = None
        self._is_ours = not isinstance(server, Inside) and not _is_instrumented(server)
        self._inside = server if isinstance(server, Inside) else instrument(server)
        self.recent: Recent = self._inside.telling().tell()

    def __enter__(self) -> Self:
        if self._is_ours:
            self._inside.watch()  # a thread, until the block ends
        self._telling = self._inside.telling(whole=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self.recent = self._telling.tell()
        if self._inside.is_watched:
            self._kept = self._inside.record(), self._inside.watched()
        if self._is_ours:
            self._inside.detach()
        if not self._show:
            return
        ipython = sys.modules.get("IPython")
        if ipython is not None and ipython.get_ipython() is not None:
            ipython.display.display(self)

    @cached_property
    def seen(self) -> "Seen":
        """What was seen by the end of the block, since :func:`watch` or an earlier ``lab.instrument``.

        Raises:
            UsageError: the block has not ended, or the server was instrumented before, and nobody watches.
        """
        if self._kept is None:
            raise UsageError(
                "there is nothing to see yet: write `with lab.watch(server) as watching:`, and ask for watching.seen "
                "after the block; of a server that is instrumented already, say lab.instrument(..., blame=True)"
            )
        # After the block only: what is imported in it holds the GIL of what is watched.
        from labkit.experiments.blame import blame
        from labkit.experiments.seen import Seen

        return Seen(self._kept[0], blame(self._kept))

    def __repr__(self) -> str:
        return self._text(80)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self._text(_WIDTH))}</pre>"

    def _text(self, width: int) -> str:
        from rich.console import Console

        from labkit.ui import live_table

        console = Console(width=width, color_system=None, force_terminal=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(live_table.of([self.recent], width))
        return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _server(thing: Any) -> Any:
    """What can be instrumented, of what `serve` gave too."""
    from labkit.server.in_process import Server
    from labkit.server.serving import Serving

    if not isinstance(thing, Serving):
        return thing
    if not isinstance(thing.server, Server):
        raise UsageError(
            f"the server of mode {thing.mode} runs in a process of its own: watch one of mode threading, or start it "
            "with labkit run and see it with labkit watch"
        )
    return thing.server.socketio


def _is_instrumented(server: Any) -> bool:
    return hasattr(server, _ATTRIBUTE) or hasattr(getattr(server, "server", None), _ATTRIBUTE)
