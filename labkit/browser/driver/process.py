"""The parent of the process that drives the browser: gives it jobs, waits no longer than a time limit, ends it whole.

Nothing is left behind whatever happens: the process ends when its input closes and takes the browser along; if it does
not, it and everything that it started are ended by their process ids; if this process dies, its input closes.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from labkit.base.errors import BrowserError, MissingExtra
from labkit.base.processes import OrderedProcess

#: How much longer than the job's own limit the parent waits before it ends the process.
GRACE_S = 10.0

#: How long the browser may take to close, and to remove its profile.
CLOSING_S = 8.0


class Driver(OrderedProcess):
    """Drives browsers from another process: ``with Driver() as driver: driver.run(job, limit_s=30)``.

    Raises:
        MissingExtra: Playwright is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("playwright") is None:
            raise MissingExtra("driving a browser needs Playwright: pip install 'labkit[browser]'")
        # A browser leaves its parent's process group, and may outlive it: so it is marked. If killed, it leaves files.
        super().__init__(
            "from labkit.browser.driver.worker import main; main()",
            own_group=True,
            marked=True,
            grace_s=CLOSING_S,
            own_temporary=True,
        )

    def run(self, job: dict[str, Any], *, limit_s: float) -> dict[str, Any]:
        """Give a job and wait for its result.

        Raises:
            BrowserError: the browser did not start, ended, or was not done in time. The next job gets a new one.
        """
        too_slow = BrowserError(f"the browser's driver did not answer within {limit_s:g} s: measure less")
        try:
            with self.time_limit(limit_s + GRACE_S, too_slow):  # the process should keep the job's limit by itself
                result: dict[str, Any] = self.order("run", job, limit_s)
                return result
        except BaseException:
            # Nobody knows what state the browser is in, and what answer is still to come: the next job gets a new one.
            self.end()
            raise

    def ended(self, last_words: str) -> BrowserError:
        """What to raise where it has ended."""
        return BrowserError(f"the browser's driver ended ({last_words[:200]}): measure again")


@dataclass
class _Shared:
    """The driver of an :func:`one_browser`; None until the first measurement within it."""

    driver: Driver | None = None


_shared: _Shared | None = None


@contextlib.contextmanager
def one_browser() -> Iterator[None]:
    """``with one_browser():`` all measurements within share one browser, started by the first of them.

    Each has a page and an empty profile of its own all the same; starting a browser takes as long as a short run.
    """
    global _shared  # noqa: PLW0603 (what is measured within is called by others, who need not know of it)
    if _shared is not None:
        yield
        return
    _shared = _Shared()
    try:
        yield
    finally:
        shared, _shared = _shared, None
        if shared.driver is not None:
            shared.driver.end()


@contextlib.contextmanager
def driving() -> Iterator[Driver]:
    """The driver that measurements share now, left open; else one of its own, ended afterwards."""
    if _shared is None:
        with Driver() as driver:
            yield driver
    else:
        _shared.driver = _shared.driver or Driver()
        yield _shared.driver
