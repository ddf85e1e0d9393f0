"""The page's half: what events do to a real browser, and how it is counted.

::

    from labkit import browser, plots

    result = browser.render(["naive", "forced", "dom-batch"], rate_hz=200, events=300)
    result                                          # the advice's table, measured
    plots.page.overview(result)
    browser.frame("thread")                         # the page itself in a notebook's cell, to press its buttons

It needs Playwright (``pip install 'labkit[browser]'``), a Chromium, and two JavaScript files of other people, which
``labkit browser --install`` fetches. Everything else of labkit works without them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.browser.driver.process import one_browser
    from labkit.browser.measure import interact, render
    from labkit.browser.page.notebook import frame
    from labkit.browser.page.patterns import pattern, show
    from labkit.browser.page.server import Page, serve
    from labkit.browser.rendering import Rendering
    from labkit.browser.variants import few_updates, interact_each, tour, vary

_HOMES = {
    "Page": "page.server",
    "Rendering": "rendering",
    "few_updates": "variants",
    "frame": "page.notebook",
    "interact": "measure",
    "interact_each": "variants",
    "one_browser": "driver.process",
    "pattern": "page.patterns",
    "render": "measure",
    "serve": "page.server",
    "show": "page.patterns",
    "tour": "variants",
    "vary": "variants",
}

__all__ = [
    "Page",
    "Rendering",
    "few_updates",
    "frame",
    "interact",
    "interact_each",
    "one_browser",
    "pattern",
    "render",
    "serve",
    "show",
    "tour",
    "vary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit.browser' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"labkit.browser.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
