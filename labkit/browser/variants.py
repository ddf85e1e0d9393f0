"""Several ways of updating a page, or of answering its clicks, measured in turn in one browser.

What slows a machine for a while slows all of them alike.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labkit.base.errors import UsageError
from labkit.base.listed import is_number, listed
from labkit.base.renamed import refuse_old, refuse_unknown
from labkit.browser import measure
from labkit.browser.bench import Setting
from labkit.browser.driver.process import one_browser
from labkit.browser.frontier import FRAMES_HZ, under
from labkit.browser.measure import Progress
from labkit.browser.page.patterns import Pattern, pattern, ways
from labkit.browser.rendering import Rendering
from labkit.plan.interleaving import interleaved
from labkit.plan.work import Work, cpu

#: What can be said of one variant.
_SETTINGS = tuple(inspect.signature(measure.interact).parameters)


def interact_each(
    variants: Mapping[str, Mapping[str, Any]],
    *,
    repeats: int = 1,
    seed: int = 0,
    required: bool = True,
    **settings: Any,
) -> Rendering:
    """Click under several settings of :func:`interact`, interleaved in random order, `repeats` times each.

    One browser is started for all of them.

    Args:
        variants: of each the name under which it is shown, and its settings, as ``{"A": {"strategy": "inline"}}``.
        repeats: runs of each.
        seed: of the order.
        required: as in `render`.
        settings: what all share.

    Raises:
        As :func:`interact`.
    """
    if repeats < 1 or not variants:
        raise UsageError("give at least one variant, and 1 or more repeats")
    for each in (settings, *variants.values()):
        _require_known(each)
    names = list(variants)

    def steps() -> Iterator[Rendering]:
        found = Rendering(())
        with one_browser():
            for name in interleaved(names, repeats, seed):
                found += measure.interact(**{**settings, **variants[name]}, name=name)
                yield replace(found, measured=tuple(sorted(found.measured, key=lambda each: names.index(each.name))))

    return measure.measured(required, steps)


def _require_known(settings: Mapping[str, Any]) -> None:
    """Before anything starts, since a variant has its turn at random."""
    refuse_old(settings)
    refuse_unknown(settings, _SETTINGS)


def vary(
    patterns: Sequence[str | Path | Pattern] = ("naive", "forced"),
    *,
    rates_hz: Sequence[float] | float = (100.0, 1000.0),
    windows_ms: Sequence[float] | float = (50.0, 200.0),
    rows: Sequence[int] | int = (200, 2000),
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
    `plots.page.frontier` draws it.

    Args:
        patterns: which, by name, by a file of the reader's, or as `pattern(...)`.
        rates_hz: updates per second.
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
    batched = [pattern("dom-batch", window_ms=each, called=f"server-batch-{each:g}") for each in listed(windows_ms)]
    chosen = [*ways(patterns), *batched]
    rates, many = listed(rates_hz), listed(rows)
    if not (span_s > 0 and rates and many and all(is_number(rate) and rate > 0 for rate in rates)):
        raise UsageError("give rates above 0 updates per second, numbers of rows, and a span above 0 s")
    settings = [
        Setting(rate_hz=rate, events=max(1, round(rate * span_s)), rows=each, throttle=throttle, clicks=clicks)
        for each in many
        for rate in rates
    ]

    def steps() -> Iterator[Rendering]:
        known: tuple[Rendering, ...] = ()
        with one_browser():
            for setting in settings:
                for step in measure.renderings(
                    [replace(way, name=under(way.name, setting.rate_hz, setting.rows)) for way in chosen],
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

    return measure.measured(required, steps)


def few_updates(
    rate_hz: float = 29.0,
    *,
    span_s: float = 3.0,
    repeats: int = 2,
    seed: int = 0,
    browser: str | None = None,
    progress: Progress | None = None,
    required: bool = True,
) -> Rendering:
    """Does requestAnimationFrame save or cost anything where a frame has one update at most? naive beside dom-batch.

    Both are counted frame by frame, with one update each, and timed at a low rate. `plots.page.few_updates` draws it.

    Args:
        rate_hz: updates per second, fewer than frames. One that divides the frame rate, such as 30 of 60, has all
            updates of a run at the same place between two frames, and so tells of that place alone. 29 has them at 29
            places, each once in a second.
        span_s: how long updates come in a run; whole seconds favour no place.
        repeats: runs of each, interleaved in random order.
        seed, browser, progress, required: as in `render`.

    Raises:
        As `render`.
    """
    if not (0 < rate_hz < FRAMES_HZ and span_s > 0):
        raise UsageError(f"give a rate above 0 and below {FRAMES_HZ} updates per second, and a span above 0 s")
    return measure.render(
        ways(["naive", "dom-batch"]),
        rate_hz=rate_hz,
        events=max(1, round(rate_hz * span_s)),
        clicks=0,
        events_per_frame=1,
        repeats=repeats,
        passes=("exact", "timed"),
        seed=seed,
        browser=browser,
        progress=progress,
        required=required,
    )


#: How the tour calls its three ways: A and B by the advice's letters, the page as the claims on it do.
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

    `plots.page.seen` draws it: from the click to its result, and INP.

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
    variants: dict[str, dict[str, Any]] = {
        A: {"strategy": "inline", **heavy},
        B: {"strategy": "thread-broadcast", **heavy},
        PAGE: {"click_block_ms": work.ms},
    }
    shared: dict[str, Any] = {"clicks": clicks, "every_s": 0.0, "browser": browser, "progress": progress}
    return interact_each(variants, required=required, **shared)
