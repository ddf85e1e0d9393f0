"""The process that drives the browser: takes jobs, answers with their results.

A process of its own, since Playwright's driver would share the server's GIL, and since its synchronous form does not
run where an event loop does (a notebook). It ends when its standard input closes, and takes the browser along.
Started by :mod:`labkit.browser.driver.process`; nothing else imports it.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, Error, Playwright, async_playwright

from labkit.base.errors import BrowserError
from labkit.base.processes import Pipes, remove_own_temporary
from labkit.browser.driver.jobs import Job, Result, exact, timed
from labkit.browser.driver.tab import Tab

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

_JOBS: dict[str, Callable[[Job, Tab], Awaitable[Result]]] = {"exact": exact, "timed": timed}


class Worker:
    """Keeps the browsers that jobs need, and carries the jobs out."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browsers: dict[tuple[str, bool], Browser] = {}

    async def run(self, job: Job) -> Result:
        """One job, in a page of its own."""
        frame_by_frame = job["pass"] == "exact"
        browser = await self._browser(job["program"], frame_by_frame)
        async with Tab(browser, job["url"], frame_by_frame=frame_by_frame) as tab:
            return await _JOBS[job["pass"]](job, tab)

    async def _browser(self, program: str, frame_by_frame: bool) -> Browser:
        """One that runs already, or a new one."""
        known = self._browsers.get((program, frame_by_frame))
        if known is not None and known.is_connected():
            return known
        flags = [*_FLAGS, *(_EXACT_FLAGS if frame_by_frame else ())]
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
            raise BrowserError(f"the browser {program} did not start ({_first_line(error)}): name another") from error
        self._browsers[program, frame_by_frame] = browser
        return browser

    async def close(self) -> None:
        """End all of them."""
        for browser in self._browsers.values():
            with contextlib.suppress(Error, TimeoutError):
                await asyncio.wait_for(browser.close(), 5)


async def _answer(worker: Worker, job: Job, limit_s: float) -> Result | BrowserError:
    """The job's result; a sentence where there is none."""
    try:
        return await asyncio.wait_for(worker.run(job), limit_s)
    except BrowserError as error:
        return error
    except TimeoutError:
        return BrowserError(f"the browser did not finish within {limit_s:g} s")
    except Error as error:
        line = _first_line(error)
        if any(word in line for word in ("crash", "closed", "disconnected")):
            return BrowserError("the browser ended in the middle of a run")
        return BrowserError(f"the browser did not do as asked ({line})")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


async def _serve(pipes: Pipes) -> None:
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[tuple[Any, ...] | None] = asyncio.Queue()

    def read() -> None:
        # A thread: on Windows no event loop can wait for a pipe that was inherited.
        try:
            while True:
                _, args = pipes.take()
                loop.call_soon_threadsafe(orders.put_nowait, args)
        except EOFError:
            pass
        finally:
            loop.call_soon_threadsafe(orders.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    async with async_playwright() as playwright:
        worker = Worker(playwright)
        try:
            while (order := await orders.get()) is not None:
                job = asyncio.create_task(_answer(worker, *order))
                # The end of input while a job runs ends the job too.
                ending = asyncio.create_task(orders.get())
                await asyncio.wait({job, ending}, return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    job.cancel()
                    break
                ending.cancel()
                pipes.answer(await job)
        finally:
            await worker.close()


def main() -> None:
    """Serve until the standard input closes."""
    try:
        asyncio.run(_serve(Pipes()))
    finally:
        remove_own_temporary()
