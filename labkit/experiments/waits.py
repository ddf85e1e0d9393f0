"""For how long events waited, and for whom: arithmetic on a record of events and the slices of a watch.

An event waits from the instant at which it was read until its handler starts. Within the handler it waits where its
thread could not compute though it wanted to, or stood at a lock or a pool. That which the handler waits for by itself,
such as an answer of a database, is nobody's blame, unless others wait for that handler.

A heartbeat waits where the server pings late, and where it takes a pong late: for as long as somebody held everybody
up, or the client's receive loop, without a break until that instant. What the client and the network took is not
counted.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.inside.places import EVENT, Place
from labkit.inside.record import UNKNOWN, Record
from labkit.inside.watched import CLIENT, CORE, GC, GIL, LOCK, LOOP, POOL, RECEIVE_LOOP, Watched
from labkit.runs.stages import MISSING

#: Rows of those that are no event.
EVERYBODY, THE_LOOP, THE_SENT = "other threads", "the event loop", "messages to a client"
NO_EVENTS = (EVERYBODY, THE_LOOP, THE_SENT)
HEARTBEATS = "heartbeats (ping, pong)"

#: A heartbeat that waits for less is not late: a client has seconds for it.
HEARTBEAT_NS = 100 * NS_PER_MS

#: Why a connection ended whose pong was not taken in time, in Engine.IO's words.
TIMED_OUT = "ping timeout"

#: An event that waits for less does not wait.
LEAST_NS = NS_PER_MS

#: A row whose events waited for less than this, in sum, is no evidence.
WAIT_S = 0.02

#: Slices of one task that are not further apart are one hold.
_GAP_NS = 30 * NS_PER_MS

Ints = NDArray[np.int64]
#: For whom a heartbeat waited, and why, in ns.
Waited = dict[tuple[Place, int], float]


@dataclass
class Row:
    """Somebody who waited."""

    events: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0


@dataclass
class Held:
    """What one held, for one cause: in sum, and the longest at once; and how many clients were lost for it."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    longest_s: float = 0.0
    longest_cpu_s: float = 0.0
    lost: int = 0


@dataclass
class Waits:
    """Who waited, for whom, and what these held.

    Attributes:
        rows: by name.
        seconds: by row, place and cause.
        held: by kind, name and cause.
    """

    rows: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    seconds: dict[tuple[str, Place, int], float] = field(default_factory=lambda: defaultdict(float))
    held: dict[tuple[str, str, int], Held] = field(default_factory=lambda: defaultdict(Held))


def waits_of(record: Record, watched: Watched) -> Waits:
    """Lay one over the other."""
    waits = Waits()
    reading = _Reading(record, watched, waits)
    reading.holds()
    reading.threads()
    for row in range(len(record)):
        reading.event(row)
    reading.heartbeats()
    return waits


class _Reading:
    def __init__(self, record: Record, watched: Watched, waits: Waits) -> None:
        self.record, self.watched, self.waits = record, watched, waits
        self.events: dict[str, Ints] = {name: _array(column) for name, column in record.events.items()}
        slices = {name: _array(column) for name, column in watched.slices.items()}
        order = np.argsort(slices["begin"], kind="stable")
        self.slices = {name: column[order] for name, column in slices.items()}
        self.until = _until(self.slices["end"])
        holding = np.isin(self.slices["cause"], (GIL, GC, CORE, LOOP))
        self.holds_begin, self.holds_until = self.slices["begin"][holding], _until(self.slices["end"][holding])
        self.of_waiter = _grouped(self.slices["waiter"])
        self.of_event = _grouped(self.slices["event"])
        self.of_name = self._lines_by_name()
        self.serial = record.settings.get("async_handlers") is False
        self.before = self._before() if self.serial else {}

    def _lines_by_name(self) -> dict[tuple[str, str, int], Place]:
        """Of each who held, the place that had most; for slices of which only the name is known."""
        most: dict[tuple[str, str, int], tuple[int, Place]] = {}
        for total in self.watched.totals:
            place = self.watched.places[total.place]
            key = (place.kind, place.name, total.cause)
            if place.line and total.held_ns > most.get(key, (0, place))[0]:
                most[key] = total.held_ns, place
        return {key: place for key, (_, place) in most.items()}

    def place(self, at: int) -> Place:
        """Of a slice."""
        place: Place = self.watched.places[self.slices["place"][at]]
        if place.line:
            return place
        return self.of_name.get((place.kind, place.name, int(self.slices["cause"][at])), place)

    # What was held, whoever waited

    def holds(self) -> None:
        """Slices of one event's handler are one hold; others where they follow one another."""
        last: dict[tuple[Any, ...], tuple[int, int, int]] = {}
        for at in range(len(self.slices["begin"])):
            place, cause = self.place(at), int(self.slices["cause"][at])
            begin, end, event = (int(self.slices[name][at]) for name in ("begin", "end", "event"))
            held_ns, cpu_ns = int(self.slices["held_ns"][at]), int(self.slices["cpu_ns"][at])
            key = (place.kind, place.name, cause)
            held = self.waits.held[key]
            held.seconds += held_ns / NS_PER_S
            held.cpu_s += cpu_ns / NS_PER_S
            one = (*key, event, int(self.slices["waiter"][at]), int(self.slices["connection"][at]))
            sum_ns, sum_cpu_ns, ended = last.get(one, (0, 0, begin))
            if event == UNKNOWN and begin - ended > _GAP_NS:
                sum_ns = sum_cpu_ns = 0
            sum_ns, sum_cpu_ns = sum_ns + held_ns, sum_cpu_ns + cpu_ns
            last[one] = sum_ns, sum_cpu_ns, end
            if sum_ns > held.longest_s * NS_PER_S:
                held.longest_s = sum_ns / NS_PER_S
            held.longest_cpu_s = max(held.longest_cpu_s, sum_cpu_ns / NS_PER_S)

    def threads(self) -> None:
        """The rows of those that are no event."""
        rows = {GIL: EVERYBODY, GC: EVERYBODY, CORE: EVERYBODY, LOOP: THE_LOOP, CLIENT: THE_SENT}
        for at, cause in enumerate(self.slices["cause"].tolist()):
            if cause in rows:
                self._blame(rows[cause], at, int(self.slices["held_ns"][at]))
                self.waits.rows[rows[cause]].seconds += int(self.slices["held_ns"][at]) / NS_PER_S

    def _blame(self, row: str, at: int, ns: float) -> None:
        self.waits.seconds[row, self.place(at), int(self.slices["cause"][at])] += ns / NS_PER_S

    # An event

    def event(self, row: int) -> None:
        """What it waited for."""
        get = self.events
        name = self.record.names[get["name"][row]]
        number, start, taken = int(get["number"][row]), int(get["handler_start"][row]), self.record.taken_ns
        begin = int(get["read"][row]) or int(get["dispatched"][row])
        queue_ns = max(0, (start or taken) - begin) if begin else 0
        waited_ns = 0
        if queue_ns >= LEAST_NS:
            waited_ns = queue_ns
            inbox_ns = self._inbox(row, name, begin, start or taken) if self.serial else 0
            self._everybody(name, number, begin, start or taken, queue_ns - inbox_ns)
        if start:
            waited_ns += self._handler(row, name, number, start, int(get["handler_end"][row]) or taken)
        if waited_ns >= LEAST_NS:
            waits = self.waits.rows[name]
            waits.events += 1
            waits.seconds += waited_ns / NS_PER_S
            waits.longest_s = max(waits.longest_s, waited_ns / NS_PER_S)

    def _handler(self, row: int, name: str, number: int, start: int, end: int) -> int:
        """Waiting within the handler; so long did it."""
        waited_ns = 0
        for at in self.of_waiter.get(number, ()):
            if self.slices["cause"][at] in (LOCK, POOL):
                held_ns = int(self.slices["held_ns"][at])
                self._blame(name, at, held_ns)
                waited_ns += held_ns
        cpu_ns = int(self.events["cpu_ns"][row])
        if cpu_ns == UNKNOWN:
            return waited_ns
        # Its own waiting: it stood still while somebody had the GIL, and would not have wanted it.
        left_ns = end - start - cpu_ns - waited_ns - self.watched.still_ns.get(str(number), 0)
        return waited_ns + self._everybody(name, number, start, end, left_ns)

    def _everybody(self, name: str, number: int, begin: int, end: int, most_ns: int) -> int:
        """Blame what held everybody up in this time, in sum no more than that; so much was blamed."""
        if most_ns < LEAST_NS:
            return 0
        found = self._found(number, begin, end)
        total_ns = sum(ns for _, ns in found)
        scale = min(1.0, most_ns / total_ns) if total_ns else 0.0
        for at, ns in found:
            self._blame(name, at, ns * scale)
        return round(total_ns * scale)

    def _found(self, number: int, begin: int, end: int) -> list[tuple[int, float]]:
        """Slices in which another than that event held everybody up in this time, and for how long of it."""
        first = int(np.searchsorted(self.until, begin, "right"))
        last = int(np.searchsorted(self.slices["begin"], end))
        found = []
        for at in range(first, last):
            cause, event = int(self.slices["cause"][at]), int(self.slices["event"][at])
            since, until = int(self.slices["begin"][at]), int(self.slices["end"][at])
            overlap_ns = min(until, end) - max(since, begin)
            if cause in (GIL, GC, CORE, LOOP) and overlap_ns > 0 and (event != number or event == UNKNOWN):
                found.append((at, int(self.slices["held_ns"][at]) * overlap_ns / max(1, until - since)))
        return found

    # The receive loop of a client whose events are handled in turn

    def _before(self) -> dict[int, list[int]]:
        """By connection: its events' rows, in the order in which its receive loop took them."""
        order = np.argsort(self.events["dispatched"], kind="stable")
        by_connection: dict[int, list[int]] = defaultdict(list)
        for row in order.tolist():
            by_connection[int(self.events["connection"][row])].append(row)
        return by_connection

    def _inbox(self, row: int, name: str, begin: int, end: int) -> int:
        """Blame the events of the same client that were handled meanwhile; so long that was."""
        blamed_ns = 0
        get = self.events
        rows = self.before[int(get["connection"][row])]
        # Those before it, from the last one back.
        place = rows.index(row)
        for other in reversed(rows[:place]):
            since = int(get["dispatched"][other])
            until = int(get["loop_free"][other]) or self.record.taken_ns
            if until <= begin:
                break
            overlap_ns = min(until, end) - max(since, begin)
            if overlap_ns > 0:
                blamed_ns += overlap_ns
                self._hold(name, other, overlap_ns)
        return blamed_ns

    # Heartbeats

    def heartbeats(self) -> None:
        """What they waited for, and which clients were lost for that."""
        interval_ns = round(self.record.settings.get("ping_interval_s", 0) * NS_PER_S)
        connections = {each.number: each for each in self.record.connections}
        answered = {number: each.opened_ns for number, each in connections.items()}
        for number, ping, read, taken in zip(
            *(self.record.heartbeats[name] for name in ("connection", "ping", "read", "taken")), strict=True
        ):
            known = connections.get(number)
            before, answered[number] = answered.get(number, MISSING), taken
            waited: Waited = defaultdict(float)
            if before:  # it was due one interval after the last answer
                self._up_to(before + interval_ns, ping, 0, waited)
            is_lost = not taken and known is not None and known.reason == TIMED_OUT
            end = taken or (known.closed_ns if known is not None and is_lost else MISSING)
            if end:
                busy_ns = self._receive_loop_up_to(number, read or ping, end, waited)
                self._up_to(ping, end, busy_ns, waited)
            self._heartbeat(waited, is_lost=is_lost)

    def _heartbeat(self, waited: Waited, *, is_lost: bool) -> None:
        waited_ns = sum(waited.values())
        if waited_ns < HEARTBEAT_NS:
            return
        row = self.waits.rows[HEARTBEATS]
        row.events += 1
        row.seconds += waited_ns / NS_PER_S
        row.longest_s = max(row.longest_s, waited_ns / NS_PER_S)
        for (place, cause), ns in waited.items():
            self.waits.seconds[HEARTBEATS, place, cause] += ns / NS_PER_S
        if is_lost:
            place, cause = max(waited, key=lambda key: waited[key])
            self.waits.held[place.kind, place.name, cause].lost += 1

    def _up_to(self, begin: int, end: int, known_ns: int, waited: Waited) -> None:
        """Add what held everybody up until that instant without a break; so much of it is known already."""
        since = _unbroken(self.holds_begin, self.holds_until, begin, end)
        most_ns = end - since - known_ns
        if most_ns < LEAST_NS:
            return
        found = self._found(UNKNOWN, since, end)
        scale = min(1.0, most_ns / max(1.0, sum(ns for _, ns in found)))
        for at, ns in found:
            waited[self.place(at), int(self.slices["cause"][at])] += ns * scale

    def _receive_loop_up_to(self, connection: int, begin: int, end: int, waited: Waited) -> int:
        """Add the events of the same client that kept its receive loop busy until that instant; so long was that."""
        rows = [row for row in self.before.get(connection, ()) if self.events["dispatched"][row] < end]
        began = self.events["dispatched"][rows]
        free = self.events["loop_free"][rows]
        ended = np.where(free == MISSING, self.record.taken_ns, free)
        first = _unbroken(began, _until(ended), begin, end)
        busy_ns = 0
        for row, overlap_ns in zip(rows, (np.minimum(ended, end) - np.maximum(began, first)).tolist(), strict=True):
            if overlap_ns > 0:
                busy_ns += overlap_ns
                for place, cause, part_ns in self._holding(row, overlap_ns):
                    waited[place, cause] += part_ns
        return busy_ns

    def _hold(self, name: str, other: int, ns: int) -> None:
        """Blame the lines at which another event's handler was seen while it held the receive loop."""
        for place, cause, part_ns in self._holding(other, ns):
            self.waits.seconds[name, place, cause] += part_ns / NS_PER_S

    def _holding(self, other: int, ns: int) -> list[tuple[Place, int, float]]:
        """Those lines, and the cause, each with its part of so long a time."""
        number, by = int(self.events["number"][other]), self.record.names[self.events["name"][other]]
        seen = [(at, RECEIVE_LOOP) for at in self.of_event.get(number, ()) if self.slices["waiter"][at] == UNKNOWN]
        # It stood at a lock itself: then who held that one is to blame.
        seen += [(at, int(self.slices["cause"][at])) for at in self.of_waiter.get(number, ())]
        total_ns = sum(int(self.slices["held_ns"][at]) for at, _ in seen)
        held = self.waits.held[EVENT, by, RECEIVE_LOOP]
        held.longest_s = max(held.longest_s, ns / NS_PER_S)
        if not total_ns:
            return [(self.of_name.get((EVENT, by, RECEIVE_LOOP)) or Place(EVENT, by), RECEIVE_LOOP, float(ns))]
        return [(self.place(at), cause, ns * int(self.slices["held_ns"][at]) / max(1, total_ns)) for at, cause in seen]


def _unbroken(begins: Ints, until: Ints, least: int, end: int) -> int:
    """Since when spans follow one another up to an instant; not before `least`.

    Args:
        begins: of the spans, in order.
        until: the latest end of each span and of all before it.
        least, end: see above.
    """
    since = end
    for at in range(int(np.searchsorted(begins, end)) - 1, -1, -1):
        if since <= least or until[at] < since - _GAP_NS:
            break
        since = min(since, int(begins[at]))
    return min(max(since, least), end)


def _until(ends: Ints) -> Ints:
    return np.maximum.accumulate(ends) if len(ends) else ends


def _array(column: Any) -> Ints:
    return np.frombuffer(column, np.int64) if len(column) else np.zeros(0, np.int64)


def _grouped(column: Ints) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for at, number in enumerate(column.tolist()):
        if number != UNKNOWN:
            groups[number].append(at)
    return groups
