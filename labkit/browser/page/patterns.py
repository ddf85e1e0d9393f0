"""Ways of updating the page: which of the page's patterns writes, and whether the server batches before it sends.

A pattern is a JavaScript file that exports one function: from the page's view to what takes an array of updates and
writes them. One of the reader's is named by its file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from labkit.base.errors import UsageError
from labkit.base.files import limited_text
from labkit.base.text import Plain

#: What the page knows: a file each in assets/patterns.
PAGE_PATTERNS = ("naive", "forced", "thrash", "dom-batch", "conflate", "budget", "virtual", "canvas", "worker")

#: The ways that ``labkit render`` measures unless others are named, in the order in which the lab shows them.
NAMES = ("naive", "forced", "thrash", "dom-batch", "conflate", "server-batch-50", "server-batch-200")

#: Those that have to be named: with them it would take half as long again.
MORE = ("budget", "virtual", "canvas", "worker")

#: What is not in a way's counts, for people who compare it with the others.
NOT_COUNTED = {
    "canvas": "canvas draws: it has no DOM operation, layout or paint to count; what drawing costs is in task ms.",
    "worker": "worker reads the socket on another thread: what that costs is not in task ms.",
}

_SERVER_BATCH = re.compile(r"server-batch-(\d{1,5})")

_OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Pattern:
    """A way of updating the page.

    Attributes:
        name: how tables and figures call it.
        page: the page's part, one of :data:`PAGE_PATTERNS`, or the name of the reader's file.
        window_ms: the server collects updates so long and sends them as one message; 0: each is sent as it comes.
        source: the code of the reader's file; empty for the page's own.
    """

    name: str
    page: str
    window_ms: float = 0.0
    source: str = field(default="", repr=False)

    @property
    def collects(self) -> bool:
        """Whether what came within a frame reaches the page's main thread as one message."""
        return self.window_ms > 0 or self.page == "worker"


def pattern(name: str | Path, *, window_ms: float | None = None, called: str | None = None) -> Pattern:
    """A way of updating the page, by name.

    Args:
        name: one of the page's patterns, or ``server-batch-50``: the server's window of 50 ms before ``dom-batch``;
            or a file of the reader's, such as ``mine.js``.
        window_ms: the server's window before any of the page's patterns.
        called: how tables and figures call it, where one pattern is measured under several settings.

    Raises:
        UsageError: there is no such pattern, or the file is none.
    """
    if isinstance(name, Path) or name.endswith(".js"):
        page, source = _own(Path(name))
        return _windowed(Pattern(called or page, page, source=source), window_ms, called)
    batched = _SERVER_BATCH.fullmatch(name)
    if batched and int(batched[1]) > 0 and window_ms is None:
        return Pattern(called or name, "dom-batch", float(batched[1]))
    if name not in PAGE_PATTERNS:
        raise UsageError(
            f"unknown pattern {name!r}: choose from {', '.join(PAGE_PATTERNS)}, server-batch-50 (any number of ms), "
            "or name a file such as mine.js"
        )
    return _windowed(Pattern(called or name, name), window_ms, called)


def ways(patterns: Sequence[str | Path | Pattern]) -> tuple[Pattern, ...]:
    """Several, each by name, by file or as it is.

    Raises:
        UsageError: as :func:`pattern`.
    """
    return tuple(each if isinstance(each, Pattern) else pattern(each) for each in patterns)


def _windowed(way: Pattern, window_ms: float | None, called: str | None) -> Pattern:
    if window_ms is None:
        return way
    if not 0 < window_ms <= 60_000:
        raise UsageError(f"window_ms must be above 0 and at most 60000, not {window_ms}")
    return replace(way, name=called or f"{way.name}, window_ms={window_ms:g}", window_ms=float(window_ms))


def _own(path: Path) -> tuple[str, str]:
    """Name and code of a file of the reader's."""
    name = path.stem
    if not _OWN.fullmatch(name) or path.suffix != ".js":
        raise UsageError(f"{path.name!r} cannot be a pattern: name the file with letters and digits, as mine.js")
    if name in PAGE_PATTERNS or _SERVER_BATCH.fullmatch(name):
        raise UsageError(f"{name} is a pattern of the lab's: give your file another name")
    try:
        source = limited_text(path, 10_000_000)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path} ({error}): name a JavaScript file") from error
    if len(re.findall(r"^export\b", source, re.MULTILINE)) != 1:
        raise UsageError(f"{path} must export one function: export function mine(view) {{ return (updates) => ... }}")
    return name, source


def show(name: str | Path) -> Plain:
    """The page's code of a pattern, as it can be pasted into a page; of ``worker``, the worker's file after it."""
    chosen = pattern(name)
    assets = files("labkit.browser") / "assets"
    paths = [assets / "patterns" / f"{chosen.page}.js"]
    if chosen.page == "worker":
        paths.append(assets / "socket-worker.js")
    return Plain((chosen.source or "\n".join(path.read_text(encoding="utf-8") for path in paths)).rstrip())
