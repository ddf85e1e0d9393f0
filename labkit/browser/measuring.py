"""Measure ways of updating a page: three passes each, in a real browser, against the lab's own server."""

import gc
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit import clock, environment
from labkit.browser import find
from labkit.browser.driver import Driver
from labkit.browser.feed import MAX_EVENTS, Feed
from labkit.browser.page import Page
from labkit.browser.patterns import NAMES, Pattern, pattern
from labkit.browser.rendering import CLICK_STAGES, Exact, Explained, Int64, Measured, Rendering, Timed
from labkit.errors import BrowserError, LabError, UsageError
from labkit.server import Server
from labkit.stamps import NEVER, Stamps
from labkit.strategies import Strategy, strategy
from labkit.workloads import Calculation, Work, io_wait

Progress = Callable[[str], object]

#: The exact pass: so many updates, then a frame, so many times.
FRAMES, EVENTS_PER_FRAME = 10, 20

PASSES = ("exact", "timed", "explained")


@dataclass(frozen=True)
class Setting:
    """How everything of one measurement is done.

    Attributes:
        rate_hz: updates a second; 0: all at once.
        events: updates in a run; 0: none, clicks only.
        burst: so many updates at one instant, at the same mean rate.
        rows: in the list before the run.
        keys: of how many things the updates are about.
        throttle: how many times slower the page's processor is made.
        clicks: trusted clicks in a run.
        click_block_ms: how long the page's own code computes in its click handler.
        update_block_ms: how long the page's own code computes for each update.
    """

    rate_hz: float = 200.0
    events: int = 300
    burst: int = 1
    rows: int = 200
    keys: int = 10
    throttle: float = 1.0
    clicks: int = 9
    click_block_ms: float = 0.0
    update_block_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("rate_hz", 0, 100_000),
            ("events", 0, MAX_EVENTS),
            ("burst", 1, MAX_EVENTS),
            ("rows", 0, 100_000),
            ("keys", 1, 10_000),
            ("throttle", 1, 100),
            ("clicks", 0, 1000),
            ("click_block_ms", 0, 60_000),
            ("update_block_ms", 0, 60_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} must be from {low} to {high}, not {value}")

    @property
    def span_s(self) -> float:
        """How long the feed takes."""
        return self.events / self.rate_hz if self.rate_hz and self.events else 0.0


def render(
    patterns: Sequence[str | Pattern] = NAMES,
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
) -> Rendering:
    """Measure ways of updating the page: the advice's table.

    Args:
        patterns: which, by name or as `pattern(...)`.
        rate_hz, events, burst, rows, keys, throttle, clicks, update_block_ms: see :class:`Setting`.
        repeats: runs of the timed pass, interleaved in random order.
        passes: ``exact`` (frame by frame, integers), ``timed`` (real time), ``explained`` (with a trace).
        folder: where traces are kept; they are thrown away after reading where None.
        seed: of the order of runs.
        browser: its program; the first that there is where None.
        progress: is called with a line after every step.

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
    steps = renderings(
        patterns, setting, repeats=repeats, passes=passes, folder=folder, seed=seed, browser=browser, progress=progress
    )
    return _last(steps)


def interact(
    exhibit: str | Strategy = "inline",
    work: Work | None = None,
    *,
    clicks: int = 9,
    every_s: float | None = None,
    click_block_ms: float = 0.0,
    name: str | None = None,
    by: str | Pattern = "naive",
    rate_hz: float = 0.0,
    events: int = 0,
    rows: int = 200,
    update_block_ms: float = 0.0,
    throttle: float = 1.0,
    repeats: int = 1,
    browser: str | None = None,
    progress: Progress | None = None,
) -> Rendering:
    """Click a button whose event the server handles by a strategy: INP beside click, ack and paint.

    Args:
        exhibit: how the server handles the click's event; A and B of the advice are ``inline`` and
            ``thread-broadcast``.
        work: what an answer costs the server; 1 ms of waiting where None.
        clicks: trusted ones.
        every_s: seconds between two; by default the work and the block, and 0.2.
        click_block_ms: how long the *page* computes in its click handler: the same weight on the other side.
        name: how to call it; strategy and work where None.
        by, rate_hz, events, rows, update_block_ms, throttle: a feed of updates meanwhile, and how the page takes it.
        repeats: runs.
        browser, progress: as in :func:`render`.

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
        update_block_ms=update_block_ms,
    )
    chosen = strategy(exhibit)
    work = work or io_wait(ms=1)
    if every_s is None:
        every_s = 0.2 + ((work.ms or 100.0) + click_block_ms) / 1000
    block = f", page blocked {click_block_ms:g} ms" if click_block_ms else ""
    way = replace(
        pattern(by) if isinstance(by, str) else by,
        name=name or f"{chosen.name}, {work.name}{block}",
    )
    steps = renderings(
        [way],
        setting,
        repeats=repeats,
        passes=("timed",),
        exhibit=chosen,
        work=work,
        every_s=every_s,
        browser=browser,
        progress=progress,
    )
    return _last(steps)


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
    patterns: Sequence[str | Pattern],
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
    """The same step by step: all that is measured so far, after every run; see :func:`render`."""
    ways = [pattern(each) if isinstance(each, str) else each for each in patterns]
    if not ways:
        raise UsageError("there is no pattern to measure: name one")
    if len({way.name for way in ways}) < len(ways):
        raise UsageError("a pattern is named twice: name each once")
    if repeats < 1:
        raise UsageError(f"repeats must be 1 or more, not {repeats}")
    if unknown := set(passes) - set(PASSES):
        raise UsageError(f"unknown pass {sorted(unknown)[0]!r}: choose from {', '.join(PASSES)}")
    if not setting.events and (setting.clicks == 0 or set(passes) - {"timed"}):
        raise UsageError("without events there is nothing to paint: ask for clicks, and the timed pass only")
    full, shell = find.full(browser), find.shell(browser)
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
    full: find.Browser,
    shell: find.Browser | None,
    progress: Progress | None,
) -> Iterator[Rendering]:
    tell = progress or (lambda line: None)
    problems: list[str] = []
    if "exact" in passes and shell is None:
        problems.append(f"No exact pass: it needs headless shell; {find.HOW}.")
    page = Page(payloads=list(work.make_payloads(max(1, setting.clicks), seed)))
    known = {way.name: Measured(way.name, _settings(setting, way)) for way in ways}
    about = {**environment.describe(), "browser": f"{full.name} {full.version}", "measured": clock.utc_stamp()}

    def result() -> Rendering:
        return Rendering(tuple(known.values()), about, tuple(problems))

    with (
        Driver() as driver,
        Server(strategy(exhibit), Calculation(work.function), extension=page) as server,
        tempfile.TemporaryDirectory(prefix="labkit-") as scratch,
        _frozen(),
    ):
        bench = _Bench(driver, server, page, setting, every_s, work)
        if "exact" in passes and shell is not None:
            for way in ways:
                known[way.name] = replace(known[way.name], exact=bench.exact(way, shell))
                tell(f"{way.name}: counted frame by frame")
                yield result()
        if "timed" in passes:
            order = random.Random(seed)
            for number in range(1, repeats + 1):
                for way in order.sample(ways, len(ways)):
                    run = bench.timed(way, full)
                    known[way.name] = replace(known[way.name], runs=(*known[way.name].runs, run))
                    tell(f"{way.name}: run {number} of {repeats}{_told(run)}")
                    yield result()
        if "explained" in passes:
            traces = Path(scratch) if folder is None else folder
            traces.mkdir(parents=True, exist_ok=True)
            for way in ways:
                path = traces / f"trace-{_safe(way.name)}.json.gz"
                run = bench.timed(way, full, trace=path)
                if run.problem:
                    problems.append(f"The trace of {way.name} is incomplete: {run.problem}.")
                explained = replace(_explain(path), trace="" if folder is None else path.name)
                known[way.name] = replace(known[way.name], explained=explained)
                tell(f"{way.name}: traced")
                yield result()


class _Bench:
    """A server, a driver, and what one run of either pass is made of."""

    def __init__(
        self, driver: Driver, server: Server, page: Page, setting: Setting, every_s: float | None, work: Work
    ) -> None:
        self.driver, self.server, self.page, self.setting, self.work = driver, server, page, setting, work
        span_s = setting.span_s or 0.5
        every_s = span_s / (setting.clicks + 1) if every_s is None else every_s
        self.click_at_s = [every_s * (i + 1) for i in range(setting.clicks)]

    def _job(self, way: Pattern, browser: find.Browser, events: int) -> dict[str, Any]:
        setting = self.setting
        settings = {
            "pattern": way.page,
            "events": events,
            "rows": setting.rows,
            "click_block_ms": setting.click_block_ms,
            "update_block_ms": setting.update_block_ms,
        }
        return {"program": str(browser.path), "url": self.server.url, "page": settings, "keys": setting.keys}

    def exact(self, way: Pattern, shell: find.Browser) -> Exact:
        """Frame by frame. A batching server sends a frame's worth as one message."""
        job = {
            **self._job(way, shell, FRAMES * EVENTS_PER_FRAME),
            "pass": "exact",
            "frames": FRAMES,
            "events_per_frame": EVENTS_PER_FRAME,
            "window_ms": 1 if way.window_ms else 0,
            "timeout_s": 10,
        }
        told = self.driver.run(job, limit_s=60)
        if told["error"] or told["error_messages"]:
            raise BrowserError(f"{way.name} could not be counted: {_because(told)}")
        return Exact(
            frames=told["frames"],
            events_per_frame=EVENTS_PER_FRAME,
            dom_ops=told["dom_ops"],
            layouts=told["layouts"],
            forced_layouts=told["forced_layouts"],
            style_recalcs=told["style_recalcs"],
        )

    def timed(self, way: Pattern, browser: find.Browser, trace: Path | None = None) -> Timed:
        """In real time; with `trace`, under a trace."""
        setting = self.setting
        feed = {"events": setting.events, "rate_hz": setting.rate_hz, "burst": setting.burst, "keys": setting.keys}
        work_s = (self.work.ms or 1000.0) / 1000 * setting.clicks
        # A page that cannot keep up works off its backlog at its own pace: it may take many times the span.
        timeout_s = 30 + 10 * setting.span_s + 5 * work_s + max(self.click_at_s, default=0.0)
        timeout_s += setting.events * setting.update_block_ms / 500
        job = {
            **self._job(way, browser, setting.events),
            "pass": "timed",
            "feed": {**feed, "window_ms": way.window_ms} if setting.events else None,
            "throttle": setting.throttle,
            "click_at_s": self.click_at_s,
            "timeout_s": timeout_s,
            "trace": None if trace is None else str(trace),
        }
        stamps = Stamps(setting.events + setting.clicks)
        assert self.server.instrument is not None
        self.server.instrument.record(stamps)
        feeds = len(self.page.feeds)
        try:
            told = self.driver.run(job, limit_s=timeout_s + 60)
        finally:
            self.server.instrument.record(None)
        fed = self.page.feeds[feeds] if len(self.page.feeds) > feeds else None
        return joined(told, stamps, fed, setting.events)


def joined(told: Mapping[str, Any], stamps: Stamps, feed: Feed | None, events: int) -> Timed:
    """What the page told, on the server's clock, event by event beside what the server stamped."""
    best = min(told["clock"], key=lambda each: each["rtt_ms"])
    origin_ns = best["origin_ns"]
    asked = told["asked"]
    if feed is not None and feed.start_ns:
        start_ns = feed.start_ns
    else:
        start_ns = round(origin_ns + asked[0]["at"] * clock.NS_PER_MS) if asked else round(origin_ns)

    def from_page(values: Sequence[float | None]) -> Int64:
        ns = [NEVER if v is None else round(origin_ns + v * clock.NS_PER_MS) - start_ns for v in values]
        return np.array(ns, np.int64)

    def from_server(values: Sequence[int | None], count: int) -> Int64:
        found = [NEVER if not v else int(v) - start_ns for v in values[:count]]
        return np.array(found + [NEVER] * (count - len(found)), np.int64)

    sent = [] if feed is None else feed.sent_ns
    due = [] if feed is None else [start_ns + at for at in feed.order.due_ns()]
    seen = told["updates"]
    updates = {
        "intended": from_server(due, events),
        "sent": from_server(sent, events),
        "emitted": from_server(stamps.emitted[:events].tolist(), events),
        **{stage: from_page(seen[stage]) for stage in ("received", "written", "painted")},
    }
    clicks = len(asked)
    place = slice(events, events + clicks)
    columns: dict[str, Int64] = {
        "intended": from_page([each["at"] for each in asked]),
        "handled": from_page([each["handled"] for each in asked]),
        "sent": from_page([each.get("sent") for each in asked]),
        "work_start": from_server([each.get("work_start_ns") for each in asked], clicks),
        "work_end": from_server([each.get("work_end_ns") for each in asked], clicks),
        "delivered": from_page([each.get("received") for each in asked]),
        "painted": from_page([each.get("painted") for each in asked]),
    }
    for stage in ("read", "dispatched", "emitted"):
        columns[stage] = from_server(getattr(stamps, stage)[place].tolist(), clicks)
    metrics = told["metrics"]
    problem = _because(told) if told["error"] or told["error_messages"] else ""
    return Timed(
        dom_ops=told["dom_ops"],
        layouts=metrics["LayoutCount"],
        style_recalcs=metrics["RecalcStyleCount"],
        task_ms=metrics["TaskDuration"],
        script_ms=metrics["ScriptDuration"],
        layout_ms=metrics["LayoutDuration"],
        style_ms=metrics["RecalcStyleDuration"],
        long_tasks=tuple((start, duration) for start, duration in told["long_tasks"]),
        long_frames=tuple(told["long_frames"]),
        interactions=tuple(told["interactions"]),
        inp_ms=told["inp_ms"],
        web_vitals_inp_ms=told["web_vitals_inp_ms"],
        updates=updates,
        clicks={stage: columns[stage] for stage in CLICK_STAGES},
        superseded=told["superseded"],
        lost=max(0, len(sent) - told["received"]),
        repeated=told["repeated"],
        disordered=told["disordered"],
        clock_error_ms=best["rtt_ms"] / 2,
        problem=problem,
    )


def _because(told: Mapping[str, Any]) -> str:
    messages = told["error_messages"]
    thrown = f"the page threw {messages[0]!r}" if messages else told["error"]
    return f"{thrown}, after {told['received']} updates"


def _told(run: Timed) -> str:
    if run.problem:
        return f", incomplete: {run.problem}"
    stale = run.staleness_ms[~np.isnan(run.staleness_ms)]
    p95 = f", staleness p95 {np.percentile(stale, 95):.0f} ms" if len(stale) else ""
    inp = "below 16" if run.inp_ms is None else f"{run.inp_ms:.0f}"
    return f", {run.layouts} layouts, task time {run.task_ms:.0f} ms, INP {inp} ms{p95}"


def _settings(setting: Setting, way: Pattern) -> dict[str, Any]:
    return {**vars(setting), "page": way.page, "window_ms": way.window_ms}


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def _explain(path: Path) -> Explained:
    from labkit.browser import trace

    read = trace.read(path)
    return Explained(
        self_ms=dict(read.self_ms),
        counts=dict(read.counts),
        forced_layouts=read.forced_layouts,
        long_tasks=len(read.long_tasks),
        inp_ms=read.inp_ms if read.inp_ms is None or math.isfinite(read.inp_ms) else None,
        frames_dropped=read.frames_dropped,
    )


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep the garbage collector off what is there already: one full collection holds the server for 72 ms."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
