"""Two versions of an app, started in turn and fired the same plan: the base, the base again, the head.

Each run has a process of its own, so that nothing of one is in another's. The three are interleaved in an order that
each round draws anew: whatever happens on the machine meanwhile falls on all of them alike.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labkit.base import clock
from labkit.base.errors import ConnectFailed, NotStarted, UsageError
from labkit.experiments.at_url import Aim, no_tick
from labkit.plan.interleaving import interleaved
from labkit.runs.gate import AGAIN, BASE, HEAD, SIDES
from labkit.runs.run import Run
from labkit.server.version import Launch, Version

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
