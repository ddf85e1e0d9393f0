"""The figure of a trace: the pipeline of a frame by self time, and what ran in the worst long task."""

import textwrap

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from labkit.browser.trace.events import PART_OF, PARTS
from labkit.browser.trace.main_thread import LONG_MS, LongTask
from labkit.browser.trace.nesting import Span
from labkit.browser.trace.reader import Trace
from labkit.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, STYLE, WIDTH_IN, YELLOW

#: Colour and hatch of each part, so that they can be told apart without colours.
LOOKS = {
    "js": (ORANGE, ""),
    "style": (PURPLE, "xxxx"),
    "layout": (RED, ""),
    "pre-paint": (SKY, "...."),
    "paint": (GREEN, ""),
    "layerize": (YELLOW, "////"),
    "commit": (BLUE, ""),
    "raster": (SKY, ""),
    "other": ("#BBBBBB", ""),
}

#: Of a task, so many levels are drawn, and nothing narrower than this share of it: both could not be seen.
_LEVELS, _VISIBLE = 8, 0.001


def pipeline(trace: Trace, *, title: str | None = None) -> Figure:
    """Total self time by part, in the order in which a frame passes them; below it, the worst long task over time.

    Args:
        trace: what was recorded.
        title: instead of the finding.
    """
    worst = trace.worst_task
    levels = min(_LEVELS, 1 + max(span.depth for span in worst.spans)) if worst else 0
    heights = [2.6, 0.7 + 0.26 * levels] if worst else [2.6]
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            len(heights), 1, figsize=(WIDTH_IN, sum(heights) + 1.3), height_ratios=heights, squeeze=False
        )
        _parts(panels[0, 0], trace)
        if worst:
            _task(panels[1, 0], worst)
        else:
            figure.text(0.01, 0.01, f"No task took more than {LONG_MS} ms: there is no long task to draw.", fontsize=9)
            figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))  # type: ignore[union-attr, call-arg]
        figure.suptitle(textwrap.fill(title or _finding(trace), 76), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def _finding(trace: Trace) -> str:
    """Of the main thread's time only: raster has threads of its own."""
    on_main = {name: ms for name, ms in trace.self_ms.items() if name != "raster"}
    total_ms = sum(on_main.values())
    part = max(PARTS[:-1], key=lambda name: on_main.get(name, 0.0))
    if not on_main.get(part):
        return "Nothing of the pipeline ran while this was recorded."
    name = "JavaScript" if part == "js" else part
    if on_main["other"] > on_main[part]:
        said = (
            f"Most of the main thread's time, {on_main['other'] / total_ms:.0%}, was none of the pipeline's parts; "
            f"of those, {name} took longest, {on_main[part] / total_ms:.0%}"
        )
    else:
        said = f"{name} took longest: {on_main[part] / total_ms:.0%} of the main thread's time"
    if trace.forced_layouts:
        said += f"; script forced {trace.forced_layouts} of {trace.counts['layout']} layouts"
    return f"{said}."


def _parts(axes: Axes, trace: Trace) -> None:
    for row, part in enumerate(PARTS):
        colour, hatch = LOOKS[part]
        axes.barh(row, trace.self_ms[part], height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        times = f", {trace.counts[part]} times" if part in trace.counts else ""
        axes.text(trace.self_ms[part], row, f" {trace.self_ms[part]:.1f} ms{times}", va="center", fontsize=8.5)
    axes.set_yticks(range(len(PARTS)), ["JavaScript" if part == "js" else part for part in PARTS])
    axes.set_ylim(len(PARTS) - 0.4, -0.6)
    axes.set_xlim(0, max(*trace.self_ms.values(), 0.1) * 1.3)
    axes.set_xlabel("self time while recording, ms in all")
    axes.set_title("The pipeline of a frame (raster: on threads of its own)")
    axes.grid(axis="y", visible=False)


def _task(axes: Axes, task: LongTask) -> None:
    axes.grid(axis="y", visible=False)
    axes.set_yticks([])
    axes.set_xlabel("ms since the task began")
    levels = min(_LEVELS, 1 + max(span.depth for span in task.spans))
    shown = [s for s in task.spans if s.depth < levels and s.duration_us / 1000 >= _VISIBLE * task.duration_ms]
    for span in shown:
        _bar(axes, span, task)
    axes.axvline(LONG_MS, color=BLACK, linestyle="--", linewidth=1)
    axes.set_ylim(levels - 0.4, -0.6)
    axes.set_xlim(0, task.duration_ms)
    cause = f", set off by {task.cause}" if task.cause else ""
    forced = f", {task.forced_layouts} forced layouts" if task.forced_layouts else ""
    axes.set_title(f"The worst long task: {task.duration_ms:.0f} ms{cause}{forced} (dashed: {LONG_MS} ms)")
    handles = _handles({PART_OF[span.name] for span in shown})
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _bar(axes: Axes, span: Span, task: LongTask) -> None:
    """What ran, from when to when, on the line of its depth; with its name where there is room."""
    colour, hatch = LOOKS[PART_OF[span.name]]
    left_ms, width_ms = (span.start_us - task.spans[0].start_us) / 1000, span.duration_us / 1000
    axes.barh(
        span.depth,
        width_ms,
        left=left_ms,
        height=0.86,
        color=colour,
        hatch=hatch,
        edgecolor="white",
        linewidth=0.3,
    )
    label = _label(span.name, span.args)
    if width_ms > task.duration_ms * 0.013 * len(label):
        axes.text(
            left_ms + width_ms / 2,
            span.depth,
            label,
            ha="center",
            va="center",
            fontsize=7.5,
            clip_on=True,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
        )


def _handles(seen: set[str]) -> list[Patch]:
    """The legend's, of the parts that are drawn."""
    return [
        Patch(
            facecolor=LOOKS[part][0],
            hatch=LOOKS[part][1],
            edgecolor="white",
            label="task" if part == "other" else "JavaScript" if part == "js" else part,
        )
        for part in PARTS
        if part in seen
    ]


def _label(name: str, args: dict[str, object]) -> str:
    data = args.get("data")
    if isinstance(data, dict):
        name = str(data.get("functionName") or (name == "EventDispatch" and data.get("type")) or name)
    return name if len(name) <= 30 else f"{name[:29]}…"
