"""Two versions of an app, started in turn and fired the same plan: the base, the base again, the head.

Each run has a process of its own, so that nothing of one is in another's. The three are interleaved in an order that
each round draws anew: whatever happens on the machine meanwhile falls on all of them alike.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack, cast

from labkit.base import checkout, clock, interrupts
from labkit.base.errors import ConnectFailed, NotStarted, UsageError
from labkit.base.renamed import refuse_unknown
from labkit.base.warden import Watch
from labkit.experiments.aim import Aim, no_tick
from labkit.experiments.at_url import aimed
from labkit.experiments.settings import FireSettings, UrlSettings
from labkit.plan.interleaving import interleaved
from labkit.plan.schedules import Schedule
from labkit.runs.gate import AGAIN, BASE, HEAD, RESOLUTION, SIDES, Judgement, judge
from labkit.runs.run import Run
from labkit.server.version import START_S, Launch, Version

#: Rounds, where nobody says.
REPEATS = 10


@dataclass(frozen=True)
class Gate:
    """What is to be measured.

    Attributes:
        base, head: folders of the two versions.
        launch: how each is started.
        aim: what is fired at an address.
        name: of the app, which is what runs are called.
        repeats: rounds.
        seed: of their order.
    """

    base: Path
    head: Path
    launch: Launch
    aim: Callable[[str], Aim]
    name: str
    repeats: int = REPEATS
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.repeats <= 1_000:
            raise UsageError(f"a gate takes 1 to 1,000 rounds, not {self.repeats}: give --repeats")
        self.aim("http://127.0.0.1:1")  # what makes no sense is refused before anything is started

    @property
    def _folders(self) -> Mapping[str, Path]:
        return {BASE: self.base, AGAIN: self.base, HEAD: self.head}

    def try_both(self) -> None:
        """Start each version and stop it again: what does not start is known before anything is measured.

        Raises:
            NotStarted: one of them doesn't; its `version` is :data:`BASE` or :data:`HEAD`.
        """
        for side in (BASE, HEAD):
            with Version(side, self._folders[side], self.launch):
                pass

    def runs(self, tick: Callable[[], object] = no_tick) -> Iterator[tuple[str, Run]]:
        """Each run as soon as it is measured, with the side that it is of. A run that is cut short is none.

        Args:
            tick: called some times a second while a plan is fired.

        Raises:
            NotStarted: a version does not start, ends, or serves no Socket.IO; its `version` says which.
            ClientError: the client ended, or the scenario got no answer.
        """
        for side in interleaved(SIDES, self.repeats, self.seed):
            yield side, self._run(side, tick)

    def _run(self, side: str, tick: Callable[[], object]) -> Run:
        version = BASE if side == AGAIN else side
        with Version(version, self._folders[side], self.launch) as served:
            try:
                run, interrupt = self.aim(served.url).fire(tick)
            except ConnectFailed as error:
                clock.sleep(0.1)  # so that one that is ending has ended
                raise NotStarted(f"{version} serves nobody: {error}{served.last_lines()}", version) from error
            if interrupt is not None:
                raise interrupt
            if served.has_ended():
                raise NotStarted(f"{version} ended while it was fired at{served.last_lines()}", version)
        return replace(run, strategy=self.name)


class GateSettings(FireSettings, UrlSettings, total=False):
    """What can be said of what is fired at both versions: as of :func:`labkit.fire` at a URL."""


@interrupts.kept()
def gate(
    base: str | os.PathLike[str],
    head: str | os.PathLike[str],
    plan: Schedule,
    *,
    app: str = "",
    command: Sequence[str] = (),
    repeats: int = REPEATS,
    seed: int = 0,
    resolution: float = RESOLUTION,
    start_s: float = START_S,
    **settings: Unpack[GateSettings],
) -> Judgement:
    """Is one version of an app slower than another? As ``labkit gate``.

    ``lab.gate("main", ".", lab.constant(100, seconds=3), app="shop:app", event="price", payload={"item": 7})``

    Args:
        base, head: folders, or refs of the git repository that the head, or else the working directory, is in.
        plan: what is fired at both.
        app: ``module:name`` of a Flask app with Flask-SocketIO, a ``SocketIO`` or a ``socketio.Server``.
        command: instead, what starts a server at ``{port}``, in words: ``["python", "shop.py", "{port}"]``.
        repeats: rounds, of three runs each: base, base again and head.
        seed: of their order.
        resolution: nobody can tell where a larger slowdown might be hidden.
        start_s: how long a version may take until it listens.
        settings: see :class:`GateSettings`.

    Raises:
        UsageError: it makes no sense; nothing was started.
        NotStarted: a version does not start, ends, or serves no Socket.IO.
        MissingExtra: SciPy is not there.
    """
    refuse_unknown(settings, {**FireSettings.__annotations__, **UrlSettings.__annotations__})
    given: dict[str, Any] = {**settings}
    firing = cast(FireSettings, {name: given.pop(name) for name in FireSettings.__annotations__ if name in given})
    launch, beside = Launch(app, tuple(command), start_s), Path(head) if Path(head).is_dir() else Path()
    sources = [checkout.source(os.fspath(each), beside) for each in (base, head)]
    sides: dict[str, list[Run]] = {name: [] for name in SIDES}
    with Watch(), checkout.checked_out(sources[0]) as first, checkout.checked_out(sources[1]) as second:
        asked = Gate(
            first,
            second,
            launch,
            lambda url: aimed(url, plan, cast(UrlSettings, given), firing),
            app or " ".join(command),
            repeats,
            seed,
        )
        asked.try_both()
        for name, run in interrupts.each(asked.runs()):
            sides[name].append(run)
    return judge(sides, resolution=resolution)
