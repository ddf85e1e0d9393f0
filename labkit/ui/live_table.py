"""What a server does now, for the terminal: readable at 80 columns; causes stand beside it where there is room."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from labkit.base.text import milliseconds
from labkit.inside.recent import SUPPORTS_P98, EventNow, Holder, Recent, Times, Wait
from labkit.inside.waits_now import MEANWHILE
from labkit.inside.watched import CAUSES, CLIENT, CORE, GC
from labkit.ui.grid import grid

#: From this width on the cause of the longest wait has a column of its own.
WIDE = 120

#: Shorter waits need no cause, in ms.
_WORTH_TELLING_MS = 10.0

#: Lines of one process besides its events: heading, connections, legend, holders.
_OTHER_LINES = 10

LEGEND = f"Milliseconds, median/p98; under {SUPPORTS_P98} events median/largest. worst: longest wait."


def of(recents: Sequence[Recent], width: int, height: int | None = None) -> RenderableType:
    """The tables of one run's processes.

    Args:
        recents: what each says.
        width: of the terminal, in characters.
        height: in lines; None for all that there is.
    """
    rows = None if height is None else max(3, (height - _OTHER_LINES * len(recents)) // max(1, len(recents)))
    parts: list[RenderableType] = []
    for recent in recents:
        if parts:
            parts.append(Text())
        parts += _process(recent, width, rows)
    if any(recent.events for recent in recents):
        parts.append(Text(LEGEND, style="dim"))
    return Group(*parts)


def _process(recent: Recent, width: int, rows: int | None) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(_heading(recent), style="bold"), Text(_connections(recent))]
    if not recent.events:
        return [*parts, Text("No event came.", style="dim")]
    shown = recent.events if rows is None else _fitting(recent.events, rows, width)
    parts.append(_events(shown, width))
    left_out = recent.left_out + len(recent.events) - len(shown)
    if left_out:
        parts.append(Text(f"... and {left_out} more names", style="dim"))
    parts += [Text(_holder(each), style="yellow") for each in recent.holders[:3]]
    if not recent.is_watched:
        parts.append(Text("Who makes whom wait is not watched here: labkit.instrument(..., blame=True).", style="dim"))
    if recent.failed:
        parts.append(Text(f"Hooks that failed and took themselves off: {', '.join(recent.failed)}.", style="yellow"))
    return parts


def _fitting(events: tuple[EventNow, ...], rows: int, width: int) -> tuple[EventNow, ...]:
    """As many as have room: where the terminal is narrow, a cause takes a line."""
    used = 1
    for count, each in enumerate(events):
        used += 1 + (width < WIDE and bool(_because(each.worst)))
        if used > rows and count:
            return events[:count]
    return events


def _heading(recent: Recent) -> str:
    handlers = "" if recent.async_handlers else ", async_handlers=False"
    mode = f", async_mode={recent.async_mode}{handlers}" if recent.async_mode else ""
    return f"Process {recent.pid}{mode}: {recent.events_seen} events, {recent.in_flight} in flight"


def _connections(recent: Recent) -> str:
    row = recent.connections
    parts = [f"{row.open} connections, {row.websocket} by websocket"]
    if row.never_upgraded:
        parts[0] += f", {row.never_upgraded} never upgraded"
    if row.headroom_s is not None:
        parts.append(f"least heartbeat headroom {row.headroom_s:.1f} s")
    if row.unread or row.unsent:
        parts.append(f"{row.unread} messages unread, {row.unsent} unsent")
    parts.append(f"{_rate(recent.emits_per_s)} emits/s to {_rate(recent.sent_per_s)} receivers/s")
    return "; ".join(parts)


def _events(rows: Sequence[EventNow], width: int) -> RenderableType:
    wide = width >= WIDE
    headers = ["event", "count", "/s", "wait", "handler", "worst", "now", "errors", *(["because"] if wide else [])]
    shown = grid(headers, right=range(1, 8), wrap=False)
    longest = max(16, width - 60) if not wide else 28
    for row in rows:
        cells = [
            _cut(row.shown, longest),
            _count(row.count),
            _rate(row.per_s),
            _times(row.queue),
            _times(row.service),
            _worst(row.worst),
            str(row.running + row.waiting or "-"),
            str(row.errors or "-"),
        ]
        because = _because(row.worst)
        if wide:
            shown.add_row(*cells, Text(_cut(because, max(20, width - 90)), style="yellow"))
            continue
        shown.add_row(*cells)
    if wide:
        return shown
    causes = [
        Text(_cut(f"{row.shown} waited {_worst(row.worst)} ms: {_because(row.worst)}", width), style="yellow")
        for row in rows
        if _because(row.worst)
    ]
    return Group(shown, *causes)


def _because(worst: Wait | None) -> str:
    if worst is None or worst.waited_ms < _WORTH_TELLING_MS:
        return ""
    if not worst.cause:
        return "" if worst.is_over else "and waits still"
    still = "" if worst.is_over else " (waits still)"
    if worst.cause == MEANWHILE:
        return f"meanwhile ran {worst.who}{still}"
    at = f", {worst.where}" if worst.where else ""
    return f"{_did(worst.who, worst.cause)}{at}{still}"


def _holder(holder: Holder) -> str:
    at = f" at {holder.where}" if holder.where else ""
    return f"{holder.share:4.0%} of the last seconds: {_did(holder.who, holder.cause)}{at}"


def _did(who: str, cause: str) -> str:
    """Who did what, in words."""
    if cause in (CAUSES[CORE], CAUSES[GC]):  # the machine's, and Python's own
        return cause
    if cause == CAUSES[CLIENT]:
        return f"a client does not read what {who} sends"
    return f"{who} {cause}"


def _worst(worst: Wait | None) -> str:
    return "-" if worst is None else _short(worst.waited_ms)


def _times(times: Times) -> str:
    if times.p50_ms is None or times.tail_ms is None:
        return "-"
    if times.count == 1:
        return _short(times.p50_ms)
    return f"{_short(times.p50_ms)}/{_short(times.tail_ms)}"


def _short(value_ms: float) -> str:
    """Milliseconds in four characters, or seconds where they are more."""
    return f"{value_ms / 1e3:.0f}s" if value_ms >= 9_999.5 else milliseconds(value_ms)


def _rate(per_s: float) -> str:
    return f"{per_s:.1f}" if per_s < 100 else f"{per_s:.0f}"


def _count(number: int) -> str:
    return f"{number / 1e3:.0f}k" if number >= 10_000 else str(number)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
