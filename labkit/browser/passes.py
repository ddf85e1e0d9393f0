"""What one way of updating the page is measured by: counts that are exact, runs in real time, and a traced run.

Stamps are int64 ns from the start of the feed (or from the first click, without one), on the server's clock; `NEVER`
where a stage was not reached.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import RecordError
from labkit.runs.run import between_ms
from labkit.runs.stages import NEVER

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

#: The shortest interaction that the browser tells (Event Timing's smallest threshold).
SHORTEST_MS = 16

#: The parts of an interaction, in their order: what https://web.dev/articles/inp calls them, and an interaction's key.
INTERACTION_PARTS = {
    "input delay": "input_delay_ms",
    "processing": "processing_ms",
    "presentation delay": "presentation_delay_ms",
}

#: From the instant at which an update was due, to the frame that showed it.
UPDATE_STAGES = ("intended", "sent", "emitted", "received", "written", "painted")

#: From a trusted click to the frame that showed the server's answer to it.
CLICK_STAGES = (
    "intended",
    "handled",
    "sent",
    "read",
    "dispatched",
    "work_start",
    "work_end",
    "emitted",
    "delivered",
    "painted",
)


def in_three(interaction: Mapping[str, Any]) -> bool:
    """Whether an interaction's three parts are known: files of schema version 3 and before have two."""
    return all(key in interaction for key in INTERACTION_PARTS.values())


@dataclass(frozen=True)
class Exact:
    """Counted frame by frame; the same integers every time, but for `paint_ms`.

    Attributes:
        frames, events_per_frame: what was done.
        dom_ops: mutation records.
        layouts: all of them.
        forced_layouts: those before the frame: the page's own code asked for geometry.
        style_recalcs: all of them.
        paints: how often a layer was painted: several layers may be in a frame. None in files of schema version 3 and
            before, as the two below.
        raster_tasks: how many tiles were drawn from what was painted.
        paint_ms: no count: the time of pre-paint, paint and layerize in a frame, the median of the frames. The trace
            that tells it inflates it, of each way alike: compare ways with one another.
    """

    frames: int
    events_per_frame: int
    dom_ops: int
    layouts: int
    forced_layouts: int
    style_recalcs: int
    paints: int | None = None
    raster_tasks: int | None = None
    paint_ms: float | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Timed:
    """One run in real time.

    Attributes:
        dom_ops, layouts, style_recalcs: counts.
        task_ms: of the renderer's main thread, all tasks; within it `script_ms`, `layout_ms`, `style_ms`.
        long_tasks: start (ms since the page's origin) and duration of tasks above 50 ms.
        long_frames: long animation frames, those above 50 ms, each with ``start_ms``, ``duration_ms``,
            ``blocking_ms`` and its scripts: ``invoker``, ``source``, ``function``, ``start_ms``, ``duration_ms``, and
            ``forced_ms``, the style and layout that it forced. https://w3c.github.io/long-animation-frames/
        interactions: each with ``start_ms``, ``duration_ms`` and its three parts, :data:`INTERACTION_PARTS`. The
            browser rounds durations to 8 ms, and keeps back those below 16 ms; so the parts add up to the duration
            within 8 ms.
        inp_ms: interaction to next paint, from them; None where no interaction was long enough to be told.
        web_vitals_inp_ms: the same from the library web-vitals; None where it reported none.
        updates: a column per stage of :data:`UPDATE_STAGES`.
        clicks: a column per stage of :data:`CLICK_STAGES`.
        superseded: updates that were never shown, as the pattern says: a newer one of the same key came before they
            were written, or newer ones had the rows that can be seen. All others are written; whether somebody has
            scrolled to them is not asked.
        lost: sent by the server, never received by the page.
        repeated, disordered: received twice; received after a later one.
        clock_error_ms: how wrong the page's stamps can be against the server's: half of the shortest round trip.
        problem: why the run is incomplete; empty where it is not.
        work_cpu_ms: thread CPU time of the server's work for a click, the mean; None where none was answered. A core
            that is slowed down for a while takes more of it.
        entry_types: what the browser can tell of its own work, ``long-animation-frame`` perhaps among it; empty where
            it was not asked.
    """

    dom_ops: int
    layouts: int
    style_recalcs: int
    task_ms: float
    script_ms: float
    layout_ms: float
    style_ms: float
    long_tasks: tuple[tuple[float, float], ...]
    long_frames: tuple[Mapping[str, Any], ...]
    interactions: tuple[Mapping[str, Any], ...]
    inp_ms: float | None
    web_vitals_inp_ms: float | None
    updates: Mapping[str, Int64]
    clicks: Mapping[str, Int64]
    superseded: int = 0
    lost: int = 0
    repeated: int = 0
    disordered: int = 0
    clock_error_ms: float = math.nan
    problem: str = ""
    work_cpu_ms: float | None = None
    entry_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, columns in (("updates", UPDATE_STAGES), ("clicks", CLICK_STAGES)):
            arrays = getattr(self, what)
            if set(arrays) != set(columns):
                raise RecordError(f"{what} have the columns {', '.join(columns)}, not {', '.join(arrays)}")
            if len({len(array) for array in arrays.values()}) > 1:
                raise RecordError(f"the columns of {what} differ in length")
            for array in arrays.values():
                array.setflags(write=False)

    @property
    def staleness_ms(self) -> Float64:
        """Of each update, from when the server had it to when it was seen; NaN where it never was.

        A batching server's window counts: what it holds back grows stale.
        """
        return between_ms(self.updates["sent"], self.updates["painted"])

    @property
    def in_page_ms(self) -> Float64:
        """Of each update, from when the page had it to when it was seen: its staleness without server and network."""
        return between_ms(self.updates["received"], self.updates["painted"])

    @property
    def click_to_ack_ms(self) -> Float64:
        """Of each click, until the page had the server's answer."""
        return between_ms(self.clicks["intended"], self.clicks["delivered"])

    @property
    def click_to_result_ms(self) -> Float64:
        """Of each click, until the server's answer was seen."""
        return between_ms(self.clicks["intended"], self.clicks["painted"])

    @property
    def work_ms(self) -> Float64:
        """Of each click, how long the server's work took; NaN where it was not answered."""
        return between_ms(self.clicks["work_start"], self.clicks["work_end"])

    @property
    def longest(self) -> Mapping[str, Any] | None:
        """The longest interaction; None where none was told."""
        return max(self.interactions, key=lambda each: float(each["duration_ms"]), default=None)

    @property
    def tells_long_frames(self) -> bool:
        """Whether the browser tells long animation frames."""
        return "long-animation-frame" in self.entry_types

    @property
    def painted(self) -> int:
        """How many updates were seen."""
        return int(np.count_nonzero(self.updates["painted"] != NEVER))


@dataclass(frozen=True)
class Explained:
    """Where a trace says the time went. Tracing costs time itself: shares and counts, no durations to compare.

    Attributes:
        self_ms: by kind of work on the renderer's main thread.
        counts: of layouts, style recalculations, paints and whatever else the trace names.
        forced_layouts: those within JavaScript, under microtasks too.
        long_tasks: how many tasks were above 50 ms.
        inp_ms: from the trace's own EventTiming, not rounded.
        frames_dropped: None where the trace does not say.
        trace: the name of the file; empty where it was not kept.
        page_inp_ms, web_vitals_inp_ms: of the same run, as the page and the library web-vitals tell it: rounded to
            8 ms. Of the three, the trace's is right.
        inp_error_ms: between which bounds the page's durations are off from the trace's, given that they are rounded;
            None where no interaction is in both. See `interactions.error_ms`.
    """

    self_ms: Mapping[str, float]
    counts: Mapping[str, int]
    forced_layouts: int
    long_tasks: int
    inp_ms: float | None
    frames_dropped: int | None
    trace: str = ""
    page_inp_ms: float | None = None
    web_vitals_inp_ms: float | None = None
    inp_error_ms: tuple[float, float] | None = None

    @property
    def paint_ms(self) -> float:
        """Pre-paint, paint, layerize and commit: what follows layout on the main thread."""
        return sum(self.self_ms.get(part, 0.0) for part in ("pre-paint", "paint", "layerize", "commit"))
