"""What the hop to Celery's workers costs one event, and what it spares a bystander; interleaved rounds, side by side.

Asked: at 50 echoes a second, the median of celery's callers at most 5 ms above that of inline's; during a burst of 30
events of 110 ms from 30 clients, the median of celery's bystander at least 50 times below inline's.
"""

import statistics

import labkit as lab
from labkit.runs.comparison import Comparison
from labkit.runs.summary import Distribution

ROUNDS = 5
NAMES = ("inline", "process-pool", "celery")

#: Asked of the medians of all rounds.
HOP_MS, SPARED = 5.0, 50.0


def echoes() -> None:
    """Events that cost nothing: what is left is the way."""
    result = lab.compare(NAMES, lab.cpu(0.01), lab.constant(50, seconds=4), repeats=ROUNDS)
    own = _told(result, "own", "echo at 50/s")
    beyond = [celery - inline for celery, inline in zip(own["celery"], own["inline"], strict=True)]
    median = statistics.median(beyond)
    print(
        f"celery over inline: {_each(beyond)} ms; median {median:.2f} (asked {HOP_MS:g}: {_word(median <= HOP_MS)})\n"
    )


def bystanders() -> None:
    """A room of 30 that asks for more than three seconds of work at once."""
    # No longer than the work takes on a core that is free: pings that come after it meet an idle server.
    result = lab.compare(NAMES, lab.cpu(110), lab.burst(30, connections=30), repeats=ROUNDS, window_s=30 * 0.110)
    beside = _told(result, "bystander", "30 x 110 ms at once")
    for name in NAMES[1:]:
        spared = [inline / other for inline, other in zip(beside["inline"], beside[name], strict=True)]
        median = statistics.median(spared)
        asked = f" (asked {SPARED:g}: {_word(median >= SPARED)})" if name == "celery" else ""
        print(f"inline over {name}: {_each(spared)}; median {median:.0f}x{asked}")
    print()


def _told(result: Comparison, side: str, what: str) -> dict[str, list[float]]:
    """Of each strategy the median of each round, printed."""
    found = {
        name: [Distribution.of(getattr(run, f"{side}_ms")).p50_ms for run in result.of(name)]
        for name in result.strategies
    }
    for name, medians in found.items():
        runs = result.of(name)
        lost = sum(len(run) - run.outcomes["answered"] for run in runs)
        tail, tail_ms = getattr(result[name], side).tail
        print(
            f"{what}, {name}: {side} p50 {_each(medians)} ms; median {statistics.median(medians):.2f}, "
            f"{tail} {tail_ms:.1f}; {lost} not answered, {sum(not run.is_valid for run in runs)} invalid"
        )
    for note in result.notes:
        if note.startswith(("INVALID", "caution")):
            print(f"    {note}")
    return found


def _each(values: list[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in sorted(values))


def _word(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    echoes()
    bystanders()
