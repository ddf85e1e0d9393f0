"""The two jobs that a page is given: to be counted frame by frame, and to be timed in real time.

A job is a dict of plain values, and so is its result: both cross a process. What went wrong on the page is told in the
result's ``error``, beside what was measured until then.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Error

from labkit.base import clock
from labkit.base.errors import BrowserError
from labkit.browser.driver.tab import Tab
from labkit.browser.driver.tracing import Tracing

Job = dict[str, Any]
Result = dict[str, Any]

_COUNTS = ("LayoutCount", "RecalcStyleCount")
_DURATIONS = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


async def exact(job: Job, tab: Tab) -> Result:
    """Frame by frame: so many updates, then one frame. A layout that is counted before the frame was forced.

    It is traced: what is painted has no counter of its own. That costs time, and changes no count.
    """
    await _prepared(tab, job["page"])
    tracing = Tracing(tab.cdp)
    await tracing.start()
    begin = before = await tab.metrics()
    forced = 0.0
    error = ""
    for number in range(job["frames"]):
        error = await _written(tab, job, number)
        if error:
            break
        written = await tab.metrics()
        await tab.frame()
        forced += written["LayoutCount"] - before["LayoutCount"]
        before = await tab.metrics()
    await tracing.stop(Path(job["trace"]))
    told = await tab.page.evaluate("lab.report()")
    return {
        "error": error,
        "frames": job["frames"],
        "received": told["received"],
        "dom_ops": told["dom_ops"],
        "layouts": round(before["LayoutCount"] - begin["LayoutCount"]),
        "forced_layouts": round(forced),
        "style_recalcs": round(before["RecalcStyleCount"] - begin["RecalcStyleCount"]),
        "error_messages": told["error_messages"],
    }


async def _prepared(tab: Tab, page: dict[str, Any]) -> None:
    """The list is made and laid out, with all that follows it; then counting begins anew."""
    for order in (page, {}):
        await tab.page.evaluate("order => lab.prepare(order)", order)
        for _ in range(3):
            await tab.frame()


async def _written(tab: Tab, job: Job, number: int) -> str:
    """Let the page have one frame's updates; why that failed, or an empty string."""
    each = job["events_per_frame"]
    first = number * each
    order = {"events": each, "first": first, "keys": job["keys"], "window_ms": job["window_ms"]}
    await tab.page.evaluate("order => lab.feed(order)", order)
    return await tab.until(lambda state: state["received"] >= first + each and state["fed"], job["timeout_s"])


async def timed(job: Job, tab: Tab) -> Result:
    """In real time: a feed, trusted clicks meanwhile, and everything that the page and the renderer tell."""
    await tab.page.evaluate("order => lab.prepare(order)", job["page"])
    button = await tab.page.evaluate(_BUTTON)
    clocks = [await tab.page.evaluate("lab.synchronise(20)")]
    await tab.throttle(job["throttle"])  # after the clocks were compared, which takes a quick page
    await asyncio.sleep(0.1)  # what preparing began has ended
    tracing = Tracing(tab.cdp) if job.get("trace") else None
    if tracing is not None:
        await tracing.start()
    before = await tab.metrics()
    error = await _fed_and_clicked(job, tab, button)
    await tab.page.evaluate(_SETTLED)
    after = await tab.metrics()
    if tracing is not None:
        await tracing.stop(Path(job["trace"]))
    result: Result = await tab.page.evaluate("lab.report()")
    await tab.throttle(1)
    if not error:
        clocks.append(await tab.page.evaluate("lab.synchronise(20)"))
        await tab.page.evaluate(_HIDE)
        result["web_vitals_inp_ms"] = await tab.page.evaluate("lab.report().web_vitals_inp_ms")
    counts = {name: round(after[name] - before[name]) for name in _COUNTS}
    durations_ms = {name: round((after[name] - before[name]) * 1000, 3) for name in _DURATIONS}
    return {**result, "error": error, "clock": clocks, "metrics": counts | durations_ms}


async def _fed_and_clicked(job: Job, tab: Tab, button: dict[str, float]) -> str:
    """All updates are painted and all clicks answered; why it did not come to that, or an empty string."""
    feed, events, clicks = job["feed"], job["page"]["events"], len(job["click_at_s"])
    if feed is not None:
        told = await tab.page.evaluate("order => lab.feed(order)", feed)
        if "refused" in told:
            raise BrowserError(f"the server refused the feed: {told['refused']}")
    clicking = asyncio.create_task(_click(tab.cdp, button, job["click_at_s"]))

    def is_done(state: dict[str, Any]) -> bool:
        fed = feed is None or (state["fed"] and state["received"] >= min(events, state["sent"]))
        return fed and not state["unpainted"] and state["answered"] >= clicks

    error = await tab.until(is_done, job["timeout_s"])
    if error:
        clicking.cancel()
    with contextlib.suppress(asyncio.CancelledError, Error):
        await clicking
    return error


async def _click(cdp: CDPSession, at: dict[str, float], when_s: list[float]) -> None:
    """Trusted clicks when they are due, however long the page takes for the one before (open loop)."""
    start_ns = clock.now_ns()
    sent: list[asyncio.Task[Any]] = []
    for due_s in when_s:
        await asyncio.sleep(max(0.0, due_s - (clock.now_ns() - start_ns) / clock.NS_PER_S))
        both = ({"type": kind, "button": "left", "clickCount": 1, **at} for kind in ("mousePressed", "mouseReleased"))
        sent.extend(asyncio.create_task(cdp.send("Input.dispatchMouseEvent", each)) for each in both)
    await asyncio.gather(*sent)


_BUTTON = """() => {
    const box = document.getElementById('ask').getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}"""

#: Event timing entries come after the frame that they end with.
_SETTLED = """() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100)));
})"""

#: web-vitals reports when it is idle, or at last when the page is hidden: so it is told that it is.
_HIDE = """() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    return new Promise((done) => setTimeout(done, 50));
}"""
