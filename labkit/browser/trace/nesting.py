"""Which event of a thread ran within which, and how much of its time was its own."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.browser.trace.events import Event


@dataclass(slots=True)
class Span:
    """An event of one thread, with a beginning and an end.

    Attributes:
        name: as Chromium calls it.
        start_us: its beginning, in microseconds of the browser's clock.
        end_us: its end, never later than that of the span around it.
        parent: the index of the span around it; -1 for none.
        depth: how many spans are around it.
        self_us: its time without that of the spans within it.
        args: the event's.
    """

    name: str
    start_us: float
    end_us: float
    parent: int = -1
    depth: int = 0
    self_us: float = 0.0
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_us(self) -> float:
        """From its beginning to its end."""
        return self.end_us - self.start_us


def nest(spans: Iterable[Span]) -> list[Span]:
    """The spans of one thread by time, each after the one around it, with parents, depths and self times set.

    The self times sum up to the time that is covered. Where two overlap without one being within the other, which
    only rounding can do, the later one ends with the earlier.
    """
    found = sorted(spans, key=lambda span: (span.start_us, -span.end_us))
    open_: list[int] = []
    for index, span in enumerate(found):
        while open_ and span.start_us >= found[open_[-1]].end_us:
            open_.pop()
        span.self_us = span.duration_us
        if open_:
            around = found[open_[-1]]
            span.parent, span.depth = open_[-1], around.depth + 1
            span.end_us = min(span.end_us, around.end_us)
            span.self_us = span.duration_us
            around.self_us -= span.duration_us
        open_.append(index)
    return found


def spans_of(events: Sequence[Event]) -> list[Span]:
    """Complete events, and pairs of their two ends, as spans; what never ended does so with the last event."""
    last_us = max((e.ts + e.dur for e in events), default=math.nan)
    spans, begun = [], list[Event]()
    for event in sorted(events, key=lambda e: e.ts):
        if event.phase == "X":
            spans.append(Span(event.name, event.ts, event.ts + event.dur, args=event.args))
        elif event.phase == "B":
            begun.append(event)
        elif event.phase == "E" and begun:
            start = begun.pop()
            spans.append(Span(start.name, start.ts, event.ts, args=start.args))
    return spans + [Span(event.name, event.ts, last_us, args=event.args) for event in begun]
