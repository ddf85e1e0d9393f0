"""Renderings made by hand, whose figures are known."""

import numpy as np

from labkit.browser.passes import CLICK_STAGES, UPDATE_STAGES, Exact, Explained, Timed
from labkit.browser.rendering import Measured, Rendering
from labkit.runs.stages import NEVER

MS = 1_000_000

SETTINGS = {"rate_hz": 200.0, "events": 4, "rows": 10, "window_ms": 0}


def stamps(stages, count, every_ms, step_ms):
    """Event i is due at i * every_ms, and reaches each further stage step_ms later."""
    due = np.arange(count, dtype=np.int64) * round(every_ms * MS)
    return {stage: due + round(place * step_ms * MS) for place, stage in enumerate(stages)}


def timed(*, events=4, clicks=2, step_ms=10.0, inp_ms=24.0, task_ms=100.0, never=(), **changes):
    """A run in which every stage takes step_ms; updates in `never` were not painted."""
    updates = stamps(UPDATE_STAGES, events, 5, step_ms)
    for place in never:
        updates["painted"][place] = NEVER
    about = {
        "dom_ops": 12,
        "layouts": 4,
        "style_recalcs": 4,
        "task_ms": task_ms,
        "script_ms": 10.0,
        "layout_ms": 5.0,
        "style_ms": 2.0,
        "long_tasks": ((3.0, 60.0),),
        "long_frames": ({"start_ms": 1.0, "duration_ms": 60.0, "blocking_ms": 10.0, "scripts": []},),
        "interactions": ({"start_ms": 1.0, "duration_ms": inp_ms},) if clicks and inp_ms else (),
        "inp_ms": inp_ms,
        "web_vitals_inp_ms": inp_ms,
        "updates": updates,
        "clicks": stamps(CLICK_STAGES, clicks, 100, step_ms),
        "clock_error_ms": 0.3,
    }
    return Timed(**{**about, **changes})


def interaction(delay_ms, processing_ms, presentation_ms, **changes):
    """One in its three parts; the browser rounds the duration to 8 ms."""
    parts = {"input_delay_ms": delay_ms, "processing_ms": processing_ms, "presentation_delay_ms": presentation_ms}
    duration_ms = round(sum(parts.values()) / 8) * 8
    return {"id": 1, "start_ms": 0.0, "duration_ms": duration_ms, "type": "click", **parts, **changes}


def long_frame(start_ms=0.0, duration_ms=60.0, **script):
    """A long animation frame with one script that fills it."""
    about = {"invoker": "BUTTON#ask.onclick", "source": "page.js", "function": "", "forced_ms": 0.0}
    filled = {**about, "start_ms": start_ms, "duration_ms": duration_ms, **script}
    return {"start_ms": start_ms, "duration_ms": duration_ms, "blocking_ms": duration_ms - 50, "scripts": [filled]}


def exact(*, dom_ops=600, layouts=10, forced=0, per_frame=20, paints=20, raster_tasks=80, paint_ms=1.2):
    return Exact(10, per_frame, dom_ops, layouts, forced, layouts, paints, raster_tasks, paint_ms)


def explained():
    parts = {"js": 20.0, "layout": 10.0, "pre-paint": 1.0, "paint": 2.0, "layerize": 3.0, "commit": 4.0}
    return Explained(
        parts, {"layout": 10, "paint": 9}, 0, 1, 20.5, None, "trace-naive.json.gz", 24.0, 24.0, (-0.4, 0.2)
    )


def rendering():
    return Rendering(
        (
            Measured("naive", SETTINGS, exact(), (timed(), timed(task_ms=120.0), timed(task_ms=110.0)), explained()),
            Measured("forced", SETTINGS, exact(layouts=200, forced=200), tuple(timed(inp_ms=600.0) for _ in range(3))),
        ),
        {"browser": "Chromium 156"},
    )
