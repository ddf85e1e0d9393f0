"""One run of either pass: the job for the browser, and what came back beside what the server stamped."""

import math
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
from labkit.plan.work import Work
from labkit.runs.stages import NEVER
from labkit.server.in_process import Server
from labkit.server.stamps import Stamps

#: The exact pass: so many updates, then a frame, so many times.
FRAMES, EVENTS_PER_FRAME = 10, 20


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
        click_block_step_ms: how much longer with each further click. Durations are told in steps of 8 ms: those of
            equal clicks are all rounded alike.
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
    click_block_step_ms: float = 0.0
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
            ("click_block_step_ms", 0, 1000),
            ("update_block_ms", 0, 60_000),
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

    def _job(self, way: Pattern, browser: chromium.Browser, events: int) -> dict[str, Any]:
        setting = self.setting
        settings = {
            "pattern": way.page,
            "events": events,
            "rows": setting.rows,
            "click_block_ms": setting.click_block_ms,
            "click_block_step_ms": setting.click_block_step_ms,
            "update_block_ms": setting.update_block_ms,
        }
        return {"program": str(browser.path), "url": self.server.url, "page": settings, "keys": setting.keys}

    def exact(self, way: Pattern, shell: chromium.Browser) -> Exact:
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
            raise BrowserError(f"{way.name} could not be counted: {because(told)}")
        return Exact(
            frames=told["frames"],
            events_per_frame=EVENTS_PER_FRAME,
            dom_ops=told["dom_ops"],
            layouts=told["layouts"],
            forced_layouts=told["forced_layouts"],
            style_recalcs=told["style_recalcs"],
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
            **self._job(way, browser, setting.events),
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
        feeds = len(self.page.feeds)
        try:
            told = self.driver.run(job, limit_s=timeout_s + 60)
        finally:
            self.server.hooks.record(None)
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
    cpu_ns = [each["work_cpu_ns"] for each in asked if each.get("work_cpu_ns")]
    metrics = told["metrics"]
    problem = because(told) if told["error"] or told["error_messages"] else ""
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
        work_cpu_ms=float(np.mean(cpu_ns)) / clock.NS_PER_MS if cpu_ns else None,
    )


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
