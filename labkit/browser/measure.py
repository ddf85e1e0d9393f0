"""Measure ways of updating a page: three passes each, in a real browser, against the lab's own server."""

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import clock
from labkit.base.collector import collector_frozen
from labkit.base.errors import LabError, MissingExtra, UsageError
from labkit.base.files import safe_name
from labkit.base.renamed import refusing_old_names
from labkit.browser.bench import Bench, Setting, explain
from labkit.browser.driver import chromium
from labkit.browser.driver.process import driving
from labkit.browser.page.patterns import NAMES, Pattern, ways
from labkit.browser.page.server import Page
from labkit.browser.passes import SHORTEST_MS, Timed
from labkit.browser.rendering import Measured, Rendering
from labkit.plan.work import Calculation, Work, io_wait
from labkit.runs import environment
from labkit.server.in_process import Server
from labkit.strategies import Strategy
from labkit.strategies import strategy as strategy_of

Progress = Callable[[str], object]

PASSES = ("exact", "timed", "explained")


def render(
    patterns: Sequence[str | Path | Pattern] = NAMES,
    *,
    rate_hz: float = 200.0,
    events: int = 300,
    burst: int = 1,
    rows: int = 200,
    keys: int = 10,
    throttle: float = 1.0,
    clicks: int = 9,
    update_block_ms: float = 0.0,
    events_per_frame: int = 20,
    network: str = "",
    repeats: int = 3,
    passes: Sequence[str] = PASSES,
    folder: Path | None = None,
    seed: int = 0,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Measure ways of updating the page: the advice's table.

    Args:
        patterns: which, by name, by a file of the reader's (``mine.js``), or as `pattern(...)`.
        rate_hz, events, burst, rows, keys, throttle, clicks, update_block_ms, events_per_frame, network: see
            :class:`Setting`.
        repeats: runs of the timed pass, interleaved in random order.
        passes: ``exact`` (frame by frame, integers), ``timed`` (real time), ``explained`` (with a trace).
        folder: where traces are kept; they are thrown away after reading where None.
        seed: of the order of runs.
        browser: its program; the first that there is where None.
        progress: is called with a line after every step.
        required: where a browser or one of its parts is absent, raise; else return what was measured, nothing, and why.

    Raises:
        MissingExtra: no browser, no Playwright, or no JavaScript parts; the sentence says how to get it.
        UsageError: the request makes no sense; nothing was started.
        BrowserError: the browser failed before anything was measured. Later, what was measured is returned, and its
            `problems` say what is missing.
    """
    setting = Setting(
        rate_hz=rate_hz,
        events=events,
        burst=burst,
        rows=rows,
        keys=keys,
        throttle=throttle,
        clicks=clicks,
        update_block_ms=update_block_ms,
        events_per_frame=events_per_frame,
        network=network,
    )
    return measured(
        required,
        lambda: renderings(
            patterns,
            setting,
            repeats=repeats,
            passes=passes,
            folder=folder,
            seed=seed,
            browser=browser,
            progress=progress,
        ),
    )


@refusing_old_names
def interact(
    strategy: str | Strategy = "inline",
    work: Work | None = None,
    *,
    clicks: int = 9,
    every_s: float | None = None,
    click_block_ms: float = 0.0,
    click_block_step_ms: float = 0.0,
    name: str | None = None,
    by: str | Pattern = "naive",
    rate_hz: float = 0.0,
    events: int = 0,
    rows: int = 200,
    update_block_ms: float = 0.0,
    throttle: float = 1.0,
    network: str = "",
    repeats: int = 1,
    trace: bool = False,
    folder: Path | None = None,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Click a button whose event the server handles by a strategy: INP beside click, ack and paint.

    Args:
        strategy: how the server handles the click's event; A and B of the advice are ``inline`` and
            ``thread-broadcast``.
        work: what an answer costs the server; 1 ms of waiting where None.
        clicks: trusted ones.
        every_s: seconds between two; by default the work and the block, and 0.2.
        click_block_ms: how long the *page* computes in its click handler: the same weight on the other side.
        click_block_step_ms: how much longer with each further click.
        name: how to call it; strategy and work where None.
        by, rate_hz, events, rows, update_block_ms, throttle: a feed of updates meanwhile, and how the page takes it.
        network: between page and server; see :class:`Setting`.
        repeats: runs.
        trace: record one more run, and explain it.
        folder: where that recording is kept; it is thrown away after reading where None.
        browser, progress, required: as in :func:`render`.

    Raises:
        As :func:`render`.
    """
    feed = {"rate_hz": rate_hz, "events": events, "rows": rows, "update_block_ms": update_block_ms}
    blocks = {"click_block_ms": click_block_ms, "click_block_step_ms": click_block_step_ms}
    setting = Setting(throttle=throttle, clicks=clicks, network=network, **feed, **blocks)  # type: ignore[arg-type]
    chosen, work = strategy_of(strategy), work or io_wait(ms=1)
    longest_ms = (work.ms or 100.0) + click_block_ms + click_block_step_ms * clicks
    way = replace(ways([by])[0], name=name or _called(chosen, work, click_block_ms))
    return measured(
        required,
        lambda: renderings(
            [way],
            setting,
            repeats=repeats,
            passes=("timed", "explained") if trace else ("timed",),
            folder=folder,
            strategy=chosen,
            work=work,
            every_s=0.2 + longest_ms / 1000 if every_s is None else every_s,
            browser=browser,
            progress=progress,
        ),
    )


def _called(strategy: Strategy, work: Work, click_block_ms: float) -> str:
    """What tables call clicks that nobody has named."""
    block = f", page blocked {click_block_ms:g} ms" if click_block_ms else ""
    return f"{strategy.name}, {work.name}{block}"


def measured(required: bool, begin: Callable[[], Iterator[Rendering]]) -> Rendering:
    """The last of the steps, with why it is incomplete; without a browser, raise or say so, as `render` does."""
    try:
        return _last(begin())
    except MissingExtra as error:
        if required:
            raise
        said = str(error).rstrip(".")
        return Rendering((), problems=(f"Nothing was measured: {said}.",))


def _last(steps: Iterator[Rendering]) -> Rendering:
    result: Rendering | None = None
    try:
        for step in steps:
            result = step
    except LabError as error:
        if result is None:
            raise
        return replace(result, problems=(*result.problems, f"Incomplete: {error}."))
    assert result is not None
    return result


def renderings(
    patterns: Sequence[str | Path | Pattern],
    setting: Setting,
    *,
    repeats: int = 3,
    passes: Sequence[str] = PASSES,
    folder: Path | None = None,
    seed: int = 0,
    strategy: str | Strategy = "inline",
    work: Work | None = None,
    every_s: float | None = None,
    browser: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Rendering]:
    """The same step by step: all that is measured so far, after every run; see :func:`render`.

    What cannot be measured is refused at once. A step is told after whoever asked has had it, and may have saved it:
    nothing is announced that an interrupt can take away again.
    """
    request = _Request(
        ways=ways(patterns),
        setting=setting,
        strategy=strategy_of(strategy),
        work=work or io_wait(ms=1),
        every_s=every_s,
        passes=passes,
        repeats=repeats,
        seed=seed,
        folder=folder,
    )
    return request.steps(chromium.full(browser), chromium.shell(browser), progress or (lambda line: None))


@dataclass(frozen=True)
class _Request:
    """What was asked for, and the passes that measure it.

    Each pass is an iterator: after every run, what that found, and a line about it for people who wait.

    Attributes:
        ways: of updating the page.
        setting: how all of them are measured.
        strategy, work: how the server answers clicks, and what an answer costs.
        every_s: between two clicks; spread over the feed where None.
        passes: of :data:`PASSES`.
        repeats: runs of the timed pass.
        seed: of the order of runs, and of the work's payloads.
        folder: where traces are kept; they are thrown away after reading where None.

    Raises:
        UsageError: it makes no sense.
    """

    ways: Sequence[Pattern]
    setting: Setting
    strategy: Strategy
    work: Work
    every_s: float | None
    passes: Sequence[str]
    repeats: int
    seed: int
    folder: Path | None

    def __post_init__(self) -> None:
        if not self.ways:
            raise UsageError("there is no pattern to measure: name one")
        if len({way.name for way in self.ways}) < len(self.ways):
            raise UsageError("a pattern is named twice: name each once")
        if self.repeats < 1:
            raise UsageError(f"repeats must be 1 or more, not {self.repeats}")
        if unknown := set(self.passes) - set(PASSES):
            raise UsageError(f"unknown pass {sorted(unknown)[0]!r}: choose from {', '.join(PASSES)}")
        if not self.setting.events and (self.setting.clicks == 0 or "exact" in self.passes):
            raise UsageError("without events there is nothing to paint: ask for clicks, and leave the exact pass out")

    def steps(self, full: chromium.Browser, shell: chromium.Browser | None, progress: Progress) -> Iterator[Rendering]:
        """All that is measured so far, after every run.

        Args:
            full: the browser of the timed and the explained pass.
            shell: that of the exact pass; without one it is left out, and the rendering says so.
            progress: is called with a line after every step.
        """
        page = Page(payloads=list(self.work.make_payloads(max(1, self.setting.clicks), self.seed)), patterns=self.ways)
        result = self._nothing_yet(full, shell)
        with (
            driving() as driver,
            Server(self.strategy, Calculation(self.work.function), extension=page) as server,
            collector_frozen(),
        ):
            bench = Bench(driver, server, page, self.setting, self.every_s, self.work)
            for found, line in self._found(bench, full, shell):
                result += found
                yield result
                progress(line)

    def _nothing_yet(self, full: chromium.Browser, shell: chromium.Browser | None) -> Rendering:
        about = {**environment.describe(), "browser": f"{full.name} {full.version}", "measured": clock.utc_stamp()}
        lacking = "exact" in self.passes and shell is None
        problems = (f"No exact pass: it needs headless shell; {chromium.HOW}.",) if lacking else ()
        return Rendering(tuple(map(self._of, self.ways)), about, problems)

    def _of(self, way: Pattern, **found: Any) -> Measured:
        """What was found of a way, with all that decided it: runs that differ in any of that are never pooled."""
        work = {"work": self.work.name, "work_ms": self.work.ms}
        served = {"strategy": self.strategy.name, **work, "every_s": self.every_s}
        setting = {name: value for name, value in vars(self.setting).items() if name != "network" or value}
        return Measured(way.name, {**setting, "page": way.page, "window_ms": way.window_ms, **served}, **found)

    def _found(
        self, bench: Bench, full: chromium.Browser, shell: chromium.Browser | None
    ) -> Iterator[tuple[Rendering, str]]:
        if "exact" in self.passes and shell is not None:
            yield from self._exact(bench, shell)
        if "timed" in self.passes:
            yield from self._timed(bench, full)
        if "explained" in self.passes:
            yield from self._explained(bench, full)

    def _exact(self, bench: Bench, shell: chromium.Browser) -> Iterator[tuple[Rendering, str]]:
        for way in self.ways:
            counted = bench.exact(way, shell)
            yield Rendering((self._of(way, exact=counted),)), f"{way.name}: counted frame by frame"

    def _timed(self, bench: Bench, full: chromium.Browser) -> Iterator[tuple[Rendering, str]]:
        order = random.Random(self.seed)
        for number in range(1, self.repeats + 1):
            for way in order.sample(self.ways, len(self.ways)):
                run = bench.timed(way, full)
                line = f"{way.name}: run {number} of {self.repeats}{_in_short(run)}"
                yield Rendering((self._of(way, runs=(run,)),)), line

    def _explained(self, bench: Bench, full: chromium.Browser) -> Iterator[tuple[Rendering, str]]:
        for way in self.ways:
            with self._traces() as folder:
                path = folder / f"trace-{safe_name(way.name)}.json.gz"
                run = bench.timed(way, full, trace=path)
                explained = explain(path, run)
            kept = replace(explained, trace="" if self.folder is None else path.name)
            problems = (f"The trace of {way.name} is incomplete: {run.problem}.",) if run.problem else ()
            yield Rendering((self._of(way, explained=kept),), problems=problems), f"{way.name}: traced"

    @contextlib.contextmanager
    def _traces(self) -> Iterator[Path]:
        """The folder for a trace."""
        if self.folder is None:
            with tempfile.TemporaryDirectory(prefix="labkit-") as scratch:
                yield Path(scratch)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield self.folder


def _in_short(run: Timed) -> str:
    if run.problem:
        return f", incomplete: {run.problem}"
    stale = run.staleness_ms[~np.isnan(run.staleness_ms)]
    p95 = f", staleness p95 {np.percentile(stale, 95):.0f} ms" if len(stale) else ""
    inp = f"below {SHORTEST_MS}" if run.inp_ms is None else f"{run.inp_ms:.0f}"
    return f", {run.layouts} layouts, task time {run.task_ms:.0f} ms, INP {inp} ms{p95}"
