"""Ways of updating the page under several loads: rate, rows and the server's window vary in one call."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from labkit.browser import measuring
from labkit.browser.bench import Setting
from labkit.browser.driver import one_browser
from labkit.browser.frontier import under
from labkit.browser.measuring import Progress
from labkit.browser.patterns import Pattern, pattern
from labkit.browser.rendering import Rendering
from labkit.errors import UsageError


def vary(
    patterns: Sequence[str | Path | Pattern] = ("naive", "forced"),
    *,
    rates_hz: Sequence[float] = (100.0, 1000.0),
    windows_ms: Sequence[float] = (50.0, 200.0),
    rows: Sequence[int] = (200, 2000),
    span_s: float = 0.3,
    clicks: int = 2,
    throttle: float = 4.0,
    repeats: int = 1,
    seed: int = 0,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Time every way under every load: each pattern, and the server's windows, at each rate and number of rows.

    One browser is started for all of them. What is measured is called ``naive, 500/s, 2000 rows``;
    `figures.frontier` draws it.

    Args:
        patterns: which, by name, by a file of the reader's, or as `pattern(...)`.
        rates_hz: updates a second.
        windows_ms: of ``server-batch``, beside the patterns.
        rows: in the list before a run.
        span_s: how long updates come in a run; so many of them as the rate says.
        clicks: trusted ones in a run.
        throttle: how many times slower the page's processor is made. Where there is time for everything, all ways
            are alike: 4 makes a phone of a desktop.
        repeats, seed, browser, progress, required: as in `render`.

    Raises:
        As `render`.
    """
    ways = [each if isinstance(each, Pattern) else pattern(each) for each in patterns]
    ways += [pattern("dom-batch", window_ms=each, called=f"server-batch-{each:g}") for each in windows_ms]
    if not (span_s > 0 and rates_hz and rows and all(rate > 0 for rate in rates_hz)):
        raise UsageError("give rates above 0 updates a second, numbers of rows, and a span above 0 s")
    settings = [
        Setting(rate_hz=rate, events=max(1, round(rate * span_s)), rows=each, throttle=throttle, clicks=clicks)
        for each in rows
        for rate in rates_hz
    ]

    def steps() -> Iterator[Rendering]:
        known: tuple[Rendering, ...] = ()
        with one_browser():
            for setting in settings:
                for step in measuring.renderings(
                    [replace(way, name=under(way.name, setting.rate_hz, setting.rows)) for way in ways],
                    setting,
                    repeats=repeats,
                    passes=("timed",),
                    seed=seed,
                    browser=browser,
                    progress=progress,
                ):
                    so_far = known[0] + step if known else step
                    yield so_far
                known = (so_far,)

    return measuring.measured(required, steps)
