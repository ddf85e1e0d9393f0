"""Which thread of a trace is the page's: a browser records all its processes, its own pages among them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from labkit.base.errors import TraceError
from labkit.browser.trace.events import CALLERS, PAGES, PART_OF, TASKS, Event

#: The name of a renderer's main thread.
MAIN = "CrRendererMain"

#: Pages of the browser itself.
_INTERNAL = ("about:", "chrome-extension:", "chrome-untrusted:", "chrome:", "devtools:")

_WORK = (PART_OF.keys() - TASKS) | {"EventTiming"}


@dataclass(frozen=True)
class Renderer:
    """The main thread of a page.

    Attributes:
        pid: its process.
        tid: its thread.
        url: the page's; of its scripts' origin where the trace does not tell; empty where it tells neither.
        others: how many other renderers did something for a page that is not the browser's own.
    """

    pid: int
    tid: int
    url: str
    others: int


@dataclass
class _Candidate:
    pid: int
    tid: int
    pages: list[str]
    scripts: Counter[str]
    work: int
    internal: bool


def choose(events: Sequence[Event], url: str | None = None) -> Renderer:
    """The main thread that shows `url`; without one, that of the page that was recorded, and the busiest if several.

    Raises:
        TraceError: no renderer in the trace, or none that shows `url`.
    """
    candidates = _candidates(events)
    if not candidates:
        raise TraceError(
            "the trace has no page in it: record the categories devtools.timeline and "
            "disabled-by-default-devtools.timeline, or in DevTools' Performance panel"
        )
    visible = [c for c in candidates if not c.internal and c.work]
    if url is not None:
        chosen = [c for c in candidates if _shows(c.pages, url)] or [c for c in candidates if _shows(c.scripts, url)]
        if not chosen:
            seen = ", ".join(sorted({_name(c) for c in visible} - {""})) or "none with a known address"
            raise TraceError(f"the trace has no page of {url}: it has {seen}; give one of them")
    else:
        inspected = _inspected(events)
        chosen = [c for c in visible if c.pid in inspected] or visible or candidates
    best = max(chosen, key=lambda c: c.work)
    return Renderer(best.pid, best.tid, _name(best, url), sum(1 for c in visible if c is not best))


def _candidates(events: Sequence[Event]) -> list[_Candidate]:
    named = {(e.pid, e.tid): e.args.get("name") for e in events if e.name == "thread_name"}
    processes = {e.pid: str(e.args.get("name")) for e in events if e.name == "process_name"}
    mains = {thread for thread, name in named.items() if name == MAIN}
    if not mains:  # without metadata, a main thread is one that dispatches events and lays out
        mains = {(e.pid, e.tid) for e in events if e.name in CALLERS or e.name in ("Layout", "PrePaint")}
    pages = _pages(events)
    work, scripts = Counter[tuple[int, int]](), dict[tuple[int, int], Counter[str]]()
    for e in events:
        thread = (e.pid, e.tid)
        if thread not in mains or e.name not in _WORK:
            continue
        work[thread] += 1
        if script := _url(e.args.get("data")):
            scripts.setdefault(thread, Counter())[script] += 1
    found = []
    for pid, tid in sorted(mains):
        shown, run = pages.get(pid, []), scripts.get((pid, tid), Counter())
        known = [*shown, *run]
        own = "WebUI" in processes.get(pid, "") or (bool(known) and all(u.startswith(_INTERNAL) for u in known))
        found.append(_Candidate(pid, tid, shown, run, work[pid, tid], own))
    return found


def _pages(events: Iterable[Event]) -> dict[int, list[str]]:
    """The addresses of the frames in each process, the last one navigated to at the end."""
    found: dict[int, list[str]] = {}
    for e in events:
        if e.name not in PAGES:
            continue
        data = _dict(e.args.get("data"))
        frames = data.get("frames")
        for frame in [_dict(f) for f in frames] if isinstance(frames, list) else [data]:
            address = _url(frame) or frame.get("documentLoaderURL")
            process = frame.get("processId", e.pid)
            if isinstance(address, str) and address and isinstance(process, int):
                found.setdefault(process, []).append(address)
    return found


def _inspected(events: Iterable[Event]) -> set[int]:
    """The processes of the page at which DevTools looked, after every navigation too."""
    roots, processes = set(), set()
    for e in events:
        data = _dict(e.args.get("data"))
        if e.name == "TracingStartedInBrowser" and isinstance(data.get("frames"), list):
            for frame in map(_dict, data["frames"]):
                if "parent" not in frame:
                    roots.add(frame.get("frame"))
                    processes.add(frame.get("processId"))
        elif e.name == "FrameCommittedInBrowser" and data.get("frame") in roots:
            processes.add(data.get("processId"))
    return {process for process in processes if isinstance(process, int)}


def _shows(addresses: Iterable[str], url: str) -> bool:
    """Whether one of them is `url` or below it; port 80 is not below port 8."""
    stem = url.rstrip("/")
    return any(
        address == url or address.rstrip("/") == stem or address.startswith((f"{stem}/", f"{stem}?", f"{stem}#"))
        for address in addresses
    )


def _name(candidate: _Candidate, url: str | None = None) -> str:
    shown = [page for page in candidate.pages if not page.startswith(_INTERNAL)] or candidate.pages
    if url is not None:
        shown = [page for page in shown if _shows([page], url)] or shown
    if shown:
        return shown[-1]
    for script, _ in candidate.scripts.most_common():
        parts = urlsplit(script)
        if parts.netloc:
            return f"{parts.scheme}://{parts.netloc}/"
    return ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _url(value: Any) -> str:
    found = _dict(value).get("url")
    return found if isinstance(found, str) else ""
