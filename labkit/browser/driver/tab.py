"""A page in an empty profile, connected to the server: where a job is done."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, Error, Page

from labkit.base import clock
from labkit.base.errors import BrowserError

#: How long the page's script may take to start.
STARTING_S = 10.0


class Tab:
    """A page of its own in an empty profile, connected to the server.

    Args:
        browser: which one.
        url: the server's.
        frame_by_frame: there are no frames but those that :meth:`frame` issues; the browser must have been started so.
    """

    def __init__(self, browser: Browser, url: str, *, frame_by_frame: bool) -> None:
        self.browser = browser
        self.url = url
        self.frame_by_frame = frame_by_frame
        self._throttle = 1.0

    async def __aenter__(self) -> Self:
        self._context = await self.browser.new_context(viewport={"width": 800, "height": 600})
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _open(self) -> None:
        controlled = self.frame_by_frame
        self.page = await (self._controlled(self._context) if controlled else self._context.new_page())
        self.cdp = await self._context.new_cdp_session(self.page)
        await self.cdp.send("Performance.enable", {"timeDomain": "timeTicks"})
        answer = await self.page.goto(f"{self.url}/?driven", wait_until="commit", timeout=10_000)
        if answer is None or not answer.ok:
            raise BrowserError(f"the server did not give the page ({answer.status if answer else 'no answer'})")
        await self._started()
        await self.page.evaluate("lab.connected()")

    async def _started(self) -> None:
        """Wait until the page's script has started."""
        deadline_ns = clock.now_ns() + round(STARTING_S * clock.NS_PER_S)
        while await self.page.evaluate("typeof window.lab") != "object":
            if clock.now_ns() > deadline_ns:
                raise BrowserError("the page's script did not start: look at it by hand, in any browser")
            await asyncio.sleep(0.02)

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
        """What the page says of itself now."""
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
