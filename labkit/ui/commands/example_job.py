"""The example job on this machine: so large that ``labkit compare`` alone ends within a minute on a slow one, too."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.plan import prices
from labkit.plan.modes import MODES
from labkit.plan.prices import Size
from labkit.plan.schedules import Schedule
from labkit.plan.work import Work, similar_prices
from labkit.ui.commands.session import counted

#: About what one event costs, in ms.
EVENT_MS = 100.0

#: Runs of each strategy, where they fit into so many seconds.
REPEATS, AT_MOST_S = 3, 50.0

#: What the whole job costs on a machine on which a run takes 0.4 s besides its events (its server's start and stop, two
#: looks at the spare CPU), or 1.5 s where the server is another process. A machine that takes longer for the job takes
#: longer for all of that.
_USUAL_MS, _HERE_S, _ELSEWHERE_S = 80.0, 0.4, 1.5

#: Events before each run that are not counted.
_WARM_UP = 2

#: The start of everything, the diagnosis and the figure.
_AROUND_S = 4.0


@dataclass(frozen=True)
class Job:
    """The example job in the size that suits this machine.

    Attributes:
        work: what an event costs; its name says how many days it looks at, where that is not all.
        size: how many days these are, and what that was found to cost when it was chosen.
    """

    work: Work
    size: Size

    def fitted(
        self, event_ms: float, plan: Schedule, strategies: int, repeats: int | None = None, mode: str = "threading"
    ) -> "Fitted":
        """How often to run it.

        Args:
            event_ms: what one event costs, as calibrated.
            plan: what will be fired.
            strategies: how many are compared.
            repeats: as asked for; None for :data:`REPEATS`, or fewer if they would take longer than :data:`AT_MOST_S`.
            mode: what serves.
        """
        whole_ms = self.size.whole_ms * event_ms / self.size.event_ms
        besides_s = (_HERE_S if MODES[mode].is_in_process else _ELSEWHERE_S) * max(1.0, whole_ms / _USUAL_MS)
        # While events arrive, earlier ones are worked on: what takes longer decides.
        work_s = max(plan.span_s, len(plan) * event_ms / 1000)
        round_s = strategies * (besides_s + work_s + _WARM_UP * event_ms / 1000)
        chosen = repeats or max(1, min(REPEATS, int((AT_MOST_S - _AROUND_S) / round_s)))
        seconds = _AROUND_S + chosen * round_s
        sentence = f"{self._cost(event_ms, whole_ms)} {counted(chosen, 'run')} of each strategy: about {seconds:.0f} s"
        if repeats is None and chosen < REPEATS:
            sentence += f", since {REPEATS} would take {_AROUND_S + REPEATS * round_s:.0f} s (--repeats {REPEATS})"
        return Fitted(chosen, seconds, f"{sentence}.")

    def _cost(self, event_ms: float, whole_ms: float) -> str:
        if self.size.past is None:
            return (
                f"One event costs about {event_ms:.0f} ms here: the job looks at all {self.size.days:,} days of prices."
            )
        return (
            f"One event costs about {event_ms:.0f} ms here, so the job looks at {self.size.days:,} days of prices "
            f"(at all of them it would cost {whole_ms:.0f} ms)."
        )


@dataclass(frozen=True)
class Fitted:
    """How often to run the example job.

    Attributes:
        repeats: runs of each strategy.
        seconds: how long all of that takes, about.
        sentence: what an event costs, how large the job is, how many runs there are and how long they take; for people.
    """

    repeats: int
    seconds: float
    sentence: str


def sized(timed_ms: Callable[[Callable[[], object]], float] | None = None) -> Job:
    """The example job, sized so that one event costs about :data:`EVENT_MS` here, or less.

    Args:
        timed_ms: see :func:`labkit.plan.prices.size_for`.
    """
    size = prices.size_for(EVENT_MS, timed_ms)
    return Job(similar_prices(past=size.past), size)
