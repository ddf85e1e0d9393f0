"""A recording of Chrome's, read: where a page's main thread spent its time, and what kept its input waiting.

From labkit's own traces, and from those recorded by hand in DevTools' Performance panel.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from labkit.browser.trace import interactions, main_thread
from labkit.browser.trace.events import FRAMES, MICROTASKS, PART_OF, PARTS, TASKS, Event, load
from labkit.browser.trace.interactions import Interaction
from labkit.browser.trace.main_thread import LONG_MS, LongTask, MainThread
from labkit.browser.trace.nesting import nest, spans_of
from labkit.browser.trace.renderer import Renderer, choose
from labkit.runs.summary import verdict
from labkit.runs.table import Table

#: So many long tasks, and places that force layouts, are told.
SHOWN = 5

#: So many parts of a task, and functions, are told.
_IN_A_TASK = 3

_WIDTH = 110


@dataclass(frozen=True)
class Trace:
    """What a trace says of one page.

    Recording slows a page down: compare its milliseconds with one another, and take its counts as they are.

    Attributes:
        url: the page's; of its scripts' origin where the trace does not tell; empty where it tells neither.
        pid: the renderer's process, to find it in other tools.
        duration_ms: from the first to the last event of its main thread.
        self_ms: self time by part of the pipeline: js, style, layout, pre-paint, paint, layerize, commit and other on
            the main thread, raster on all of the renderer's. Self time is that of an event without what ran within it.
            Where the graphics processor rasters, the GPU process does most of it, which is not counted.
        counts: how often each part ran; ``frame`` and ``task``: of the main thread.
        forced_layouts: layouts that script forced by reading geometry after a write.
        forced_styles: style recalculations that script forced; a forced layout has one before it as a rule.
        forced_by: how many layouts which place in the script forced, the most first.
        layouts_elsewhere: layouts neither in a frame nor within script that was recorded: the browser's own, to find
            what is below the pointer, or script that a driver or the console evaluated; None where the trace does
            not say when frames began.
        long_tasks: tasks of more than 50 ms, by time; () also where tasks were not recorded, see `notes`.
        interactions: clicks and keys, by time.
        frames_dropped: frames that the page did not update in time; None where frames were not recorded.
        notes: what the trace cannot tell, and why.
    """

    url: str
    pid: int
    duration_ms: float
    self_ms: dict[str, float]
    counts: dict[str, int]
    forced_layouts: int
    forced_styles: int
    forced_by: dict[str, int]
    layouts_elsewhere: int | None
    long_tasks: tuple[LongTask, ...]
    interactions: tuple[Interaction, ...]
    frames_dropped: int | None
    notes: tuple[str, ...]

    @property
    def inp_ms(self) -> float | None:
        """Interaction to Next Paint, not rounded; None without an interaction. See `interactions.inp_ms`."""
        return interactions.inp_ms(self.interactions)

    @property
    def worst_task(self) -> LongTask | None:
        """The longest task of more than 50 ms."""
        return max(self.long_tasks, key=lambda task: task.duration_ms, default=None)

    def report(self) -> str:
        """What to look for in the Performance panel, in words: long tasks, what was in them, forced layouts, INP."""
        return _report(self)

    def __repr__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.report())}</pre>"


def read(path: str | Path, *, url: str | None = None) -> Trace:
    """Read a trace in Chrome's JSON, ``.json`` or ``.json.gz``.

    Args:
        path: the file.
        url: the page to look at, where several were open; the page that was recorded, or the busiest, if not given.

    Raises:
        TraceError: there is no such file, it is not a trace or truncated, or it has no such page in it.
    """
    events, malformed = load(path)
    renderer = choose(events, url)
    own = [e for e in events if e.pid == renderer.pid]
    on_main = [e for e in own if e.tid == renderer.tid]
    origin_us = min((e.ts for e in own if e.ts > 0), default=0.0)
    spans = nest(spans_of([e for e in on_main if e.name in PART_OF]))
    main = main_thread.analyse(
        spans, sorted(e.ts for e in on_main if e.name == "BeginMainThreadFrame"), origin_us=origin_us
    )
    found, unpainted = interactions.find((e for e in own if e.name == "EventTiming"), origin_us=origin_us)
    raster_ms, rastered = _raster(own, renderer)
    return Trace(
        url=renderer.url,
        pid=renderer.pid,
        duration_ms=max((span.end_us - origin_us for span in spans if span.parent < 0), default=0.0) / 1000,
        self_ms={part: main.self_ms.get(part, 0.0) + (raster_ms if part == "raster" else 0.0) for part in PARTS},
        counts=_ordered(main.counts, rastered),
        forced_layouts=main.forced_layouts,
        forced_styles=main.forced_styles,
        forced_by=main.forced_by,
        layouts_elsewhere=main.layouts_elsewhere,
        long_tasks=main.long_tasks,
        interactions=found,
        frames_dropped=_dropped(own),
        notes=_notes(on_main, renderer, main, malformed, unpainted),
    )


def _raster(own: Sequence[Event], renderer: Renderer) -> tuple[float, int]:
    """Raster on the compositor's and its workers' threads, in ms, and how often."""
    total_us, count = 0.0, 0
    for tid in sorted({e.tid for e in own} - {renderer.tid}):
        spans = nest(spans_of([e for e in own if e.tid == tid and PART_OF.get(e.name) == "raster"]))
        total_us += sum(span.self_us for span in spans)
        count += len(spans)
    return total_us / 1000, count


def _ordered(counts: dict[str, int], rastered: int) -> dict[str, int]:
    names = ("task", "frame", *(part for part in PARTS if part not in ("js", "other")))
    return {name: counts.get(name, 0) + (rastered if name == "raster" else 0) for name in names}


def _dropped(own: Sequence[Event]) -> int | None:
    if not any(e.name in FRAMES for e in own):
        return None
    return sum(1 for e in own if e.name == "DroppedFrame")


def _notes(
    on_main: Sequence[Event], renderer: Renderer, main: MainThread, malformed: int, unpainted: int
) -> tuple[str, ...]:
    names = {e.name for e in on_main}
    notes = []
    if renderer.others:
        notes.append(f"{renderer.others} more pages were recorded: name the one you mean by its address")
    if not names & PART_OF.keys():
        notes.append("nothing was recorded of what the page's main thread did: record while the page does something")
    if not names & TASKS:
        notes.append("tasks were not recorded, so long ones are not known: add disabled-by-default-devtools.timeline")
    if not names & MICROTASKS:
        notes.append("microtasks were not recorded, so layouts forced in them may be missing: add v8.execute")
    if main.layouts_elsewhere is None:
        notes.append(
            "frames were not recorded, so layouts outside of them are not known: add "
            "disabled-by-default-devtools.timeline.frame"
        )
    elif main.layouts_elsewhere and not main.has_stacks:
        notes.append(
            "stacks were not recorded, so layouts that a driver's or the console's script forced are not "
            "among the forced ones: add disabled-by-default-devtools.timeline.stack"
        )
    if "EventTiming" not in names:
        notes.append("no input was recorded, so there is no INP: click or type while recording, with devtools.timeline")
    if unpainted:
        notes.append(f"{unpainted} events of interactions were not painted before the recording ended: not counted")
    if malformed:
        notes.append(f"{malformed} events were not as the format has them, and were left out")
    return tuple(notes)


def _report(trace: Trace) -> str:
    """The report, without a newline at its end."""
    page = trace.url or "a page whose address the trace does not tell"
    paragraphs = [
        f"{page}: {trace.duration_ms / 1000:.2f} s of its main thread. Recording slows a page down: compare these ms "
        "with one another only.",
        _parts(trace),
        _long_tasks(trace),
        _forced(trace),
        _inp(trace),
    ]
    if trace.frames_dropped is not None:
        paragraphs.append(f"Dropped frames: {trace.frames_dropped}.")
    paragraphs += [f"Note: {note}." for note in trace.notes]
    return "\n\n".join("\n".join(map(_wrapped, paragraph.splitlines())) for paragraph in paragraphs)


def _wrapped(line: str) -> str:
    return (
        textwrap.fill(line, _WIDTH, subsequent_indent="    " if line.startswith(" ") else "", break_on_hyphens=False)
        if line
        else line
    )


def _parts(trace: Trace) -> str:
    total = sum(trace.self_ms.values()) or 1.0
    rows = [
        (part, f"{trace.self_ms[part]:.1f}", f"{trace.self_ms[part] / total:.0%}", str(trace.counts.get(part, "")))
        for part in PARTS
    ]
    return Table(("part", "self ms", "share", "times"), tuple(rows)).text()


def _long_tasks(trace: Trace) -> str:
    tasks = sorted(trace.long_tasks, key=lambda task: -task.duration_ms)
    if not tasks:
        return f"Long tasks (over {LONG_MS} ms): none."
    total = sum(task.duration_ms for task in tasks)
    lines = [f"Long tasks (over {LONG_MS} ms): {len(tasks)}, {total:.0f} ms in all; no input is handled during one."]
    lines += [f"  {_task(task)}" for task in tasks[:SHOWN]]
    if len(tasks) > SHOWN:
        lines.append(f"  and {len(tasks) - SHOWN} shorter ones")
    return "\n".join(lines)


def _task(task: LongTask) -> str:
    parts = sorted(task.self_ms.items(), key=lambda item: -item[1])[:_IN_A_TASK]
    said = f"{task.duration_ms:.1f} ms at {task.start_ms / 1000:.3f} s"
    if task.cause:
        said += f", set off by {task.cause}"
    said += ": " + ", ".join(f"{part} {ms:.1f} ms" for part, ms in parts if ms >= 0.05)
    if task.scripts:
        said += "; in " + ", ".join(f"{script} {script.js_ms:.1f} ms" for script in task.scripts[:_IN_A_TASK])
    if task.forced_layouts or task.forced_styles:
        said += f"; forced layouts {task.forced_layouts}, forced style recalculations {task.forced_styles}"
    return said


def _forced(trace: Trace) -> str:
    said = (
        f"Forced layouts: {trace.forced_layouts} of {trace.counts['layout']}; forced style recalculations: "
        f"{trace.forced_styles} of {trace.counts['style']}."
    )
    if trace.layouts_elsewhere:
        said += (
            f" {trace.layouts_elsewhere} more layouts came neither from a frame nor from script that was recorded: "
            "the browser looked for what is below the pointer, or a driver or the console ran script."
        )
    places = list(trace.forced_by.items())
    said += "".join(f"\n  {count} by {where}" for where, count in places[:SHOWN])
    return said + (f"\n  and {len(places) - SHOWN} more places" if len(places) > SHOWN else "")


def _inp(trace: Trace) -> str:
    inp_ms = trace.inp_ms
    if inp_ms is None:
        return "INP: none, since nobody clicked or typed."
    worst = max(trace.interactions, key=lambda i: i.duration_ms)
    return (
        f"INP: {inp_ms:.1f} ms ({verdict(inp_ms)}) from {len(trace.interactions)} interactions. The longest "
        f"({worst.type} at {worst.start_ms / 1000:.3f} s, {worst.duration_ms:.1f} ms): waited "
        f"{worst.input_delay_ms:.1f} ms, handlers {worst.processing_ms:.1f} ms, then "
        f"{worst.presentation_delay_ms:.1f} ms to the paint."
    )
