"""What a page's main thread did: time by part, forced layouts, and the long tasks with what was in them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from labkit.browser.trace.events import CALLERS, LAYOUT, MICROTASKS, PART_OF, SCRIPT, STYLE, TASKS
from labkit.browser.trace.nesting import Span

#: A task above this is long (https://w3c.github.io/longtasks/).
LONG_MS = 50

#: What to call the event that set a task off.
_CAUSES = {
    "FireAnimationFrame": "animation frame",
    "FireIdleCallback": "idle callback",
    "RunMicrotasks": "microtasks",
    "TimerFire": "timer",
    "V8.RunMicrotasks": "microtasks",
    "XHRLoad": "XHR",
    "XHRReadyStateChange": "XHR",
}

#: Where script ran, and the trace does not name its function.
UNNAMED, IN_MICROTASKS = "script without a name", "microtasks"


@dataclass(frozen=True)
class Script:
    """A function that the browser called, and its share of a task.

    Attributes:
        function: its name, its place for one without a name, or ``microtasks`` for code that ran in those.
        url: its file; empty where the trace does not tell.
        line: where it begins, from 1; 0 where the trace does not tell.
        js_ms: time in it and in what it called, without style, layout and the rest, and without calls of the browser's.
    """

    function: str
    url: str
    line: int
    js_ms: float

    def __str__(self) -> str:
        return place(self.function, self.url, self.line)


@dataclass(frozen=True)
class LongTask:
    """A task during which no input could be handled for longer than 50 ms.

    Attributes:
        start_ms: since the trace began.
        duration_ms: how long it took.
        cause: what set it off: ``click event``, ``timer``, ``animation frame``, ``microtasks``, ``script``; empty
            where the trace does not tell.
        self_ms: its time by part; sums up to the duration.
        forced_layouts: layouts that script forced.
        forced_styles: style recalculations that script forced.
        scripts: the functions that were called, the longest first.
        spans: what ran in it, for the figure.
    """

    start_ms: float
    duration_ms: float
    cause: str
    self_ms: dict[str, float]
    forced_layouts: int
    forced_styles: int
    scripts: tuple[Script, ...]
    spans: tuple[Span, ...] = field(repr=False, compare=False, default=())


@dataclass(frozen=True)
class MainThread:
    """A main thread's spans, added up.

    The attributes are those of `Trace`, and `has_stacks`: whether any layout or style recalculation says which script
    forced it.
    """

    self_ms: dict[str, float]
    counts: dict[str, int]
    forced_layouts: int
    forced_styles: int
    forced_by: dict[str, int]
    layouts_elsewhere: int | None
    long_tasks: tuple[LongTask, ...]
    has_stacks: bool


def analyse(spans: Sequence[Span], frames_us: Sequence[float], *, origin_us: float) -> MainThread:
    """Add up nested spans.

    A layout or a style recalculation is *forced* where it ran within script, or carries a stack trace, which Chrome
    writes where the recording asks for stacks and script was running. The browser does such work within an event's
    dispatch too, as for a focus that moves: dispatch alone is taken for script only where the recording has no
    microtasks, which run there.

    Args:
        spans: as from `nest`.
        frames_us: when the thread began a frame, in order.
        origin_us: when the trace began.
    """
    marks = _marks(spans, frames_us)
    long_tasks = [
        _long_task(spans, range(first, last), marks, origin_us)
        for first, last in _tasks(spans)
        if spans[first].name in TASKS and spans[first].duration_us > LONG_MS * 1000
    ]
    has_frames = bool(frames_us) and any(span.name in TASKS for span in spans)
    return MainThread(
        self_ms=_by_part(spans),
        counts=_counts(spans) | {"frame": len(frames_us)},
        forced_layouts=sum(forced for forced, span in zip(marks.forced, spans, strict=True) if span.name in LAYOUT),
        forced_styles=sum(forced for forced, span in zip(marks.forced, spans, strict=True) if span.name in STYLE),
        forced_by=dict(marks.forced_by.most_common()),
        layouts_elsewhere=marks.elsewhere if has_frames else None,
        long_tasks=tuple(long_tasks),
        has_stacks=marks.stacks > 0,
    )


@dataclass
class _Marks:
    """What is to be said of each span, and counted on the way.

    Attributes:
        script: by span, the function around it; None where there is none.
        forced: by span, whether it is a layout or a style recalculation that script forced.
        forced_by: how many layouts which place forced.
        elsewhere: layouts that neither script forced nor a frame brought.
        stacks: how many layouts and style recalculations say which script forced them.
    """

    script: list[tuple[str, str, int] | None] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    forced_by: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    stacks: int = 0


def _marks(spans: Sequence[Span], frames_us: Sequence[float]) -> _Marks:
    has_microtasks = any(span.name in MICROTASKS for span in spans)
    forcing = SCRIPT if has_microtasks else SCRIPT | CALLERS
    marks, within, task_of = _Marks(), list[bool](), list[int]()
    for index, span in enumerate(spans):
        parent = span.parent  # it comes before what is within it
        marks.script.append(_script(span) or (marks.script[parent] if parent >= 0 else None))
        within.append(span.name in forcing or (parent >= 0 and within[parent]))
        task_of.append(task_of[parent] if parent >= 0 else index)
        reflows = span.name in STYLE or span.name in LAYOUT
        stack = _stack_top(span) if reflows else None
        marks.stacks += stack is not None
        marks.forced.append(reflows and (within[-1] or stack is not None))
        if span.name not in LAYOUT:
            continue
        if marks.forced[-1]:
            marks.forced_by[place(*(stack or marks.script[-1] or (UNNAMED, "", 0)))] += 1
        else:
            marks.elsewhere += not _in_a_frame(span, spans[task_of[-1]], frames_us)
    return marks


def place(function: str, url: str, line: int) -> str:
    """A function and its place, short: ``onMessage (page.js:12)``."""
    file = url.partition("?")[0].rstrip("/").rpartition("/")[-1]
    where = f"{file}:{line}" if file and line else file
    return f"{function} ({where})" if where else function


def _tasks(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The outermost spans, each with everything within it, as ranges of indices."""
    starts = [index for index, span in enumerate(spans) if span.parent < 0]
    return list(pairwise([*starts, len(spans)]))  # of no spans no ranges


def _in_a_frame(span: Span, task: Span, frames_us: Sequence[float]) -> bool:
    """Whether its task had begun a frame before it."""
    before = bisect_right(frames_us, span.start_us)
    return before > 0 and frames_us[before - 1] >= task.start_us


def _by_part(spans: Sequence[Span]) -> dict[str, float]:
    found: dict[str, float] = {}
    for span in spans:
        part = PART_OF[span.name]
        found[part] = found.get(part, 0.0) + span.self_us / 1000
    return found


def _counts(spans: Sequence[Span]) -> dict[str, int]:
    """How often each part but script ran, and how many outermost tasks there were."""
    found = Counter(PART_OF[span.name] for span in spans if PART_OF[span.name] not in ("js", "other"))
    found["task"] = sum(1 for span in spans if span.parent < 0 and span.name in TASKS)
    return dict(found)


def _long_task(spans: Sequence[Span], part: range, marks: _Marks, origin_us: float) -> LongTask:
    task, inside = spans[part.start], [spans[i] for i in part]
    js_ms: dict[tuple[str, str, int], float] = {}
    for i in part:
        if PART_OF[spans[i].name] == "js":
            key = marks.script[i] or (UNNAMED, "", 0)
            js_ms[key] = js_ms.get(key, 0.0) + spans[i].self_us / 1000
    return LongTask(
        start_ms=(task.start_us - origin_us) / 1000,
        duration_ms=task.duration_us / 1000,
        cause=_cause(inside),
        self_ms=_by_part(inside),
        forced_layouts=sum(marks.forced[i] for i in part if spans[i].name in LAYOUT),
        forced_styles=sum(marks.forced[i] for i in part if spans[i].name in STYLE),
        scripts=tuple(Script(*key, ms) for key, ms in sorted(js_ms.items(), key=lambda item: -item[1]) if ms > 0),
        spans=tuple(inside),
    )


def _cause(inside: Sequence[Span]) -> str:
    """Of what may have set the task off, that which took longest; of those, the outermost."""
    callers = [span for span in inside if PART_OF[span.name] == "js"]
    if not callers:
        return ""
    found = max(callers, key=lambda span: span.duration_us)  # the first, so the outermost, of equals
    if found.name == "EventDispatch":
        return f"{_data(found).get('type', 'an')} event"
    return _CAUSES.get(found.name, "script")


def _script(span: Span) -> tuple[str, str, int] | None:
    """The function of a call, as the trace names it."""
    if span.name in MICROTASKS:
        return (IN_MICROTASKS, "", 0)
    data = _data(span)
    return _call_frame(data) if span.name in SCRIPT and ("url" in data or "functionName" in data) else None


def _stack_top(span: Span) -> tuple[str, str, int] | None:
    begin = span.args.get("beginData")
    stack = begin.get("stackTrace") if isinstance(begin, dict) else None
    return _call_frame(stack[0]) if isinstance(stack, list) and stack and isinstance(stack[0], dict) else None


def _call_frame(data: dict[str, Any]) -> tuple[str, str, int]:
    line = data.get("lineNumber")
    name = str(data.get("functionName") or "(anonymous)")
    return (name, str(data.get("url") or ""), line if isinstance(line, int) and line > 0 else 0)


def _data(span: Span) -> dict[str, Any]:
    data = span.args.get("data")
    return data if isinstance(data, dict) else {}
