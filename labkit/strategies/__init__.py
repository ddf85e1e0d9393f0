"""The strategies: ways of handling an event, each in a file of its own that can be pasted into an app.

A strategy is ordinary Flask-SocketIO code without a labkit import. It has

``MODES``      the async modes in which it may run (:mod:`labkit.plan.modes`)
``OPTIONS``    arguments of ``SocketIO(...)`` that belong to it
``register(socketio, complex_calculation, **parameters)``
               registers a handler for the event ``message``; may return a function that releases what it acquired
``NEEDS_PICKLE`` (optional) True where the work is sent to another process, or another interpreter
``KEEPS_RESULTS`` (optional) True where results are kept for who asks again: a client with an outbox
               (:mod:`labkit.client.outbox`) loses none
``NEEDS_PYTHON`` (optional) the oldest Python that has what it is made of, as ``(3, 14)``
``work(complex_calculation, **parameters)``
               (optional) the other end of a queue, which serves it in processes of its own until it is ended. Both ends
               take ``url``, a Redis, and ``queue``, a name that nobody else uses there; ``workers=0`` starts none

In mode ``asgi``, `socketio` is python-socketio's ``AsyncServer``, and handlers are ``async def handle(sid, data)``. A
function of the reader's that is meant for it says so: ``register.MODES = {"asgi"}``.

The event's data is ``{"id": 7, "payload": ...}``. An answer is the event ``response`` with what `complex_calculation`
returned, alone or in a list, or with ``{"id": 7, "busy": True}`` from a strategy that declines, or with
``{"id": 7, "superseded": True}`` from one that works on a newer event instead. What the handler returns acknowledges
the event, where its client asks for that; where no event answers, it can be the answer itself. The lab's
`complex_calculation` never raises: an error is an answer. Other names, another namespace and a room that is meant are
settings (:class:`labkit.experiments.settings.FireSettings`).
"""

import importlib
import inspect
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from labkit.base.errors import ModeError, StrategyError
from labkit.base.text import Plain
from labkit.plan import modes
from labkit.plan.modes import FLASK_MODES
from labkit.strategies._runnable_app import around

#: What `labkit compare` measures where nobody names others: where an event is worked on, the lab's first question.
DEFAULT = (
    "inline",
    "inline-serial",
    "thread-broadcast",
    "thread",
    "background-task",
    "thread-pool",
    "process-pool",
    "server-batch",
)

#: All strategies of the lab, in the order in which it shows them: the default ones, those about too much of something,
#: the one for mixed traffic, the one past one machine, and those of other modes than threading.
NAMES = (
    *DEFAULT,
    "load-shedding",
    "conflate",
    "ack-first",
    "ordered-pool",
    "drop-for-slow",
    "dear-elsewhere",
    "interpreter-pool",
    "celery",
    "celery-zero-loss",
    "gevent-hub-pool",
    "asgi-inline",
    "asgi-to-thread",
    "asgi-process-pool",
)

#: The modes in which the lab measures.
MODES = modes.MODES

Register = Callable[..., Callable[[], object] | None]

#: Parameters of a strategy with a queue that say where that is: whoever serves it gives them.
AT_A_QUEUE = ("url", "queue")


@dataclass(frozen=True)
class Strategy:
    """A way of handling events, ready to be registered.

    Attributes:
        name: how tables and figures call it.
        register: see the module's docstring.
        modes: the async modes in which it may run.
        options: arguments of ``SocketIO(...)``.
        parameters: keyword arguments of `register`.
        needs_pickle: the work must be picklable.
        keeps_results: a client with an outbox can ask for results.
        needs_python: the oldest Python in which it runs; empty for any.
        work: the other end of a queue, for processes of its own; None where there is none.
        about: one sentence on what it does.
        source: its code, for people to read; empty where it cannot be found.
    """

    name: str
    register: Register
    modes: frozenset[str] = frozenset(FLASK_MODES)
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs_pickle: bool = False
    keeps_results: bool = False
    needs_python: tuple[int, ...] = ()
    work: Callable[..., object] | None = None
    about: str = ""
    source: str = field(default="", repr=False)

    @property
    def settled(self) -> dict[str, Any]:
        """Every parameter of `register` with its value, also those that were left at their defaults."""
        found = {p.name: p.default for p in self._known() if p.default is not p.empty} | dict(self.parameters)
        return {name: value for name, value in found.items() if self.work is None or name not in AT_A_QUEUE}

    def _known(self) -> list[inspect.Parameter]:
        """The parameters of `register`, and those of `work`."""
        other = [] if self.work is None else list(inspect.signature(self.work).parameters.values())[1:]
        own = list(inspect.signature(self.register).parameters.values())[2:]
        return own + [each for each in other if each.name not in {p.name for p in own}]

    def parameters_of(self, end: Callable[..., object]) -> dict[str, Any]:
        """Those of :attr:`parameters` that one end takes: `register`, or `work`."""
        takes = inspect.signature(end).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        return {name: value for name, value in self.parameters.items() if takes_any or name in takes}

    def at(self, url: str, queue: str) -> "Strategy":
        """The same, at the queue of this name of this Redis."""
        options = {**self.options, "message_queue": url, "channel": queue}
        return replace(self, options=options, parameters={**self.parameters, "url": url, "queue": queue})

    def runs_in(self, mode: str) -> bool:
        """Whether it can run in a mode, in this Python; `ModeError` where there is no mode of that name."""
        require_known(mode)
        return modes.takes(mode, self.modes) and not self._wants_newer

    @property
    def _wants_newer(self) -> bool:
        return tuple(sys.version_info[: len(self.needs_python)]) < self.needs_python

    def require_mode(self, mode: str) -> None:
        """Raise `ModeError` unless the lab measures in `mode` and this strategy can run there, in this Python."""
        require_known(mode)
        if not modes.takes(mode, self.modes):
            there = ", ".join(name for name in MODES if modes.takes(name, self.modes))
            raise ModeError(f"{self.name} cannot run in mode {mode!r}, only in {there}: run it there")
        if self._wants_newer:
            here, wanted = platform.python_version(), ".".join(map(str, self.needs_python))
            raise ModeError(f"{self.name} needs Python {wanted}, and this is {here}: install labkit in a newer one")


def require_known(mode: str) -> None:
    """Raise `ModeError` unless the lab measures in `mode`."""
    if mode not in MODES:
        deprecated = "eventlet is deprecated upstream, " if mode == "eventlet" else f"unknown mode {mode!r}: "
        raise ModeError(f"{deprecated}choose from {', '.join(MODES)}")


def names_in(mode: str) -> tuple[str, ...]:
    """The strategies that can run in a mode, in the order of the lab."""
    return tuple(name for name in NAMES if strategy(name).runs_in(mode))


def default_in(mode: str) -> tuple[str, ...]:
    """What a comparison in a mode measures where nobody names others: those of :data:`DEFAULT`, and the mode's own."""
    return tuple(name for name in names_in(mode) if name in DEFAULT or "threading" not in strategy(name).modes)


def strategy(
    base: str | Register | ModuleType | Strategy,
    /,
    *,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Strategy:
    """A strategy from its name, from a module, or from a `register` function in a notebook cell.

    Args:
        base: one of :data:`NAMES`, a module with `register`, or a function like `register`.
        name: how to call it; made of the name of `base` and of what differs where None.
        options: further arguments of ``SocketIO(...)``, such as ``{"async_handlers": False}``.
        parameters: keyword arguments of `register`, such as ``workers=2``.

    Raises:
        StrategyError: there is no such strategy, it is not one, or `register` does not know a parameter.
    """
    found = _base(base)
    known = {each.name: each for each in found._known()}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for parameter in parameters:
        if parameter not in known and not takes_any:
            raise StrategyError(f"{found.name} has no parameter {parameter!r}: it has {', '.join(known) or 'none'}")
    options = dict(options or {})
    differs = [f"{key}={value}" for key, value in {**options, **parameters}.items()]
    return replace(
        found,
        name=name or ", ".join([found.name, *differs]),
        options={**found.options, **options},
        parameters={**found.parameters, **parameters},
    )


def plain_name(name: str) -> str:
    """The name of a strategy without what stands behind it where options or parameters were given."""
    return name.partition(",")[0]


def _base(given: str | Register | ModuleType | Strategy) -> Strategy:
    if isinstance(given, Strategy):
        return given
    if isinstance(given, str):
        if given not in NAMES:
            raise StrategyError(f"unknown strategy {given!r}: choose from {', '.join(NAMES)}")
        return _from_module(importlib.import_module(f"{__name__}.{given.replace('-', '_')}"), given)
    if isinstance(given, ModuleType):
        return _from_module(given, given.__name__.rpartition(".")[2].replace("_", "-"))
    if callable(given):
        # A function of a cell is most often called `register`: its module says no more, so ask for a name.
        name = getattr(given, "__name__", type(given).__name__)
        return Strategy(
            name.replace("_", "-"),
            given,
            modes=frozenset(getattr(given, "MODES", FLASK_MODES)),
            options=getattr(given, "OPTIONS", {}),
            about=_first_line(given.__doc__),
            source=_source(given),
        )
    raise StrategyError(f"a strategy is a name, a module or a register function, not {given!r}")


def _from_module(module: ModuleType, name: str) -> Strategy:
    register = getattr(module, "register", None)
    if not callable(register):
        raise StrategyError(f"{module.__name__} is no strategy: it has no register(socketio, complex_calculation)")
    return Strategy(
        name,
        register,
        modes=frozenset(getattr(module, "MODES", FLASK_MODES)),
        options=dict(getattr(module, "OPTIONS", {})),
        needs_pickle=bool(getattr(module, "NEEDS_PICKLE", False)),
        keeps_results=bool(getattr(module, "KEEPS_RESULTS", False)),
        needs_python=tuple(getattr(module, "NEEDS_PYTHON", ())),
        work=getattr(module, "work", None),
        about=_first_line(module.__doc__),
        source=_source(module),
    )


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


def runnable(name: str) -> str:
    """A strategy as a complete app, of a mode in which it can run, that needs no labkit."""
    chosen = strategy(name)
    return around(chosen.source, chosen.modes, has_workers=chosen.work is not None)


def show(which: str | Register | ModuleType | Strategy) -> Plain:
    """The code of a strategy, as it can be pasted into an app."""
    return Plain(strategy(which).source.rstrip())
