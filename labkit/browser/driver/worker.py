"""The process that drives the browser: jobs in, results out, a line of JSON each.

A process of its own, since Playwright's driver would share the server's GIL, and since its synchronous form does not
run where an event loop does (a notebook). It ends when its standard input closes, and takes the browser along.
Started by :mod:`labkit.browser.driver.process`; nothing else imports it.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Error, Page, Playwright, async_playwright

from labkit.base import clock
from labkit.browser.driver.tracing import Tracing

Job = dict[str, Any]
Result = dict[str, Any]

_FLAGS = (
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Frames come when they are asked for, and each goes through all stages before it is shown.
#: https://chromium.googlesource.com/chromium/src/+/main/headless/README.md
_EXACT_FLAGS = (
    "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
)

_COUNTS = ("LayoutCount", "RecalcStyleCount")
_DURATIONS = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


class Failed(Exception):
    """A job cannot go on; the message says why."""


class Worker:
    """Keeps the browsers that jobs need, and carries the jobs out."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browsers: dict[tuple[str, bool], Browser] = {}

    async def run(self, job: Job) -> Result:
        """One job; what went wrong is told in ``error``, beside what was measured until then."""
        passes: dict[str, Callable[[Job, Tab], Awaitable[Result]]] = {"exact": exact, "timed": timed}
        browser = await self._browser(job["program"], exact=job["pass"] == "exact")
        async with Tab(browser, job) as tab:
            return await passes[job["pass"]](job, tab)

    async def _browser(self, program: str, *, exact: bool) -> Browser:
        key = (program, exact)
        known = self._browsers.get(key)
        if known is not None and known.is_connected():
            return known
        flags = [*_FLAGS, *(_EXACT_FLAGS if exact else ())]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to start as root with it
        try:
            browser = await self._playwright.chromium.launch(
                executable_path=program,
                headless=True,
                args=flags,
                handle_sigint=False,
                handle_sighup=False,
                handle_sigterm=False,
                timeout=30_000,
            )
        except Error as error:
            raise Failed(f"the browser {program} did not start ({_first_line(error)}): name another") from error
        self._browsers[key] = browser
        return browser

    async def close(self) -> None:
        for browser in self._browsers.values():
            with contextlib.suppress(Error, TimeoutError):
                await asyncio.wait_for(browser.close(), 5)


class Tab:
    """A page of its own in an empty profile, connected to the server."""

    def __init__(self, browser: Browser, job: Job) -> None:
        self.browser = browser
        self.job = job
        self.crashed = False
        self._throttle = 1.0

    async def __aenter__(self) -> "Tab":
        self._context = await self.browser.new_context(viewport={"width": 800, "height": 600})
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _open(self) -> None:
        if self.job["pass"] == "exact":
            self.page = await self._controlled(self._context)
        else:
            self.page = await self._context.new_page()
        self.page.on("crash", self._crash)
        self.cdp = await self._context.new_cdp_session(self.page)
        await self.cdp.send("Performance.enable", {"timeDomain": "timeTicks"})
        answer = await self.page.goto(f"{self.job['url']}/?driven", wait_until="commit", timeout=10_000)
        if answer is None or not answer.ok:
            raise Failed(f"the server did not give the page ({answer.status if answer else 'no answer'})")
        for _ in range(500):
            if await self.page.evaluate("typeof window.lab") == "object":
                break
            await asyncio.sleep(0.02)
        else:
            raise Failed("the page's script did not start: look at it by hand, in any browser")
        await self.page.evaluate("lab.connected()")

    async def _controlled(self, context: BrowserContext) -> Page:
        """A page whose frames we issue. Playwright's own new_page() cannot ask for one."""
        root = await self.browser.new_browser_cdp_session()
        before = {each["targetId"] for each in (await root.send("Target.getTargets"))["targetInfos"]}
        # Which browser context is Playwright's: the one of a page that it makes in it.
        probe = await context.new_page()
        targets = (await root.send("Target.getTargets"))["targetInfos"]
        own = next(each for each in targets if each["targetId"] not in before and each["type"] == "page")
        async with context.expect_page() as coming:
            await root.send(
                "Target.createTarget",
                {
                    "url": "about:blank",
                    "enableBeginFrameControl": True,
                    "browserContextId": own["browserContextId"],
                    "width": 800,
                    "height": 600,
                },
            )
        page = await coming.value
        await probe.close()
        await root.detach()
        return page

    def _crash(self, _: Page) -> None:
        self.crashed = True

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(Error, TimeoutError):
            await asyncio.wait_for(self._context.close(), 5)

    async def metrics(self) -> dict[str, float]:
        """The renderer's own counters since it began."""
        told = (await self.cdp.send("Performance.getMetrics"))["metrics"]
        return {each["name"]: each["value"] for each in told}

    async def throttle(self, rate: float) -> None:
        """Make the page's processor so many times slower."""
        if rate != self._throttle:
            await self.cdp.send("Emulation.setCPUThrottlingRate", {"rate": rate})
            self._throttle = rate

    async def frame(self) -> None:
        """Let one frame happen, now."""
        await self.cdp.send("HeadlessExperimental.beginFrame", {"interval": 1000 / 60})

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.page.evaluate("lab.state()")
        return state

    async def until(self, is_done: Callable[[dict[str, Any]], bool], timeout_s: float) -> str:
        """Wait until the page says so; why it did not come to that, or an empty string."""
        deadline_ns = clock.now_ns() + round(timeout_s * clock.NS_PER_S)
        while True:
            state = await self.state()
            if is_done(state):
                return ""
            if state["disconnects"]:
                return "the page lost its connection"
            if state["errors"]:
                return "the page threw an error"
            if clock.now_ns() > deadline_ns:
                return (
                    f"the page was not done after {timeout_s:g} s, with {state['unpainted']} updates to paint "
                    f"and {state['clicks'] - state['answered']} clicks to answer"
                )
            await asyncio.sleep(0.02)


async def exact(job: Job, tab: Tab) -> Result:
    """Frame by frame: so many updates, then one frame. What is counted before the frame was forced."""
    await tab.page.evaluate("order => lab.prepare(order)", job["page"])
    for _ in range(3):  # the list's own first layout, and what follows it
        await tab.frame()
    await tab.page.evaluate("lab.prepare({})")
    for _ in range(3):
        await tab.frame()
    each = job["events_per_frame"]
    begin = before = await tab.metrics()
    forced = frame_layouts = 0.0
    error = ""
    for number in range(job["frames"]):
        first = number * each
        order = {"events": each, "first": first, "keys": job["keys"], "window_ms": job["window_ms"]}
        await tab.page.evaluate("order => lab.feed(order)", order)
        error = await tab.until(lambda state: state["received"] >= first + each and state["fed"], job["timeout_s"])  # noqa: B023
        if error:
            break
        written = await tab.metrics()
        await tab.frame()
        after = await tab.metrics()
        forced += written["LayoutCount"] - before["LayoutCount"]
        frame_layouts += after["LayoutCount"] - written["LayoutCount"]
        before = after
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


async def timed(job: Job, tab: Tab) -> Result:
    """In real time: a feed, trusted clicks meanwhile, and everything that the page and the renderer tell."""
    await tab.page.evaluate("order => lab.prepare(order)", job["page"])
    at = await tab.page.evaluate(_BUTTON)
    clock_before = await tab.page.evaluate("lab.synchronise(20)")
    await tab.throttle(job["throttle"])  # after the clocks were compared, which takes a quick page
    await asyncio.sleep(0.1)  # what preparing began has ended
    tracing = Tracing(tab.cdp) if job.get("trace") else None
    if tracing is not None:
        await tracing.start()
    before = await tab.metrics()
    feed = job["feed"]
    if feed is not None:
        told = await tab.page.evaluate("order => lab.feed(order)", feed)
        if "refused" in told:
            raise Failed(f"the server refused the feed: {told['refused']}")
    clicking = asyncio.create_task(_click(tab.cdp, at, job["click_at_s"]))
    events = job["page"]["events"]
    clicks = len(job["click_at_s"])

    def is_done(state: dict[str, Any]) -> bool:
        fed = feed is None or (state["fed"] and state["received"] >= min(events, state["sent"]))
        return fed and not state["unpainted"] and state["answered"] >= clicks

    error = await tab.until(is_done, job["timeout_s"])
    if error:
        clicking.cancel()
    with contextlib.suppress(asyncio.CancelledError, Error):
        await clicking
    await tab.page.evaluate(_SETTLED)
    after = await tab.metrics()
    if tracing is not None:
        await tracing.stop(job["trace"])
    result: Result = await tab.page.evaluate("lab.report()")
    await tab.throttle(1)
    if not error:
        result["clock"] = [clock_before, await tab.page.evaluate("lab.synchronise(20)")]
        await tab.page.evaluate(_HIDE)
        result["web_vitals_inp_ms"] = await tab.page.evaluate("lab.report().web_vitals_inp_ms")
    else:
        result["clock"] = [clock_before]
    result["error"] = error
    result["metrics"] = {name: round(after[name] - before[name]) for name in _COUNTS}
    result["metrics"] |= {name: round((after[name] - before[name]) * 1000, 3) for name in _DURATIONS}
    return result


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


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


async def _answer(worker: Worker, job: Job) -> Result:
    try:
        return await asyncio.wait_for(worker.run(job), job["limit_s"])
    except Failed as error:
        return {"failed": str(error)}
    except TimeoutError:
        return {"failed": f"the browser did not finish within {job['limit_s']:g} s"}
    except Error as error:
        line = _first_line(error)
        if any(word in line for word in ("crash", "closed", "disconnected")):
            return {"failed": "the browser ended in the middle of a run"}
        return {"failed": f"the browser did not do as asked ({line})"}


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        # A thread: on Windows no event loop can wait for a pipe that was inherited.
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    async with async_playwright() as playwright:
        worker = Worker(playwright)
        try:
            while line := await lines.get():
                job = asyncio.create_task(_answer(worker, json.loads(line)))
                # The end of input while a job runs ends the job too.
                ending = asyncio.create_task(lines.get())
                await asyncio.wait({job, ending}, return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    job.cancel()
                    break
                ending.cancel()
                sys.stdout.write(json.dumps(await job) + "\n")
                sys.stdout.flush()
        finally:
            await worker.close()


def main() -> None:
    """Serve until the standard input closes."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
