"""A trace in words: what the Performance panel shows, for a terminal and a notebook."""

import textwrap
from typing import TYPE_CHECKING

from tabulate import tabulate

from labkit.browser.main_thread import LONG_MS, LongTask
from labkit.browser.trace_events import PARTS

if TYPE_CHECKING:
    from labkit.browser.trace import Trace

#: INP up to the first is good, above the second poor (https://web.dev/articles/inp).
GOOD_MS, POOR_MS = 200, 500

#: So many long tasks, and places that force layouts, are told.
SHOWN = 5

#: So many parts of a task, and functions, are told.
_IN_A_TASK = 3

_WIDTH = 110


def text(trace: "Trace") -> str:
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


def _parts(trace: "Trace") -> str:
    total = sum(trace.self_ms.values()) or 1.0
    rows = [
        (part, f"{trace.self_ms[part]:.1f}", f"{trace.self_ms[part] / total:.0%}", trace.counts.get(part, ""))
        for part in PARTS
    ]
    return tabulate(
        rows, ("part", "self ms", "share", "times"), colalign=("left", "right", "right", "right"), disable_numparse=True
    )


def _long_tasks(trace: "Trace") -> str:
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


def _forced(trace: "Trace") -> str:
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


def _inp(trace: "Trace") -> str:
    inp_ms = trace.inp_ms
    if inp_ms is None:
        return "INP: none, since nobody clicked or typed."
    verdict = "good" if inp_ms <= GOOD_MS else "needs improvement" if inp_ms <= POOR_MS else "poor"
    worst = max(trace.interactions, key=lambda i: i.duration_ms)
    return (
        f"INP: {inp_ms:.1f} ms ({verdict}) from {len(trace.interactions)} interactions. The longest ({worst.type} "
        f"at {worst.start_ms / 1000:.3f} s, {worst.duration_ms:.1f} ms): waited {worst.input_delay_ms:.1f} ms, "
        f"handlers {worst.processing_ms:.1f} ms, then {worst.presentation_delay_ms:.1f} ms to the paint."
    )
