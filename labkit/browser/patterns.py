"""Ways of updating the page: which of the page's patterns writes, and whether the server batches before it sends."""

import re
from dataclasses import dataclass
from importlib.resources import files

from labkit.errors import UsageError
from labkit.text import Plain

#: What the page knows: a file each in assets/patterns.
PAGE_PATTERNS = ("naive", "forced", "thrash", "dom-batch", "conflate")

#: All ways that ``labkit render`` measures, in the order in which the lab shows them.
NAMES = ("naive", "forced", "thrash", "dom-batch", "conflate", "server-batch-50", "server-batch-200")

_SERVER_BATCH = re.compile(r"server-batch-(\d{1,5})")


@dataclass(frozen=True)
class Pattern:
    """A way of updating the page.

    Attributes:
        name: how tables and figures call it.
        page: the page's part, one of :data:`PAGE_PATTERNS`.
        window_ms: the server collects updates so long and sends them as one message; 0: each is sent as it comes.
    """

    name: str
    page: str
    window_ms: float = 0.0


def pattern(name: str, *, window_ms: float | None = None, called: str | None = None) -> Pattern:
    """A way of updating the page, by name.

    Args:
        name: one of the page's patterns, or ``server-batch-50``: the server's window of 50 ms before ``dom-batch``.
        window_ms: the server's window before any of the page's patterns.
        called: how tables and figures call it, where one pattern is measured under several settings.

    Raises:
        UsageError: there is no such pattern.
    """
    batched = _SERVER_BATCH.fullmatch(name)
    if batched and int(batched[1]) > 0 and window_ms is None:
        return Pattern(called or name, "dom-batch", float(batched[1]))
    if name not in PAGE_PATTERNS:
        raise UsageError(
            f"unknown pattern {name!r}: choose from {', '.join(PAGE_PATTERNS)}, server-batch-50 (any number of ms)"
        )
    if window_ms is None:
        return Pattern(called or name, name)
    if not 0 < window_ms <= 60_000:
        raise UsageError(f"window_ms must be above 0 and at most 60000, not {window_ms}")
    return Pattern(called or f"{name}, window_ms={window_ms:g}", name, float(window_ms))


def show(name: str) -> Plain:
    """The page's code of a pattern, as it can be pasted into a page."""
    source = files("labkit.browser") / "assets" / "patterns" / f"{pattern(name).page}.js"
    return Plain(source.read_text(encoding="utf-8").rstrip())
