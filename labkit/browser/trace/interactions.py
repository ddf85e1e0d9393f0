"""Interactions from a trace's EventTiming events, and INP from them.

The trace has what `PerformanceObserver` rounds to 8 ms and cuts below 16 ms: every event, in microseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.browser.trace.events import Event

#: One interaction in so many is ignored, the worst first; Chrome remembers only so many of the worst.
IGNORED_PER, REMEMBERED = 50, 10

#: Events that end within so much of each other were ended by the same paint.
SAME_PAINT_US = 100


#: The page is told durations to the nearest multiple of this (https://w3c.github.io/event-timing/).
ROUNDED_TO_MS = 8


@dataclass(frozen=True)
class Interaction:
    """What somebody did: a click or a key, with all events that belong to it.

    Attributes:
        id: the browser's interactionId.
        type: the event whose handlers ran longest: ``click``, ``keydown``, ``pointerdown``.
        start_ms: since the trace began.
        duration_ms: of its longest event, from the input to the next paint, not rounded.
        input_delay_ms: from the input until the first handler ran.
        processing_ms: from the first handler's start to the last one's end, of the events that this paint ended.
        presentation_delay_ms: from the end of the handlers to the paint.
        events: how many events belong to it.
    """

    id: int
    type: str
    start_ms: float
    duration_ms: float
    input_delay_ms: float
    processing_ms: float
    presentation_delay_ms: float
    events: int


def inp_ms(interactions: Sequence[Interaction]) -> float | None:
    """Interaction to Next Paint: the longest interaction, but one is ignored for every 50; None without any.

    After https://web.dev/articles/inp, and Chromium's `responsiveness_metrics_normalization.cc`, which keeps the ten
    longest.
    """
    longest = sorted((i.duration_ms for i in interactions), reverse=True)[:REMEMBERED]
    if not longest:
        return None
    return longest[min(len(longest) - 1, len(interactions) // IGNORED_PER)]


def error_ms(told: Iterable[Mapping[str, Any]], traced: Iterable[Interaction]) -> tuple[float, float] | None:
    """Between which bounds what a page was told of its interactions is off from what the trace has of the same ones.

    A page that is told 64 ms knows of 60 to 68. A single interaction thus leaves 8 ms open; the more of them there
    are, and the more their durations differ, the narrower it gets: twenty that are spread over 8 ms leave less than 1.
    If the first bound is above the second, the error itself differs from one to the next.

    Args:
        told: by the page, each with its ``id`` and ``duration_ms``.
        traced: from `find`.

    Returns:
        The two bounds in ms; None where no interaction is in both. Those below 16 ms are in the trace alone.
    """
    exact_ms = {each.id: each.duration_ms for each in traced}
    off = [each["duration_ms"] - exact_ms[each["id"]] for each in told if each["id"] in exact_ms]
    return (max(off) - ROUNDED_TO_MS / 2, min(off) + ROUNDED_TO_MS / 2) if off else None


def find(events: Iterable[Event], *, origin_us: float) -> tuple[tuple[Interaction, ...], int]:
    """The interactions in the EventTiming events of one process, by time, and how many events were never painted.

    Begin and end are paired by the event's id. Events without an interactionId (a moving pointer, a click made by
    script) are no interactions.
    """
    begun: dict[str, list[Event]] = {}
    of_id: dict[int, list[tuple[Event, float]]] = {}
    for event in sorted(events, key=lambda e: (e.ts, e.phase == "e")):
        if event.phase == "b":
            begun.setdefault(event.id, []).append(event)
        elif event.phase == "e" and begun.get(event.id):
            start = begun[event.id].pop()
            if interaction := _interaction_id(start):
                of_id.setdefault(interaction, []).append((start, (event.ts - start.ts) / 1000))
    unpainted = sum(1 for waiting in begun.values() for event in waiting if _interaction_id(event))
    found = [_interaction(id_, timed, origin_us) for id_, timed in of_id.items()]
    return tuple(sorted(found, key=lambda i: i.start_ms)), unpainted


def _interaction_id(event: Event) -> int:
    found = _data(event).get("interactionId")
    return found if isinstance(found, int) else 0


def _data(event: Event) -> dict[str, Any]:
    data = event.args.get("data")
    return data if isinstance(data, dict) else {}


def _interaction(id_: int, timed: list[tuple[Event, float]], origin_us: float) -> Interaction:
    longest, duration_ms = max(timed, key=lambda item: item[1])
    # A pointerdown lasts until the paint that shows what the click did, where one frame has both: the handlers of all
    # the events that this paint ended are the interaction's, as in web-vitals and DevTools.
    painted_us = longest.ts + duration_ms * 1000
    together = [event for event, ms in timed if abs(event.ts + ms * 1000 - painted_us) <= SAME_PAINT_US]
    began_ms = _ms(longest, "timeStamp")
    first_ms = min(_ms(event, "processingStart") for event in together) - began_ms
    last_ms = max(_ms(event, "processingEnd") for event in together) - began_ms
    return Interaction(
        id=id_,
        type=str(_data(max(together, key=_processing_ms)).get("type", "")),
        start_ms=(longest.ts - origin_us) / 1000,
        duration_ms=duration_ms,
        input_delay_ms=first_ms,
        processing_ms=last_ms - first_ms,
        presentation_delay_ms=max(0.0, duration_ms - last_ms),
        events=len(timed),
    )


def _processing_ms(event: Event) -> float:
    return _ms(event, "processingEnd") - _ms(event, "processingStart")


def _ms(event: Event, key: str) -> float:
    value = _data(event).get(key)
    return float(value) if isinstance(value, int | float) else 0.0
