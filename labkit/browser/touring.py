"""The tour's page half: the same heavy events by A, by B and by the page itself, seen from a page."""

from collections.abc import Iterator

from labkit.browser import measuring
from labkit.browser.bench import Setting
from labkit.browser.driver import Driver
from labkit.browser.measuring import Progress
from labkit.browser.patterns import Pattern
from labkit.browser.rendering import Rendering
from labkit.errors import UsageError
from labkit.workloads import Work, cpu

#: The three ways, as the claims on the page know them.
A, B, PAGE = "A", "B", "heavy page handler"

#: Of each: the exhibit that answers the click, and whether the page's click handler computes instead of the server's.
WAYS = {A: ("inline", False), B: ("thread-broadcast", False), PAGE: ("inline", True)}


def tour(
    work: Work | None = None,
    *,
    clicks: int = 10,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Press a page's button so many times at once: each event is heavy on the server, by A and by B, or in the page.

    `figures.seen` draws it: from the click to its result, and INP.

    Args:
        work: what an event costs, on the server or in the page's own click handler; 100 ms of computing where None.
        clicks: trusted ones, at once.
        browser, progress, required: as in `render`.

    Raises:
        As `render`.
    """
    work = work or cpu(100)
    if not work.ms or clicks < 1:
        raise UsageError("the page is to work as long as the server: give work whose ms are known, and a click or more")
    block_ms = work.ms

    def steps() -> Iterator[Rendering]:
        known: Rendering | None = None
        with Driver() as driver:
            for name, (exhibit, in_page) in WAYS.items():
                for step in measuring.renderings(
                    [Pattern(name, "naive")],
                    Setting(rate_hz=0, events=0, clicks=clicks, click_block_ms=block_ms if in_page else 0.0),
                    repeats=1,
                    passes=("timed",),
                    exhibit=exhibit,
                    work=None if in_page else work,
                    every_s=0.0,
                    browser=browser,
                    progress=progress,
                    driver=driver,
                ):
                    so_far = step if known is None else known + step
                    yield so_far
                known = so_far

    return measuring.measured(required, steps)
