"""The page's half: what events do to a real browser, and how it is counted.

::

    from labkit import browser

    result = browser.render(["naive", "forced", "dom-batch"], rate_hz=200, events=300)
    result                                          # the advice's table, measured
    browser.figures.overview(result)
    browser.frame("thread")                         # the page itself in a notebook's cell, to press its buttons

It needs Playwright (``pip install 'labkit[browser]'``), a Chromium, and two JavaScript files of other people, which
``labkit browser --install`` fetches. Everything else of labkit works without them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.browser import figures as figures
    from labkit.browser.driver import one_browser
    from labkit.browser.embedded import frame
    from labkit.browser.interacting import interact_each
    from labkit.browser.measuring import interact, render
    from labkit.browser.page import Page, serve
    from labkit.browser.patterns import pattern, show
    from labkit.browser.rendering import Rendering
    from labkit.browser.touring import tour
    from labkit.browser.varying import vary

_HOMES = {
    "Page": "page",
    "Rendering": "rendering",
    "figures": "",
    "frame": "embedded",
    "interact": "measuring",
    "interact_each": "interacting",
    "one_browser": "driver",
    "pattern": "patterns",
    "render": "measuring",
    "serve": "page",
    "show": "patterns",
    "tour": "touring",
    "vary": "varying",
}

__all__ = [
    "Page",
    "Rendering",
    "figures",
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

    if not _HOMES[name]:
        return importlib.import_module(f"labkit.browser.{name}")
    value = getattr(importlib.import_module(f"labkit.browser.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
