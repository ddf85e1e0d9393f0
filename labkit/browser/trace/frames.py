"""What painting cost in each frame of a trace, and how often it was done."""

import statistics
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from labkit.browser.trace.events import PART_OF, load
from labkit.browser.trace.nesting import nest, spans_of
from labkit.browser.trace.renderer import choose

#: What is painting: the commit that follows waits for another thread, which may be busy with anything.
PAINTING = ("pre-paint", "paint", "layerize")


@dataclass(frozen=True)
class Painting:
    """All frames of a page.

    Attributes:
        paints: how often a layer was painted.
        raster_tasks: how many tiles were rastered, on all of the renderer's threads.
        frame_ms: of each frame, the self time of :data:`PAINTING` on the main thread. Recording inflates it: compare
            it with what was recorded alike.
    """

    paints: int
    raster_tasks: int
    frame_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float | None:
        """Of the frames: one in which the thread was interrupted does not count for more. None without a frame."""
        return statistics.median(self.frame_ms) if self.frame_ms else None


def read(path: Path) -> Painting:
    """The painting in a trace of one page.

    Raises:
        TraceError: as :func:`labkit.browser.trace.reader.read`.
    """
    events, _ = load(path)
    page = choose(events)
    own = [event for event in events if event.pid == page.pid]
    begun_us = sorted(e.ts for e in own if e.name == "BeginMainThreadFrame" and e.tid == page.tid)
    spans = nest(spans_of([e for e in own if e.tid == page.tid and e.name in PART_OF]))
    frame_ms = [0.0] * len(begun_us)
    for span in spans:
        frame = bisect_right(begun_us, span.start_us) - 1
        if frame >= 0 and PART_OF[span.name] in PAINTING:
            frame_ms[frame] += span.self_us / 1000
    return Painting(
        paints=sum(1 for span in spans if PART_OF[span.name] == "paint"),
        raster_tasks=sum(1 for e in own if e.tid != page.tid and e.name == "RasterTask"),
        frame_ms=tuple(frame_ms),
    )
