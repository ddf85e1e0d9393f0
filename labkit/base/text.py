"""Numbers as people read them, and text that a notebook shows as itself."""

import math
import re


class Plain(str):
    """A string whose repr is the text: no quotes, no ``\\n``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def ratio(larger: float, smaller: float) -> float:
    """How many times larger the first is than the second; inf where the first is; NaN where it cannot be told."""
    return larger / smaller if smaller > 0 else math.nan


def times(factor: float) -> str:
    """A factor as people say it: ``12x``, ``3.4x``."""
    return f"{factor:.0f}x" if factor >= 10 else f"{factor:.1f}x"


def milliseconds(value_ms: float) -> str:
    """Milliseconds for a table's cell: as many digits as two noisy cores deserve; ``never`` for an infinite wait."""
    if math.isnan(value_ms):
        return "-"
    if math.isinf(value_ms):
        return "never"
    return f"{value_ms:.0f}" if value_ms >= 10 else f"{value_ms:.1f}"


def about(value_ms: float) -> str:
    """The same within a sentence, with its unit: ``12 ms``, ``for ever``, ``an unknown time``."""
    if not math.isfinite(value_ms):
        return "for ever" if math.isinf(value_ms) else "an unknown time"
    return f"{milliseconds(value_ms)} ms"


def about_seconds(seconds: float) -> str:
    """A time that people plan by: ``40 s``, ``12 minutes``, ``3 hours``."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds / 10)) * 10} s"
    minutes = seconds / 60
    return f"{math.ceil(minutes)} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"


def told(error: BaseException) -> str:
    """What an error of the reader's says: ``ValueError: no such price``; its own text may fail, too."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001 (the reader's own __str__)
        return name


def one_line(text: str, most: int = 300) -> str:
    """The text as a part of a sentence: no line breaks, no colon that nothing follows, and not longer than one is."""
    flat = " ".join(text.split()).rstrip(": ")
    return flat if len(flat) <= most else f"{flat[: most - 3]}..."


def without_password(url: str) -> str:
    """An address as it may be shown: ``redis://:***@host:6379/0``."""
    return re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:***@", url)
