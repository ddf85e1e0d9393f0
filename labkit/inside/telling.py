"""Follows what the hooks of a server see, and tells its last minute (:class:`labkit.inside.recent.Recent`).

It looks at new rows only, and never at more than 500 at once: some 2 ms a look, whatever the load.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from labkit.base.clock import NS_PER_MS, NS_PER_S, Now
from labkit.inside import waits_now
from labkit.inside.following import Following, seen
from labkit.inside.hooking import Hooking
from labkit.inside.recent import (
    HOLDERS_S,
    RATE_S,
    SUPPORTS_P98,
    WINDOW_S,
    ConnectionsNow,
    EventNow,
    Holder,
    Recent,
    Times,
    Wait,
)
from labkit.inside.record import EMIT_COLUMNS, EVENT_COLUMNS, UNKNOWN
from labkit.inside.seeing import (
    CPU_NS,
    DISPATCHED,
    EMIT_RECEIVERS,
    ERROR,
    HANDLER_END,
    HANDLER_START,
    LOOP_FREE,
    NAME,
    Seeing,
)
from labkit.inside.watched import CAUSES, SLICE_COLUMNS

if TYPE_CHECKING:
    from labkit.inside.watch import Watch

NAMESPACE = EVENT_COLUMNS.index("namespace")
_AT = EMIT_COLUMNS.index("at")
_BEGIN, _END, _PLACE, _CAUSE, _HELD = map(SLICE_COLUMNS.index, ("begin", "end", "place", "cause", "held_ns"))

#: Of each look, so many new rows are read, of the first one so many; of each name so many durations are kept.
ROWS_AT_ONCE, FIRST_ROWS, KEPT = 500, 4_000, 256

#: So many names are told, and so many events are remembered that have not ended.
NAMES_TOLD, OPEN_KEPT = 40, 4_096

#: Of the new events of a name it is asked for whom they waited: those that may have waited longest.
_ASKED = 3

#: Rates are counted in steps of so long.
_STEP_NS = NS_PER_S // 2

#: A client that can have a websocket has it within this time.
UPGRADES_WITHIN_NS = 5 * NS_PER_S

#: An event whose handler has not started so long after its receive loop had done with it was dropped by the library,
#: as one is that comes before its client was let into the namespace.
DROPPED_NS = 30 * NS_PER_S

_HOLDERS_TOLD = 4


class _Rate:
    """Counts by half seconds, the last ones."""

    def __init__(self) -> None:
        self._counts: dict[int, float] = defaultdict(float)

    def add(self, at_ns: int, count: float = 1) -> None:
        self._counts[at_ns // _STEP_NS] += count

    def per_s(self, now: int, span_s: float) -> float:
        """Of the whole steps before this instant's."""
        steps = max(1, round(span_s * NS_PER_S / _STEP_NS))
        last = now // _STEP_NS
        for step in [step for step in self._counts if step < last - steps]:
            del self._counts[step]
        return sum(count for step, count in self._counts.items() if step < last) / (steps * _STEP_NS / NS_PER_S)


class _Name:
    """What is remembered of the events of one name."""

    def __init__(self, kept: int | None) -> None:
        self.rate = _Rate()
        self.ended: deque[tuple[int, int, int, int]] = deque(maxlen=kept)  # when, queue, service, whether it raised
        self.came: deque[tuple[int, int]] = deque()  # when looked at, how many
        self.longest: deque[tuple[int, tuple[int, str, str, str]]] = deque()  # longer ones first, all of the window
        self.asked: list[tuple[int, int]] = []

    def add_wait(self, at_ns: int, found: tuple[int, str, str, str]) -> None:
        """One that ended; shorter ones before it will never be the longest again."""
        while self.longest and self.longest[-1][1][0] <= found[0]:
            self.longest.pop()
        self.longest.append((at_ns, found))

    def forget(self, before_ns: int) -> None:
        for kept in (self.ended, self.longest, self.came):
            while kept and kept[0][0] < before_ns:
                kept.popleft()


class Telling:
    """Tells what is new.

    Args:
        seeing: what the hooks see.
        hooks: of the servers; more may come.
        watch: gives the watch of who makes whom wait, where there is one.
        now: the clock; a fake in tests.
        whole: tell of all since now, not of the last minute: nothing is forgotten, and no row is passed over.
    """

    def __init__(
        self,
        seeing: Seeing,
        hooks: Sequence[Hooking],
        watch: Callable[[], "Watch | None"],
        *,
        now: Now | None = None,
        whole: bool = False,
    ) -> None:
        self._seeing, self._hooks, self._watch = seeing, hooks, watch
        self._now = now or seeing.now
        self._whole = whole
        rows = seeing.events.rows if whole else ROWS_AT_ONCE
        self._kept = None if whole else KEPT
        self._began_ns = self._now()
        self._rows = rows
        since = (seen(seeing.events), seen(seeing.emits)) if whole else (None, None)
        first = None if whole else FIRST_ROWS
        self._events = Following(seeing.events, rows, first=first, since=since[0])
        self._emits = Following(seeing.emits, rows, first=first, since=since[1])
        self._slices: Following | None = None
        self._names: dict[tuple[int, int], _Name] = {}
        self._open: dict[int, None] = {}
        self._emitted, self._sent = _Rate(), _Rate()
        self._held: deque[tuple[int, int, int, int]] = deque(maxlen=4_096)
        if whole and (there := watch()) is not None:
            self._slices = Following(there.slices.ring, there.slices.ring.rows, since=seen(there.slices.ring))

    def tell(self) -> Recent:
        """What is now."""
        seeing, now = self._seeing, self._now()
        watch = self._watch()
        span_s = (now - self._began_ns) / NS_PER_S if self._whole else WINDOW_S
        rate_s = max(span_s, _STEP_NS / NS_PER_S) if self._whole else RATE_S
        self._take_events(watch, now)
        self._take_emits()
        if watch is not None:
            self._take_slices(watch)
        running, waiting, still = self._unended(watch, now)
        told = []
        for key, name in list(self._names.items()):
            if not self._whole:
                name.forget(now - round(WINDOW_S * NS_PER_S))
            if name.ended or key in running or key in waiting or name.came:
                told.append(self._told(key, name, now, rate_s, running, waiting, still.get(key)))
            else:
                del self._names[key]
        told.sort(key=lambda each: (-each.per_s, -each.count))
        server = self._hooks[-1].server if self._hooks else None
        return Recent(
            pid=os.getpid(),
            taken_ns=now,
            span_s=span_s,
            events_seen=seen(seeing.events),
            events=tuple(told[:NAMES_TOLD]),
            connections=self._connections(now),
            emits_per_s=round(self._emitted.per_s(now, rate_s), 2),
            sent_per_s=round(self._sent.per_s(now, rate_s), 2),
            holders=() if watch is None else self._holders(watch, now, span_s if self._whole else HOLDERS_S),
            is_watched=watch is not None,
            async_mode="" if server is None else str(server.eio.async_mode),
            async_handlers=server is None or bool(server.async_handlers),
            left_out=max(0, len(told) - NAMES_TOLD),
            failed=seeing.failed,
        )

    # Rows

    def _take_events(self, watch: "Watch | None", now: int) -> None:
        new, passed_over = self._events.new()
        weight = 1 + passed_over / len(new) if len(new) else 1.0
        for number in list(self._open):
            self._take_event(number, 0)
        for number in new:
            self._take_event(number, weight)
        while len(self._open) > OPEN_KEPT:
            self._open.pop(next(iter(self._open)))
        for name in self._names.values():
            if name.asked:
                self._ask(name, watch, now)

    def _take_event(self, number: int, weight: float) -> None:
        """Look at an event; a `weight` of 0 is one that was looked at before, and had not ended."""
        ring = self._seeing.events
        row, at = ring.data, number % ring.rows * ring.width
        if row[at] > number:  # overwritten
            self._open.pop(number, None)
            return
        if row[at] < number:  # drawn, and not written yet
            self._open[number] = None
            return
        key = row[at + NAME], row[at + NAMESPACE]
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = _Name(self._kept)
        if weight:
            name.rate.add(row[at + DISPATCHED], weight)
            name.came.append((row[at + DISPATCHED], round(weight)))
        if row[at + HANDLER_END]:
            self._open.pop(number, None)
            self._ended(name, number, at)
        elif row[at + LOOP_FREE] and not row[at + HANDLER_START] and self._now() - row[at + LOOP_FREE] > DROPPED_NS:
            self._open.pop(number, None)
        else:
            self._open[number] = None

    def _ask(self, name: _Name, watch: "Watch | None", now: int) -> None:
        """For whom the new events of a name waited: those that may have waited longest."""
        ring = self._seeing.events
        for _, number in sorted(name.asked)[-_ASKED:]:
            at = number % ring.rows * ring.width
            found = waits_now.waited(self._seeing, watch, number, now)
            if ring.data[at] == number and found[0] > 0:
                name.add_wait(ring.data[at + HANDLER_END], found)
        name.asked.clear()

    def _ended(self, name: _Name, number: int, at: int) -> None:
        row = self._seeing.events.data
        start, end, cpu_ns = row[at + HANDLER_START], row[at + HANDLER_END], row[at + CPU_NS]
        queue_ns, service_ns = max(0, start - waits_now.came(row, at)), end - start
        name.ended.append((end, queue_ns, service_ns, row[at + ERROR] != UNKNOWN))
        idle_ns = service_ns if cpu_ns == UNKNOWN else max(0, service_ns - cpu_ns)
        name.asked.append((queue_ns + idle_ns, number))

    def _take_emits(self) -> None:
        ring = self._seeing.emits
        row, width, rows = ring.data, ring.width, ring.rows
        new, passed_over = self._emits.new()
        weight = 1 + passed_over / len(new) if len(new) else 1.0
        for number in new:
            at = number % rows * width
            if row[at] == number:
                self._emitted.add(row[at + _AT], weight)
                self._sent.add(row[at + _AT], weight * row[at + EMIT_RECEIVERS])

    def _take_slices(self, watch: "Watch") -> None:
        ring = watch.slices.ring
        if self._slices is None:
            self._slices = Following(ring, self._rows)
        for number in self._slices.new()[0]:
            at = number % ring.rows * ring.width
            if ring.data[at] == number:
                self._held.append(tuple(ring.data[at + each] for each in (_END, _PLACE, _CAUSE, _HELD)))  # type: ignore[arg-type]

    # Figures

    def _unended(
        self, watch: "Watch | None", now: int
    ) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int], dict[tuple[int, int], Wait]]:
        """By name: handlers that run, events that wait for theirs, and the longest wait of these."""
        ring = self._seeing.events
        row = ring.data
        running: dict[tuple[int, int], int] = defaultdict(int)
        waiting: dict[tuple[int, int], int] = defaultdict(int)
        first: dict[tuple[int, int], int] = {}
        for number in self._open:
            at = number % ring.rows * ring.width
            if row[at] != number or row[at + HANDLER_END]:
                continue
            key = row[at + NAME], row[at + NAMESPACE]
            if row[at + HANDLER_START]:
                running[key] += 1
            else:
                waiting[key] += 1
                first.setdefault(key, number)
        longest = {
            key: waits_now.longest(waits_now.waited(self._seeing, watch, number, now), is_over=False)
            for key, number in first.items()
        }
        return running, waiting, longest

    def _told(
        self,
        key: tuple[int, int],
        name: _Name,
        now: int,
        rate_s: float,
        running: dict[tuple[int, int], int],
        waiting: dict[tuple[int, int], int],
        still: Wait | None,
    ) -> EventNow:
        worst = waits_now.longest(name.longest[0][1], is_over=True) if name.longest else None
        if still is not None and (worst is None or still.waited_ms > worst.waited_ms):
            worst = still
        return EventNow(
            name=self._seeing.names.names[key[0]],
            namespace=self._seeing.namespaces.names[key[1]],
            count=sum(count for _, count in name.came),
            per_s=round(name.rate.per_s(now, rate_s), 2),
            running=running.get(key, 0),
            waiting=waiting.get(key, 0),
            errors=sum(raised for *_, raised in name.ended),
            queue=_times(each[1] for each in name.ended),
            service=_times(each[2] for each in name.ended),
            worst=worst,
        )

    def _connections(self, now: int) -> ConnectionsNow:
        live = list(self._seeing.connections.live.values())
        websocket = never = unread = unsent = 0
        headroom_ns: int | None = None
        for each in live:
            if each.websocket:
                websocket += 1
            elif not each.upgraded_ns and now - each.opened_ns >= UPGRADES_WITHIN_NS:
                never += 1
            if each.headroom_ns is not None and (headroom_ns is None or each.headroom_ns < headroom_ns):
                headroom_ns = each.headroom_ns
            if each.buffer is not None and each.buffer.arrivals is not None:
                unread += len(each.buffer.arrivals)
            unsent += max(0, each.queued - each.written)
        headroom_s = None if headroom_ns is None else round(headroom_ns / NS_PER_S, 3)
        return ConnectionsNow(len(live), websocket, never, headroom_s, unread, unsent)

    def _holders(self, watch: "Watch", now: int, span_s: float) -> tuple[Holder, ...]:
        span_ns = round(span_s * NS_PER_S)
        while self._held and self._held[0][0] < now - span_ns:
            self._held.popleft()
        sums: dict[tuple[int, int], int] = defaultdict(int)
        for _, at, cause, held_ns in self._held:
            sums[at, cause] += held_ns
        most = sorted(sums.items(), key=lambda each: -each[1])[:_HOLDERS_TOLD]
        told = []
        for (number, cause), held_ns in most:
            place = watch.places.met[number]
            share = round(held_ns / max(1, span_ns), 4)
            told.append(Holder(share, CAUSES[cause], waits_now.who(place), place.where))
        return tuple(each for each in told if each.share >= 0.005)


def _times(values: Iterable[int]) -> Times:
    ordered = sorted(values)
    count = len(ordered)
    if not count:
        return Times()
    tail = ordered[-1] if count < SUPPORTS_P98 else ordered[-(-count * 98 // 100) - 1]
    return Times(count, round(ordered[(count - 1) // 2] / NS_PER_MS, 2), round(tail / NS_PER_MS, 2))
