"""Measure ways of updating a page: three passes each, in a real browser, against the lab's own server."""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import clock
from labkit.base.errors import LabError, MissingExtra, UsageError
from labkit.base.files import safe_name
from labkit.browser.bench import Bench, Setting, explain
from labkit.browser.driver import chromium
from labkit.browser.driver.process import driving
from labkit.browser.page.patterns import NAMES, Pattern, pattern
from labkit.browser.page.server import Page
from labkit.browser.passes import Timed
from labkit.browser.rendering import Measured, Rendering
from labkit.plan.work import Calculation, Work, io_wait
from labkit.runs import environment
from labkit.server.in_process import Server
from labkit.server.steady import collector_frozen
from labkit.strategies import Strategy, strategy

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
        rate_hz, events, burst, rows, keys, throttle, clicks, update_block_ms: see :class:`Setting`.
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


def interact(
    exhibit: str | Strategy = "inline",
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
    repeats: int = 1,
    trace: bool = False,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Click a button whose event the server handles by a strategy: INP beside click, ack and paint.

    Args:
        exhibit: how the server handles the click's event; A and B of the advice are ``inline`` and
            ``thread-broadcast``.
        work: what an answer costs the server; 1 ms of waiting where None.
        clicks: trusted ones.
        every_s: seconds between two; by default the work and the block, and 0.2.
        click_block_ms: how long the *page* computes in its click handler: the same weight on the other side.
        click_block_step_ms: how much longer with each further click.
        name: how to call it; strategy and work where None.
        by, rate_hz, events, rows, update_block_ms, throttle: a feed of updates meanwhile, and how the page takes it.
        repeats: runs.
        trace: record one more run, and explain it.
        browser, progress, required: as in :func:`render`.

    Raises:
        As :func:`render`.
    """
    setting = Setting(
        rate_hz=rate_hz,
        events=events,
        rows=rows,
        throttle=throttle,
        clicks=clicks,
        click_block_ms=click_block_ms,
        click_block_step_ms=click_block_step_ms,
        update_block_ms=update_block_ms,
    )
    chosen = strategy(exhibit)
    work = work or io_wait(ms=1)
    if every_s is None:
        every_s = 0.2 + ((work.ms or 100.0) + click_block_ms + click_block_step_ms * clicks) / 1000
    block = f", page blocked {click_block_ms:g} ms" if click_block_ms else ""
    way = replace(
        pattern(by) if isinstance(by, str) else by,
        name=name or f"{chosen.name}, {work.name}{block}",
    )
    return measured(
        required,
        lambda: renderings(
            [way],
            setting,
            repeats=repeats,
            passes=("timed", "explained") if trace else ("timed",),
            exhibit=chosen,
            work=work,
            every_s=every_s,
            browser=browser,
            progress=progress,
        ),
    )


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
    exhibit: str | Strategy = "inline",
    work: Work | None = None,
    every_s: float | None = None,
    browser: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Rendering]:
    """The same step by step: all that is measured so far, after every run; see :func:`render`.

    A step is told after whoever asked has had it, and may have saved it: nothing is announced that an interrupt can
    take away again.
    """
    ways = [each if isinstance(each, Pattern) else pattern(each) for each in patterns]
    if not ways:
        raise UsageError("there is no pattern to measure: name one")
    if len({way.name for way in ways}) < len(ways):
        raise UsageError("a pattern is named twice: name each once")
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}")
    if unknown := set(passes) - set(PASSES):
        raise UsageError(f"unknown pass {sorted(unknown)[0]!r}: choose from {', '.join(PASSES)}")
    if not setting.events and (setting.clicks == 0 or "exact" in passes):
        raise UsageError("without events there is nothing to paint: ask for clicks, and leave the exact pass out")
    full, shell = chromium.full(browser), chromium.shell(browser)
    work = work or io_wait(ms=1)
    return _steps(ways, setting, repeats, passes, folder, seed, exhibit, work, every_s, full, shell, progress)


def _steps(
    ways: list[Pattern],
    setting: Setting,
    repeats: int,
    passes: Sequence[str],
    folder: Path | None,
    seed: int,
    exhibit: str | Strategy,
    work: Work,
    every_s: float | None,
    full: chromium.Browser,
    shell: chromium.Browser | None,
    progress: Progress | None,
) -> Iterator[Rendering]:
    tell = progress or (lambda line: None)
    problems: list[str] = []
    if "exact" in passes and shell is None:
        problems.append(f"No exact pass: it needs headless shell; {chromium.HOW}.")
    page = Page(payloads=list(work.make_payloads(max(1, setting.clicks), seed)), patterns=ways)
    known = {way.name: Measured(way.name, _settings(setting, way, strategy(exhibit), work, every_s)) for way in ways}
    about = {**environment.describe(), "browser": f"{full.name} {full.version}", "measured": clock.utc_stamp()}

    def result() -> Rendering:
        return Rendering(tuple(known.values()), about, tuple(problems))

    with (
        driving() as driver,
        Server(strategy(exhibit), Calculation(work.function), extension=page) as server,
        tempfile.TemporaryDirectory(prefix="labkit-") as scratch,
        collector_frozen(),
    ):
        bench = Bench(driver, server, page, setting, every_s, work)
        if "exact" in passes and shell is not None:
            for way in ways:
                known[way.name] = replace(known[way.name], exact=bench.exact(way, shell))
                yield result()
                tell(f"{way.name}: counted frame by frame")
        if "timed" in passes:
            order = random.Random(seed)
            for number in range(1, repeats + 1):
                for way in order.sample(ways, len(ways)):
                    run = bench.timed(way, full)
                    known[way.name] = replace(known[way.name], runs=(*known[way.name].runs, run))
                    yield result()
                    tell(f"{way.name}: run {number} of {repeats}{_told(run)}")
        if "explained" in passes:
            traces = Path(scratch) if folder is None else folder
            traces.mkdir(parents=True, exist_ok=True)
            for way in ways:
                path = traces / f"trace-{safe_name(way.name)}.json.gz"
                run = bench.timed(way, full, trace=path)
                if run.problem:
                    problems.append(f"The trace of {way.name} is incomplete: {run.problem}.")
                explained = replace(explain(path, run), trace="" if folder is None else path.name)
                known[way.name] = replace(known[way.name], explained=explained)
                yield result()
                tell(f"{way.name}: traced")


def _told(run: Timed) -> str:
    if run.problem:
        return f", incomplete: {run.problem}"
    stale = run.staleness_ms[~np.isnan(run.staleness_ms)]
    p95 = f", staleness p95 {np.percentile(stale, 95):.0f} ms" if len(stale) else ""
    inp = "below 16" if run.inp_ms is None else f"{run.inp_ms:.0f}"
    return f", {run.layouts} layouts, task time {run.task_ms:.0f} ms, INP {inp} ms{p95}"


def _settings(setting: Setting, way: Pattern, exhibit: Strategy, work: Work, every_s: float | None) -> dict[str, Any]:
    """All that decides what is measured: runs that differ in any of it are never pooled."""
    served = {"exhibit": exhibit.name, "work": work.name, "every_s": every_s}
    return {**vars(setting), "page": way.page, "window_ms": way.window_ms, **served}
