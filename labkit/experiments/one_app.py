"""A reader's app under several servers and interpreters: the same plan at each, interleaved, the app as it is.

Each run has a process of its own. Which servers can serve the app at all is tried before anything is measured; one that
cannot, or that ends while it is fired at, is left out from then on, and said so: that it breaks is a finding, too.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack, cast

from labkit.base import clock, interpreter, interrupts
from labkit.base.errors import ConnectFailed, LabError, NotStarted, UsageError
from labkit.base.interpreter import HERE, Interpreter
from labkit.base.renamed import refuse_unknown
from labkit.experiments.aim import Aim, no_tick
from labkit.experiments.at_url import aimed
from labkit.experiments.settings import FireSettings, UrlSettings
from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import Schedule
from labkit.runs import difference
from labkit.runs.comparison import Comparison, file_name, unused
from labkit.runs.one_app import AcrossServers
from labkit.runs.run import Run
from labkit.server.in_mode import InMode, ServerInMode
from labkit.server.version import START_S

#: In which modes, where nobody says.
USUAL = ("threading", "gunicorn", "gevent")

#: Threads of gunicorn's worker besides those for connections: requests that are none.
SPARE_THREADS = 4

#: Rounds where nobody says: of one server, and of several beside those that can tell; and at most.
FEWEST, SPARE_ROUNDS, MOST = 3, 1, 1_000


@dataclass(frozen=True)
class Servers:
    """What is to be measured.

    Attributes:
        app: ``module:name``.
        folder: in which it is imported.
        aim: what is fired at an address.
        modes: in which it is served, each once.
        interpreters: by which.
        repeats: rounds; None for the fewest that can tell, and one to spare: an INVALID run takes its round with it.
        seed: of their order.
        start_s: how long a server may take until it serves.
        failed: of each server that was left out why, filled meanwhile.
    """

    app: str
    folder: Path
    aim: Callable[[str], Aim]
    modes: tuple[str, ...] = USUAL
    interpreters: tuple[Interpreter, ...] = field(default_factory=lambda: (interpreter.found(HERE),))
    repeats: int | None = None
    seed: int = 0
    start_s: float = START_S
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.modes or not self.interpreters:
            raise UsageError("there is no server to compare: name at least one mode")
        for what in (self.modes, [each.path for each in self.interpreters]):
            if len(set(what)) < len(what):
                raise UsageError(f"one of {', '.join(what)} is named twice: name each once")
        if self.repeats is not None and not 1 <= self.repeats <= MOST:
            raise UsageError(f"repeats must be 1 to {MOST:,}, not {self.repeats}")
        _ = self.launches  # what makes no sense is refused before anything is started

    @property
    def launches(self) -> Mapping[str, InMode]:
        """Of each server how it is started, by its name, in the order in which they were asked for."""
        aim = self.aim("http://127.0.0.1:1")
        threads = aim.clients * aim.exchange.sockets + SPARE_THREADS
        found = {}
        for each in self.interpreters:
            for mode in self.modes:
                named = ([mode] if len(self.modes) > 1 else []) + ([each.name] if len(self.interpreters) > 1 else [])
                found[", ".join(named or [mode])] = InMode(
                    self.app, start_s=self.start_s, mode=mode, python=each.path, threads=threads
                )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Of all servers."""
        return tuple(self.launches)

    @property
    def rounds(self) -> int:
        """How often each is measured."""
        if self.repeats is not None:
            return self.repeats
        others = len(self.names) - 1
        return difference.enough_for(2 * others) + SPARE_ROUNDS if others else FEWEST

    def try_all(self) -> None:
        """Start each server and stop it again, so that it is known before anything is measured what serves the app.

        Raises:
            UsageError: none does; with each reason once.
        """
        for name, launch in self.launches.items():
            try:
                with ServerInMode(name, self.folder, launch):
                    pass
            except NotStarted as error:
                self.failed[name] = _reason(name, error)
        if len(self.failed) == len(self.names):
            reasons = dict.fromkeys(self.failed.values())
            raise UsageError(f"nothing here can serve {self.app}: {'; '.join(reasons)}")

    def runs(self, tick: Callable[[], object] = no_tick) -> Iterator[Run]:
        """Each run as soon as it is measured. A run that is cut short is none, nor is one of a server that ended.

        Args:
            tick: called some times a second while a plan is fired.

        Raises:
            ClientError: the client ended, or the scenario got no answer.
            NotStarted: no server is left.
        """
        launches = self.launches
        for name in interleaved(self.names, self.rounds, self.seed):
            if name in self.failed:
                continue
            try:
                yield self._run(name, launches[name], tick)
            except NotStarted as error:
                self.failed[name] = _reason(name, error)
                if len(self.failed) == len(self.names):
                    raise

    def _run(self, name: str, launch: InMode, tick: Callable[[], object]) -> Run:
        with ServerInMode(name, self.folder, launch) as served:
            try:
                run, interrupt = self.aim(served.url).fire(tick)
            except ConnectFailed as error:
                clock.sleep(0.1)  # so that one that is ending has ended
                raise NotStarted(f"{name} serves nobody: {error}{served.last_lines()}", name) from error
            if interrupt is not None:
                raise interrupt
            if served.has_ended():
                lost = f"{run.lost} of {len(run)} events had no answer"
                raise NotStarted(f"{name} ended while it was fired at, and {lost}{served.last_lines()}", name)
            told = served.told
        tuned = {"gunicorn's threads": str(launch.threads)} if launch.mode == "gunicorn" else {}
        conditions = replace(run.conditions, interpreter=told, tuned=tuned)
        return replace(run, strategy=self.app, variant=name, mode=launch.mode, conditions=conditions)


def _reason(name: str, error: NotStarted) -> str:
    """Why it was left out, without its name."""
    return str(error).removeprefix(name).removeprefix(":").strip()


class ServersSettings(FireSettings, UrlSettings, total=False):
    """What can be said of what is fired at each server: as of :func:`labkit.fire` at a URL."""


@interrupts.kept()
def compare_servers(
    app: str,
    plan: Schedule,
    *,
    modes: Sequence[str] = USUAL,
    pythons: Sequence[str] = (HERE,),
    folder: str | os.PathLike[str] = ".",
    repeats: int | None = None,
    seed: int = 0,
    start_s: float = START_S,
    save_to: str | Path | None = None,
    **settings: Unpack[ServersSettings],
) -> AcrossServers:
    """Your app under several servers and interpreters, unmodified: as ``labkit compare --serve``.

    ``lab.compare_servers("shop:app", lab.constant(50, seconds=5), modes=["threading", "gevent"], event="price")``

    The app names no ``async_mode``, or that of the mode. What each mode needs is met from outside: `gevent` patches
    before the app is imported, `gunicorn` has one worker (gthread) with a thread for each connection. A server that
    cannot serve the app is left out, and said to be.

    Args:
        app: ``module:name`` of a Flask app with Flask-SocketIO, a ``SocketIO``, a ``socketio.Server`` or an app around
            one; in mode `asgi` of an app with an ``AsyncServer``.
        plan: what is fired at each.
        modes: of :data:`labkit.server.in_mode.MODES`.
        pythons: paths of interpreters, or ``here`` for this one. labkit need not be installed there, but what the app
            and the mode need.
        folder: in which the app is imported.
        repeats: runs of each; the fewest that can tell, and one to spare, where None.
        seed: of their order.
        start_s: how long a server may take until it serves.
        save_to: a folder for the runs, each as soon as it is measured.
        settings: see :class:`ServersSettings`.

    Returns:
        The tables, what follows, and why a server was left out. Its `result` is a comparison whose strategies are the
        servers; what served is in each run's ``conditions.interpreter``.

    Raises:
        UsageError: it makes no sense, or nothing can serve the app.
        NotStarted: a server ended, and none is left.
        ClientError: the client ended, or the scenario got no answer.
    """
    refuse_unknown(settings, {**FireSettings.__annotations__, **UrlSettings.__annotations__})
    given: dict[str, Any] = {**settings}
    firing = cast(FireSettings, {name: given.pop(name) for name in FireSettings.__annotations__ if name in given})
    target = None if save_to is None else unused(save_to)
    asked = Servers(
        app,
        Path(folder),
        lambda url: aimed(url, plan, cast(UrlSettings, given), firing),
        tuple(modes),
        interpreter.distinct(tuple(pythons)),
        repeats,
        seed,
        start_s,
    )
    runs: list[Run] = []
    asked.try_all()
    try:
        for run in interrupts.each(asked.runs()):
            if target is not None:
                run.save(target / file_name(len(runs), run))
            runs.append(run)
    except LabError as error:
        where = "lost, since no save_to=... was given" if target is None else f"in {target}"
        error.add_note(f"the {len(runs)} runs that were measured before are {where}")
        raise
    finally:
        if target is not None and runs:
            Comparison(tuple(runs), names=asked.names).save_about(target)
    return AcrossServers(Comparison(tuple(runs), names=asked.names), asked.failed)
