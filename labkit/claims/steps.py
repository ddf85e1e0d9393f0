"""The set: one plan of measurements that feeds every claim of the lines, in about four minutes on two cores.

What may differ between one client that sends everything and a room of clients is measured with both.

One step serves many claims, and where it fails, the claims that need it are not testable, and the others go on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.base import interrupts
from labkit.base.errors import LabError, UsageError
from labkit.claims import page
from labkit.claims.advice import LINES
from labkit.experiments.compare import compare, compare_modes
from labkit.experiments.eight_cases import four
from labkit.experiments.measure import measure as measure_run
from labkit.plan.schedules import burst
from labkit.plan.work import cpu, io_wait
from labkit.runs.comparison import Comparison
from labkit.runs.run import Run
from labkit.strategies import strategy

#: Events at once. With fewer, theory's factors (half the burst against once) come near to their bounds.
EVENTS = 10

#: A handler that starts a thread waits for some turns of the GIL (5 ms each): the work must be long beside that.
WORK_MS = 100.0

#: In the other modes nothing is compared with a turn of the GIL.
WORK_IN_MODES_MS = 40.0

CLICKS = 3

#: What is equal by theory scatters most: one run's ratio of B to A is anything from 0.8 to 1.2. So many are pooled of
#: each, on the socket and in the page.
POOLED, POOLED_CLICKS = 12, 8

#: A window of 50 ms is three frames of a usual screen: all batches of a run wait for the next frame equally long, and
#: each run has a wait of its own, anything up to a frame. So many runs are pooled.
PHASES = 3

#: One client that sends everything, and a room in which each sends one event.
BOTH = (1, EVENTS)

#: Enough to judge, not to record: runs or clicks of each, and how long work lasts that only waits.
QUICK, QUICK_WAIT_MS = 2, 40.0

#: And in the other modes with one client only, about which one of their claims is.
QUICK_ROOM = (1,)


@dataclass(frozen=True)
class Missing:
    """What there is instead of a measurement: the reason, a sentence."""

    reason: str


@dataclass(frozen=True)
class Step:
    """One measurement of the set.

    Attributes:
        name: the key of what it measured.
        what: is measured, for people who wait.
        slugs: of the claims that are judged on it.
        run: measures, with a seed.
        browser: whether it needs one.
        quick: measures the same with fewer runs or shorter waits; None where `run` has none to spare.
    """

    name: str
    what: str
    slugs: tuple[str, ...]
    run: Callable[[int], Any]
    browser: bool = False
    quick: Callable[[int], Any] | None = None


def _one_event(seed: int) -> Run:
    return measure_run("inline", cpu(WORK_MS), burst(1, seed=seed))


def _computing(seed: int, pooled: int = POOLED) -> Comparison:
    others = [strategy("thread-broadcast"), strategy("process-pool")]
    # Equal by theory: A and B with default settings, and on a serial server with many clients.
    equal = {1: four()[:2], EVENTS: four()}
    found = Comparison(())
    for clients in BOTH:
        work, plan = cpu(WORK_MS), burst(EVENTS, connections=clients)
        found += compare([*four(), *others], work, plan, repeats=1, seed=seed)
        if pooled > 1:
            found += compare(equal[clients], work, plan, repeats=pooled - 1, seed=seed)
    return found


def _waiting(seed: int, work_ms: float = WORK_MS) -> Comparison:
    plans = [burst(EVENTS, connections=clients) for clients in BOTH]
    one, many = (compare(four(), io_wait(work_ms), plan, repeats=1, seed=seed) for plan in plans)
    return one + many


def _modes_computing(seed: int, room: Sequence[int] = BOTH) -> Comparison:
    strategies = {
        "threading": ["inline", "process-pool"],
        "gunicorn": ["inline", "process-pool"],
        "gevent": ["inline", "background-task", "process-pool"],
        "asgi": ["asgi-inline", "asgi-to-thread", "asgi-process-pool"],
    }
    found = Comparison(())
    for clients in room:
        work, plan = cpu(WORK_IN_MODES_MS), burst(EVENTS, connections=clients)
        found += compare_modes(strategies, work, plan, repeats=1, seed=seed)
        # Now and then the first events are read, and worked on, before the client was given a core to send the others:
        # seen in 2 runs of 60 of A. Three runs are not moved by one.
        found += compare_modes({"gevent": ["inline", "background-task"]}, work, plan, repeats=2, seed=seed)
    return found


def _modes_waiting(seed: int, room: Sequence[int] = BOTH) -> Comparison:
    strategies = {"gevent": ["inline"], "gevent-unpatched": ["inline"], "asgi": ["asgi-inline", "asgi-to-thread"]}
    found = Comparison(())
    for clients in room:
        plan = burst(EVENTS, connections=clients)
        found += compare_modes(strategies, io_wait(WORK_IN_MODES_MS), plan, repeats=1, seed=seed)
    return found


#: A heartbeat that is over soon: clients are told whole seconds, so that one is the shortest.
_SHORT: dict[str, Any] = {"ping_interval_s": 1, "ping_timeout_s": 0.5, "warm_up": 0}


def _serial_beat(seed: int) -> Run:
    work = io_wait(2500)
    return measure_run("inline-serial", work, burst(1, seed=seed), timeout_s=3, window_s=1, **_SHORT)


def _gevent_beat(seed: int) -> Run:
    plan = burst(8, connections=1, seed=seed)
    return measure_run("inline", cpu(400), plan, mode="gevent", timeout_s=6, window_s=0.5, **_SHORT)


def _counted(seed: int) -> Any:
    from labkit.browser.measure import render

    return render(["naive", "forced", "dom-batch", "conflate"], clicks=0, passes=("exact",), seed=seed)


def _batched(seed: int, phases: int = PHASES) -> Any:
    from labkit.browser.measure import render

    ways = ["naive", "server-batch-50"]
    return render(ways, events=200, clicks=0, repeats=phases, passes=("timed",), seed=seed)


def _heavy(seed: int, clicks: int = CLICKS) -> Any:
    from labkit.browser.variants import interact_each

    ways: dict[str, dict[str, Any]] = {
        page.SERVER_HEAVY: {"work": cpu(300), "trace": True},
        page.PAGE_HEAVY: {"click_block_ms": 300, "trace": True},
        page.NEITHER: {},
    }
    return interact_each(ways, clicks=clicks, seed=seed)


def _a_and_b(seed: int, pooled: int = POOLED_CLICKS) -> Any:
    """In turn, each pair in random order: what slows this machine for a while slows both."""
    from labkit.browser.variants import interact_each

    ways = {"A": {"strategy": "inline"}, "B": {"strategy": "thread"}}
    # Clicks come faster than they can be answered: how long each waits hangs on the work, not on when they met.
    return interact_each(ways, work=cpu(150), clicks=3, every_s=0.0, repeats=pooled, seed=seed)


def _pipeline(seed: int) -> Any:
    from labkit.browser.measure import render
    from labkit.browser.page.patterns import pattern

    feed: dict[str, Any] = {"events": 120, "clicks": 0, "repeats": 1, "passes": ("timed",), "seed": seed}
    found = render([pattern("naive")], **feed)
    slow = pattern("naive", called="naive, slow script")
    return found + render([slow], update_block_ms=8, **feed)


STEPS: tuple[Step, ...] = (
    Step("one event", "one event, alone", ("one-alone",), _one_event),
    Step(
        "computing",
        "work that computes, of one client and of ten: A and B, default and serial, and another process",
        (
            "connection-reads-on",
            "neighbours-wait",
            "serial-spares-neighbours",
            "serial-spares-no-room",
            "thread-helps-in-one-case",
            "thread-returns-sooner",
            "thread-answers-nobody-sooner",
            "thread-spares-no-neighbour",
            "thread-harms-a-serial-server",
            "broadcast-reaches-strangers",
            "to-sid-repairs-it",
            "processes-spare-neighbours",
            "ledger-is-closed",
        ),
        _computing,
        quick=lambda seed: _computing(seed, 1),
    ),
    Step(
        "waiting",
        "work that waits, of one client and of ten: A and B, default and serial",
        (
            "waiting-flips-it",
            "serial-answers-a-room",
            "thread-helps-in-one-case",
            "thread-is-right-for-waiting",
            "ledger-is-closed",
        ),
        _waiting,
        quick=lambda seed: _waiting(seed, QUICK_WAIT_MS),
    ),
    Step(
        "modes, computing",
        "work that computes under gunicorn, gevent and an event loop",
        (
            "neighbours-wait-everywhere",
            "gevent-sends-at-the-end",
            "gevent-task-spares-nobody",
            "to-thread-shares-the-gil",
            "processes-spare-everywhere",
        ),
        _modes_computing,
        quick=lambda seed: _modes_computing(seed, QUICK_ROOM),
    ),
    Step(
        "modes, waiting",
        "work that waits under gevent, unpatched gevent and an event loop",
        (
            "gevent-waits-well",
            "unpatched-gevent-waits-in-line",
            "loop-waits-for-its-handler",
            "to-thread-frees-the-loop",
        ),
        _modes_waiting,
        quick=lambda seed: _modes_waiting(seed, QUICK_ROOM),
    ),
    Step(
        "heartbeat, one at a time",
        "a handler that outlasts the heartbeat, with async_handlers=False",
        ("serial-drops-its-own-client",),
        _serial_beat,
    ),
    Step(
        "heartbeat, gevent",
        "handlers that outlast it under gevent",
        ("gevent-drops-innocents",),
        _gevent_beat,
    ),
    Step(
        "page, counted",
        "a page, frame by frame",
        (
            "one-layout-a-frame",
            "reading-geometry-forces-layout",
            "batching-cuts-dom-operations",
            "batching-paints-as-often",
            "batching-saves-no-paint",
            "writing-less-paints-less",
        ),
        _counted,
        browser=True,
    ),
    Step(
        "page, batched",
        "a page whose updates the server batches",
        ("server-batching-saves-layouts", "server-batching-costs-staleness"),
        _batched,
        browser=True,
        quick=lambda seed: _batched(seed, 1),
    ),
    Step(
        "page, heavy handlers",
        "clicks: a heavy handler on the server, and in the page",
        (
            "page-decides-inp",
            "script-in-page-ruins-inp",
            "result-waits-for-server",
            "trace-shows-long-tasks",
            "frames-and-tasks-agree",
            "trace-shows-no-server-handler",
        ),
        _heavy,
        browser=True,
        quick=lambda seed: _heavy(seed, QUICK),
    ),
    Step(
        "page, A and B",
        "clicks: A and B",
        ("thread-shows-nobody-sooner",),
        _a_and_b,
        browser=True,
        quick=lambda seed: _a_and_b(seed, QUICK),
    ),
    Step("page, pipeline", "a page whose script computes", ("script-holds-the-pipeline",), _pipeline, browser=True),
)


def steps(lines: Iterable[int] | None = None, *, browser: bool = True) -> tuple[Step, ...]:
    """Those steps of the set that the lines need; without a browser, those that need none.

    Raises:
        UsageError: there is no such line.
    """
    numbers = [line.number for line in LINES] if lines is None else list(lines)
    if unknown := sorted(set(numbers) - {line.number for line in LINES}):
        raise UsageError(f"there is no line {unknown[0]}: the advice has 1 to {len(LINES)}")
    needed = {slug for line in LINES if line.number in numbers for slug in line.slugs}
    return tuple(step for step in STEPS if needed & set(step.slugs) and (browser or not step.browser))


def measured(chosen: Iterable[Step], seed: int = 0, *, quick: bool = False) -> Iterator[tuple[Step, Any]]:
    """Each step with what it measured, as it comes; :class:`Missing` where it could not."""
    from labkit.browser.driver.process import one_browser

    with one_browser():
        for step in interrupts.each(chosen):
            try:
                found = step.quick(seed) if quick and step.quick else step.run(seed)
            except LabError as reason:
                found = Missing(f"{str(reason).rstrip('.')}.")
            yield step, found


def measure(
    lines: Iterable[int] | None = None,
    *,
    browser: bool = True,
    seed: int = 0,
    quick: bool = False,
    known: Mapping[str, Any] | None = None,
    progress: Callable[[Step], object] | None = None,
) -> dict[str, Any]:
    """Measure what the lines need, each step once: what :func:`labkit.claims.claims_table` judges.

    Args:
        lines: their numbers; all where None.
        browser: also measure the page.
        seed: of the order of runs.
        quick: with fewer runs of what is equal by theory, and shorter waits: enough to judge, not to record.
        known: what was measured already, by the step's name; it is not measured again.
        progress: is called with each step before it is measured.

    Returns:
        By the step's name a run, a comparison or a rendering; :class:`Missing` with the reason where it failed.
    """

    def announced() -> Iterator[Step]:
        for step in steps(lines, browser=browser):
            if step.name not in (known or {}):
                if progress is not None:
                    progress(step)
                yield step

    return {**(known or {}), **{step.name: found for step, found in measured(announced(), seed, quick=quick)}}
