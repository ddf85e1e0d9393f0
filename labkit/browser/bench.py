"""One run of either pass: the job for the browser, and what came back beside what the server stamped."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import clock
from labkit.base.errors import BrowserError, UsageError
from labkit.browser.driver import chromium
from labkit.browser.driver.process import Driver
from labkit.browser.page.feed import MAX_EVENTS, Feed
from labkit.browser.page.patterns import Pattern
from labkit.browser.page.server import Page
from labkit.browser.passes import CLICK_STAGES, Exact, Explained, Int64, Timed
from labkit.browser.trace import frames
from labkit.plan import address
from labkit.plan.link import Link
from labkit.plan.work import Work
from labkit.runs.stages import NEVER
from labkit.scale import network
from labkit.server.in_process import Server
from labkit.server.stamps import Stamps

#: The exact pass has so many frames.
FRAMES = 10


@dataclass(frozen=True)
class Setting:
    """How everything of one measurement is done.

    Attributes:
        rate_hz: updates per second; 0: all at once.
        events: updates in a run; 0: none, clicks only.
        burst: so many updates at one instant, at the same mean rate.
        rows: in the list before the run.
        keys: of how many things the updates are about.
        throttle: how many times slower the page's processor is made.
        clicks: trusted clicks in a run.
        click_block_ms: how long the page's own code computes in its click handler.
        click_block_step_ms: how much longer with each further click. Durations are told in steps of 8 ms: those of
            equal clicks are all rounded alike.
        update_block_ms: how long the page's own code computes for each update.
        events_per_frame: updates before each frame of the exact pass.
        network: between page and server, as ``40ms,10ms,2%``; empty for loopback alone. The exact pass has no time, and
            so no network.
    """

    rate_hz: float = 200.0
    events: int = 300
    burst: int = 1
    rows: int = 200
    keys: int = 10
    throttle: float = 1.0
    clicks: int = 9
    click_block_ms: float = 0.0
    click_block_step_ms: float = 0.0
    update_block_ms: float = 0.0
    events_per_frame: int = 20
    network: str = ""

    def __post_init__(self) -> None:
        Link.of(self.network or None)
        for name, low, high in (
            ("rate_hz", 0, 100_000),
            ("events", 0, MAX_EVENTS),
            ("burst", 1, MAX_EVENTS),
            ("rows", 0, 100_000),
            ("keys", 1, 10_000),
            ("throttle", 1, 100),
            ("clicks", 0, 1000),
            ("click_block_ms", 0, 60_000),
            ("click_block_step_ms", 0, 1000),
            ("update_block_ms", 0, 60_000),
            ("events_per_frame", 1, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} must be from {low} to {high}, not {value}")

    @property
    def span_s(self) -> float:
        """How long the feed takes."""
        return self.events / self.rate_hz if self.rate_hz and self.events else 0.0


class Bench:
    """A server, a driver, and what one run of either pass is made of."""

    def __init__(
        self, driver: Driver, server: Server, page: Page, setting: Setting, every_s: float | None, work: Work
    ) -> None:
        self.driver, self.server, self.page, self.setting, self.work = driver, server, page, setting, work
        span_s = setting.span_s or 0.5
        every_s = span_s / (setting.clicks + 1) if every_s is None else every_s
        self.click_at_s = [every_s * (i + 1) for i in range(setting.clicks)]

        self._timed = 0

    def _job(self, way: Pattern, browser: chromium.Browser, events: int, url: str = "") -> dict[str, Any]:
        setting = self.setting
        settings = {
            "pattern": way.page,
            "events": events,
            "rows": setting.rows,
            "click_block_ms": setting.click_block_ms,
            "click_block_step_ms": setting.click_block_step_ms,
            "update_block_ms": setting.update_block_ms,
        }
        return {"program": str(browser.path), "url": url or self.server.url, "page": settings, "keys": setting.keys}

    def exact(self, way: Pattern, shell: chromium.Browser) -> Exact:
        """Frame by frame. What a batching server or a worker collects within a frame is sent as one message."""
        each = self.setting.events_per_frame
        with tempfile.TemporaryDirectory(prefix="labkit-") as scratch:
            trace = Path(scratch) / "trace.json.gz"
            job = {
                **self._job(way, shell, FRAMES * each),
                "pass": "exact",
                "frames": FRAMES,
                "events_per_frame": each,
                "window_ms": 1 if way.collects else 0,
                "timeout_s": 10,
                "trace": str(trace),
            }
            told = self.driver.run(job, limit_s=60)
            if told["error"] or told["error_messages"]:
                raise BrowserError(f"{way.name} could not be counted: {because(told)}")
            painting = frames.read(trace)
        return Exact(
            frames=told["frames"],
            events_per_frame=each,
            dom_ops=told["dom_ops"],
            layouts=told["layouts"],
            forced_layouts=told["forced_layouts"],
            style_recalcs=told["style_recalcs"],
            paints=painting.paints,
            raster_tasks=painting.raster_tasks,
            paint_ms=painting.median_ms,
        )

    def timed(self, way: Pattern, browser: chromium.Browser, trace: Path | None = None) -> Timed:
        """In real time; with `trace`, under a trace."""
        setting = self.setting
        feed = {"events": setting.events, "rate_hz": setting.rate_hz, "burst": setting.burst, "keys": setting.keys}
        work_s = (self.work.ms or 1000.0) / 1000 * setting.clicks
        # A page that cannot keep up works off its backlog at its own pace: it may take many times the span.
        timeout_s = 30 + 10 * setting.span_s + 5 * work_s + max(self.click_at_s, default=0.0)
        timeout_s += setting.events * setting.update_block_ms / 500
        job = {
            "pass": "timed",
            "feed": {**feed, "window_ms": way.window_ms} if setting.events else None,
            "throttle": setting.throttle,
            "click_at_s": self.click_at_s,
            "timeout_s": timeout_s,
            "trace": None if trace is None else str(trace),
        }
        stamps = Stamps(setting.events + setting.clicks)
        assert self.server.hooks is not None
        self.server.hooks.record(stamps)
        before = [*self.page.feeds]
        self._timed += 1
        link = Link.of(setting.network or None, seed=self._timed)  # of each run another, or all would lose the same
        try:
            with network.between(address.parsed(self.server.url), link) as url:
                job |= self._job(way, browser, setting.events, url)
                told = self.driver.run(job, limit_s=timeout_s + 60)
        finally:
            self.server.hooks.record(None)
        fed = [feed for feed in self.page.feeds if all(feed is not each for each in before)]
        return joined(told, stamps, fed[0] if fed else None, setting.events)


def joined(told: Mapping[str, Any], stamps: Stamps, feed: Feed | None, events: int) -> Timed:
    """What the page told, on the server's clock, event by event beside what the server stamped.

    Args:
        told: by the page, with its own stamps in ms.
        stamps: of the server: the updates' first, then the clicks'.
        feed: of the run; None where there were clicks only.
        events: how many updates were asked for.
    """
    best = min(told["clock"], key=lambda each: each["rtt_ms"])
    timeline = _Timeline.of(best["origin_ns"], told["asked"], feed)
    metrics = told["metrics"]
    cpu_ns = [each["work_cpu_ns"] for each in told["asked"] if each.get("work_cpu_ns")]
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
        updates=_updates(timeline, told["updates"], stamps, feed, events),
        clicks=_clicks(timeline, told["asked"], stamps, events),
        superseded=told["superseded"],
        lost=max(0, (0 if feed is None else len(feed.sent_ns)) - told["received"]),
        repeated=told["repeated"],
        disordered=told["disordered"],
        clock_error_ms=best["rtt_ms"] / 2,
        problem=because(told) if told["error"] or told["error_messages"] else "",
        work_cpu_ms=float(np.mean(cpu_ns)) / clock.NS_PER_MS if cpu_ns else None,
        entry_types=tuple(told["entry_types"]),
    )


@dataclass(frozen=True)
class _Timeline:
    """One axis for the stamps of page and server.

    Attributes:
        origin_ns: what the server's clock showed when the page's showed 0.
        start_ns: on the server's clock, from where the axis counts.
    """

    origin_ns: float
    start_ns: int

    @classmethod
    def of(cls, origin_ns: float, asked: Sequence[Mapping[str, Any]], feed: Feed | None) -> "_Timeline":
        """It begins with the feed; without one, with the first click."""
        if feed is not None and feed.start_ns:
            return cls(origin_ns, feed.start_ns)
        return cls(origin_ns, round(origin_ns + asked[0]["at"] * clock.NS_PER_MS) if asked else round(origin_ns))

    def from_page(self, values_ms: Sequence[float | None]) -> Int64:
        """Stamps of the page's clock."""
        ns = [NEVER if v is None else round(self.origin_ns + v * clock.NS_PER_MS) - self.start_ns for v in values_ms]
        return np.array(ns, np.int64)

    def from_server(self, values_ns: Sequence[int | None], count: int) -> Int64:
        """Stamps of the server's clock; `count` of them, whether or not there are so many."""
        found = [NEVER if not v else int(v) - self.start_ns for v in values_ns[:count]]
        return np.array(found + [NEVER] * (count - len(found)), np.int64)


def _updates(
    timeline: _Timeline, seen: Mapping[str, Sequence[float | None]], stamps: Stamps, feed: Feed | None, events: int
) -> dict[str, Int64]:
    due = [] if feed is None else [timeline.start_ns + at for at in feed.order.due_ns()]
    sent = [] if feed is None else feed.sent_ns
    return {
        "intended": timeline.from_server(due, events),
        "sent": timeline.from_server(sent, events),
        "emitted": timeline.from_server(stamps.emitted[:events].tolist(), events),
        **{stage: timeline.from_page(seen[stage]) for stage in ("received", "written", "painted")},
    }


def _clicks(timeline: _Timeline, asked: Sequence[Mapping[str, Any]], stamps: Stamps, events: int) -> dict[str, Int64]:
    clicks = len(asked)
    place = slice(events, events + clicks)
    told = {"intended": "at", "handled": "handled", "sent": "sent", "delivered": "received", "painted": "painted"}
    worked = {"work_start": "work_start_ns", "work_end": "work_end_ns"}
    columns = {stage: timeline.from_page([each.get(name) for each in asked]) for stage, name in told.items()}
    for stage, name in worked.items():
        columns[stage] = timeline.from_server([each.get(name) for each in asked], clicks)
    for stage in ("read", "dispatched", "emitted"):
        columns[stage] = timeline.from_server(getattr(stamps, stage)[place].tolist(), clicks)
    return {stage: columns[stage] for stage in CLICK_STAGES}


def because(told: Mapping[str, Any]) -> str:
    """Why a run is incomplete, from what the page told."""
    messages = told["error_messages"]
    thrown = f"the page threw {messages[0]!r}" if messages else told["error"]
    return f"{thrown}, after {told['received']} updates"


def explain(path: Path, run: Timed) -> Explained:
    """What the trace reader says of one run's trace, and how far the page agrees on its interactions."""
    from labkit.browser.trace import interactions, reader

    read = reader.read(path)
    return Explained(
        self_ms=dict(read.self_ms),
        counts=dict(read.counts),
        forced_layouts=read.forced_layouts,
        long_tasks=len(read.long_tasks),
        inp_ms=read.inp_ms if read.inp_ms is None or math.isfinite(read.inp_ms) else None,
        frames_dropped=read.frames_dropped,
        page_inp_ms=run.inp_ms,
        web_vitals_inp_ms=run.web_vitals_inp_ms,
        inp_error_ms=interactions.error_ms(run.interactions, read.interactions),
    )
