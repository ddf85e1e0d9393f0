"""The tour's page half: the same heavy events by A, by B and by the page itself, seen from a page."""

from typing import Any

from labkit.browser.interacting import interact_each
from labkit.browser.measuring import Progress
from labkit.browser.rendering import Rendering
from labkit.errors import UsageError
from labkit.workloads import Work, cpu

#: The three ways, as the claims on the page know them.
A, B, PAGE = "A", "B", "heavy page handler"


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

    heavy = {"work": work}
    ways: dict[str, dict[str, Any]] = {
        A: {"exhibit": "inline", **heavy},
        B: {"exhibit": "thread-broadcast", **heavy},
        PAGE: {"click_block_ms": work.ms},
    }
    shared: dict[str, Any] = {"clicks": clicks, "every_s": 0.0, "browser": browser, "progress": progress}
    return interact_each(ways, required=required, **shared)
