"""Where a thread stands: the line in the reader's own files, and the handler, route or task for which it runs.

A stack is walked from its innermost frame outwards. The *line* is that of the innermost frame in a file of the
reader's: not of the standard library, not of an installed package, never of labkit. *For whom* it runs is told by
frames that are known: labkit's hook around a handler has the event in a variable, Flask's ``dispatch_request`` the
route. What has neither is a task, named for the outermost function of the reader's.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from labkit.inside.async_hooks import AsyncHooks
from labkit.inside.seeing import NAME, Event, Seeing
from labkit.inside.sync_hooks import SyncHooks

#: Kinds of what runs on a thread: for an event, for an HTTP request, of the reader's own, none of their lines.
EVENT, ROUTE, TASK, LIBRARY = KINDS = ("event", "route", "task", "library")

#: A stack is walked this far.
_DEEPEST = 200

#: So many places are told apart; what comes later is put together.
PLACES_KEPT = 1_024

#: The hooks around handlers, and the variable in which each has the event.
_HANDLED = {
    SyncHooks._handle_event_internal.__code__: "data",
    AsyncHooks._handle_event_internal.__code__: "data",
    SyncHooks._trigger_reserved.__code__: "row",
    AsyncHooks._trigger_reserved.__code__: "row",
}

#: Beyond these a loop runs something that knows nothing of who started the loop.
_ASYNCIO = tuple(os.path.join("asyncio", name) for name in ("events.py", "runners.py"))
_LOOP_ENDS = (
    *_ASYNCIO,
    "socketserver.py",
    *(os.path.join("gunicorn", name) for name in ("arbiter.py", "workers" + os.sep + "base.py")),
)

_COMPREHENSIONS = ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")

_LABKIT = str(Path(__file__).parents[1]) + os.sep
_PATHS = sysconfig.get_paths()
_NOT_OWN = (
    _LABKIT,
    *(_PATHS[name] + os.sep for name in ("stdlib", "platstdlib", "scripts")),
    os.path.dirname(os.path.realpath(os.__file__)) + os.sep,
)
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@dataclass(frozen=True)
class Place:
    """A line, and for whom it ran.

    Attributes:
        kind: `EVENT`, `ROUTE`, `TASK` or `LIBRARY`.
        name: of the event, the route's rule, the task's function, or the file.
        file: as short as it can be told: from the working directory, or from where Python found it.
        line: from 1; 0 where only the name is known.
        function: as Python qualifies it, such as ``Shop.build``.
        module: as it would be imported.
        entry: the outermost of the reader's functions, where the handler, route or task begins.
        at: of a lock: where it was waited for, as text.
    """

    kind: str
    name: str
    file: str = ""
    line: int = 0
    function: str = ""
    module: str = ""
    entry: str = ""
    at: str = ""

    @property
    def where(self) -> str:
        """The line as people say it: ``shop/report.py:41 in build``; "" where none is known."""
        return f"{self.file}:{self.line} in {self.function}" if self.line else ""


#: Of time that nobody can be named for.
UNNAMED = Place(LIBRARY, "a thread that has ended")
#: Of time in which a thread was ready and the machine had no core for it.
MACHINE = Place(LIBRARY, "the machine")
#: What found no room.
OTHER_PLACE = Place(LIBRARY, "_other")


@dataclass(frozen=True)
class Stand:
    """Where a stack stands.

    Attributes:
        place: what can be told of it.
        event: whose handler it is; None elsewhere.
        on_loop: an event loop of asyncio's runs it.
    """

    place: Place
    event: Event | None
    on_loop: bool = False


class Places:
    """Reads stacks, and numbers the places that it has met.

    Args:
        seeing: where the names of events are.
    """

    def __init__(self, seeing: Seeing) -> None:
        self._seeing = seeing
        self._own: dict[str, bool] = {}
        self._short: dict[str, str] = {}
        self._index: dict[Place, int] = {}
        self.met: list[Place] = []
        self.index(UNNAMED)

    def index(self, place: Place) -> int:
        """The number of a place."""
        known = self._index.get(place)
        if known is None:
            if len(self.met) >= PLACES_KEPT:
                return self._index.get(OTHER_PLACE, 0)
            if len(self.met) == PLACES_KEPT - 1:
                place = OTHER_PLACE
            known = self._index[place] = len(self.met)
            self.met.append(place)
        return known

    def read(self, frame: FrameType | None) -> Stand:
        """Where the stack with this innermost frame stands."""
        innermost = outermost = outside = None
        event = rule = None
        on_loop = False
        deep = 0
        while frame is not None and deep < _DEEPEST:
            deep += 1
            code = frame.f_code
            if code in _HANDLED:
                event = _event(frame, _HANDLED[code])
                if event is not None:
                    break
            elif code.co_filename.endswith(_LOOP_ENDS):
                on_loop = code.co_filename.endswith(_ASYNCIO)
                break
            elif code.co_name == "dispatch_request" and rule is None:
                rule = _rule(frame)
            if self.is_own(code.co_filename):
                innermost = innermost or frame
                outermost = frame
            elif outside is None and not code.co_filename.startswith(_LABKIT):
                outside = frame
            frame = frame.f_back
        return Stand(self._place(innermost, outermost, outside, event, rule), event, on_loop)

    def _place(
        self,
        innermost: FrameType | None,
        outermost: FrameType | None,
        outside: FrameType | None,
        event: Event | None,
        rule: str | None,
    ) -> Place:
        name = None if event is None else self.event_name(event)
        kind = EVENT if name is not None else ROUTE if rule is not None else TASK
        # A handler or route that stands outside of the reader's files has just begun or ended: who, but no line.
        shown = innermost or (outside if kind == TASK else None)
        if shown is None:
            return Place(kind, str(name or rule)) if kind != TASK else UNNAMED
        code = shown.f_code
        entry = (outermost or shown).f_code
        file = self.short(code.co_filename)
        if innermost is None and kind == TASK:
            kind, name = LIBRARY, file
        elif kind == TASK:
            name = _entry_name(entry, outermost)
        return Place(
            kind,
            str(name or rule),
            file,
            shown.f_lineno or code.co_firstlineno,
            _function(code),
            _module(shown),
            _function(entry),
        )

    def event_name(self, event: Event) -> str | None:
        """The name of an event; None where its row is another one's by now."""
        row, at = self._seeing.events.data, event.at
        return self._seeing.names.names[row[at + NAME]] if row[at] == event.number else None

    def is_own(self, filename: str) -> bool:
        """Whether a file is the reader's."""
        known = self._own.get(filename)
        if known is None:
            if len(self._own) > 8 * PLACES_KEPT:
                self._own.clear()
            known = self._own[filename] = is_own(filename)
        return known

    def short(self, filename: str) -> str:
        """A file's name as short as it can be told."""
        known = self._short.get(filename)
        if known is None:
            if len(self._short) > 8 * PLACES_KEPT:
                self._short.clear()
            known = self._short[filename] = _short(filename)
        return known


def is_own(filename: str) -> bool:
    """Whether a file is the reader's: not the standard library's, an installed package's or labkit's."""
    if filename.startswith("<"):
        return filename.startswith(("<ipython", "<stdin"))
    return not filename.startswith(_NOT_OWN) and not any(part in filename for part in _PACKAGES)


def _short(filename: str) -> str:
    for part in _PACKAGES:
        if part in filename:
            return filename.rpartition(part)[2]
    for folder in (os.getcwd(), *sorted((p for p in sys.path if p), key=len, reverse=True)):
        if filename.startswith(folder + os.sep):
            return filename[len(folder) + 1 :]
    return os.sep.join(filename.split(os.sep)[-2:]).lstrip(os.sep)


def _function(code: CodeType) -> str:
    """The function as people know it, which a comprehension in it is a part of."""
    name = code.co_qualname
    for inner in _COMPREHENSIONS:
        name = name.replace(f".<locals>.{inner}", "")
    return name.replace(".<locals>", "")


def _module(frame: FrameType) -> str:
    """As it would be imported, also where it was started as a program."""
    name = frame.f_globals.get("__name__", "")
    if name != "__main__":
        return str(name)
    spec = frame.f_globals.get("__spec__")
    return str(getattr(spec, "name", None) or Path(frame.f_code.co_filename).stem)


def _entry_name(entry: CodeType, frame: FrameType | None) -> str:
    """Of a task: its function, or the module whose top level runs."""
    if entry.co_name != "<module>":
        return _function(entry)
    return "main program" if frame is None or frame.f_globals.get("__name__") == "__main__" else "an import"


def _event(frame: FrameType, name: str) -> Event | None:
    event: Any = frame.f_locals.get(name)
    return event if isinstance(event, Event) else None


def _rule(frame: FrameType) -> str | None:
    rule: Any = frame.f_locals.get("rule")
    text = getattr(rule, "rule", None)
    return text if isinstance(text, str) else None
