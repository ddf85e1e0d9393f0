"""Who waits for somebody who does not compute: for a lock, a pool, a receive loop, an event loop, a client.

Looked at now and then, and told from what stands still: a handler whose thread has used no CPU time since the last
look, messages in a connection's inbox, packets that a client does not take.
"""

import os
from collections.abc import Iterator
from types import FrameType
from typing import Any

from labkit.base.clock import NS_PER_MS, cpu_ns_of
from labkit.inside import locks
from labkit.inside.connections import Live
from labkit.inside.hooking import Hooking
from labkit.inside.places import LIBRARY, ROUTE, TASK, Place, Places, Stand
from labkit.inside.record import UNKNOWN
from labkit.inside.seeing import HANDLER_END, HANDLER_START, PILED, THREAD, Event, Seeing
from labkit.inside.slices import Slices
from labkit.inside.watched import CLIENT, LOCK, LOOP, POOL, RECEIVE_LOOP

#: Who waits for less is not looked at.
WAIT_NS = 10 * NS_PER_MS

#: A client that has packets waiting and takes none for so long does not read.
SILENT_NS = 250 * NS_PER_MS

#: So many connections are looked at, at once; the next look begins where this one ended.
CONNECTIONS_AT_ONCE = 256

Frames = dict[int, FrameType]

#: Where gevent, and asyncio, wait for something to do.
_HUB, _ASYNCIO_LOOP = os.path.join("gevent", "hub.py"), os.path.join("asyncio", "base_events.py")


class Waiting:
    """Looks at who waits.

    Args:
        seeing: the events and connections.
        hooks: of the servers.
        places: reads stacks.
        slices: where what is seen goes.
    """

    def __init__(self, seeing: Seeing, hooks: list[Hooking], places: Places, slices: Slices) -> None:
        self._seeing, self._hooks, self._places, self._slices = seeing, hooks, places, slices
        self._looked_ns = 0
        self._handling: list[tuple[Any, Event]] = []
        self._cpu: dict[int, int | None] = {}  # of handlers' threads at the last look, by native id
        self._running: dict[
            int, tuple[tuple[int, int, int], int]
        ] = {}  # on each event loop at the last look, and since when
        self._hubs: set[int] = set()  # threads that were seen in gevent's hub
        self._silent: dict[int, tuple[int, int]] = {}  # by connection: packets written, and since when no more
        self._from = 0

    def look(self, now: int, frames: Frames, natives: dict[int, int], *, late: bool, computing: bool) -> None:
        """Look once.

        Args:
            now: the time.
            frames: the innermost frame of every thread, by its identifier.
            natives: the operating system's number of threads, by the same.
            late: whether this look came late.
            computing: whether that was since somebody had the GIL: then the event loop is not looked at.
        """
        began = max(self._looked_ns, now - 20 * WAIT_NS) or now
        self._looked_ns = now
        threads = {native: ident for ident, native in natives.items()}
        self._handling = [pair for hooks in self._hooks for pair in hooks.handling()]
        chains = self._handlers(began, now, frames, threads)
        for hooks in self._hooks:
            if not hooks.server.async_handlers:
                self._receive_loops(began, now, frames, threads, chains)
                break
        self._clients(began, now)
        if any(not hooks.cpu for hooks in self._hooks):
            self._loop(began, now, frames, late=late, computing=computing)

    # A lock, a pool

    def _handlers(self, began: int, now: int, frames: Frames, threads: dict[int, int]) -> dict[int, tuple[Place, int]]:
        """Handlers that stand still: for whom they wait, by the event's number."""
        row = self._seeing.events.data
        cpu, self._cpu = self._cpu, {}
        found: dict[int, tuple[Place, int]] = {}
        for who, event in self._handling:
            at = event.at
            if row[at] != event.number or row[at + HANDLER_END] or now - row[at + HANDLER_START] < WAIT_NS:
                continue
            native = row[at + THREAD]
            frame = self._frame(who, event, frames, threads)
            if frame is None:
                continue
            if getattr(who, "gr_frame", None) is None:  # a green thread that is set aside stands still
                spent = self._cpu[native] = cpu_ns_of(native)
                if spent is not None and cpu.get(native) != spent:
                    continue
            blamed = self._awaited(event, frame, frames)
            if blamed is not None:
                place, cause, number, stack = blamed
                found[event.number] = place, cause
                since = max(began, row[at + HANDLER_START])
                self._slices.add(since, now, place, cause, now - since, event=number, waiter=event.number, frame=stack)
        return found

    def _awaited(
        self, event: Event, frame: FrameType, frames: Frames
    ) -> tuple[Place, int, int, FrameType | None] | None:
        lock = locks.awaited(frame)
        if lock is not None:
            here = self._places.read(frame).place
            others = ((who, other) for who, other in self._stacks(frames) if other is not frame)
            held = locks.holder(lock, others, self._places.is_own)
            if held is None:
                return Place(LIBRARY, "a lock of unknown holder", at=here.where), LOCK, UNKNOWN, frame
            stand = self._places.read(held[1])
            return _at(stand.place, here.where), LOCK, _number(stand), held[1]
        if _waits_for_a_future(frame):
            worker = worker_of_a_full_pool(frames)
            if worker is not None:
                stand = self._places.read(worker)
                return _at(stand.place, self._places.read(frame).place.where), POOL, _number(stand), worker
        return None

    def _frame(self, who: Any, event: Event, frames: Frames, threads: dict[int, int]) -> FrameType | None:
        """The innermost frame of a handler that runs; None of one whose place can't be seen."""
        frame: FrameType | None = getattr(who, "gr_frame", None)
        if frame is not None:
            return frame
        row, at = self._seeing.events.data, event.at
        ident = threads.get(row[at + THREAD])
        return None if ident is None else frames.get(ident)

    def _stacks(self, frames: Frames) -> Iterator[tuple[Any, FrameType]]:
        yield from frames.items()
        for who, _ in self._handling:
            frame = getattr(who, "gr_frame", None)
            if frame is not None:
                yield who, frame

    # The receive loop of a client whose events are handled in turn

    def _receive_loops(
        self,
        began: int,
        now: int,
        frames: Frames,
        threads: dict[int, int],
        chains: dict[int, tuple[Place, int]],
    ) -> None:
        of = {event.number: who for who, event in self._handling}
        for connection in self._some():
            event, buffer = connection.event, connection.buffer
            if event is None or buffer is None:
                continue
            try:
                oldest = buffer.arrivals[0]
            except (IndexError, TypeError):  # none waits, or it stamps no more
                continue
            if now - oldest < WAIT_NS or event.number in chains:
                continue
            frame = self._frame(of.get(event.number), event, frames, threads)
            if frame is not None:
                stand = self._places.read(frame)
                since = max(began, oldest)
                self._slices.add(
                    *(since, now, stand.place, RECEIVE_LOOP, now - since),
                    event=event.number,
                    connection=connection.number,
                    frame=frame,
                )

    def _some(self) -> list[Live]:
        """Some of the connections, in turn."""
        live = list(self._seeing.connections.live.values())
        if len(live) <= CONNECTIONS_AT_ONCE:
            return live
        first = self._from % len(live)
        self._from = first + CONNECTIONS_AT_ONCE
        return (live + live)[first : first + CONNECTIONS_AT_ONCE]

    # A client that does not read

    def _clients(self, began: int, now: int) -> None:
        piled = self._seeing.piled
        if not piled:
            return
        for number, (connection, place) in list(piled.items()):
            written, since = self._silent.get(number, (UNKNOWN, now))
            if connection.closed_ns or connection.queued - connection.written < PILED:
                piled.pop(number, None)
                self._silent.pop(number, None)
            elif written != connection.written:
                self._silent[number] = connection.written, now
            elif now - since >= SILENT_NS:
                begin = since if began - since < SILENT_NS else began
                self._slices.add(begin, now, place, CLIENT, now - begin, connection=number)

    # An event loop, or gevent's hub, that does not compute and does not turn

    def _loop(self, began: int, now: int, frames: Frames, *, late: bool, computing: bool) -> None:
        before, self._running = self._running, {}
        for ident, frame in frames.items():
            if frame.f_code.co_filename.endswith(_HUB):
                self._hubs.add(ident)
                continue
            if _is_idle(frame):
                continue
            stand = self._places.read(frame)
            if stand.event is None and not (
                stand.place.kind in (TASK, ROUTE) and (stand.on_loop or ident in self._hubs)
            ):
                continue
            # Of one that turns the loop now and then, something moves: the place within the function, at least.
            running, since = (_number(stand), id(frame), frame.f_lasti), now
            known, known_since = before.get(ident, (None, now))
            is_same = known is not None and known[0] == running[0]
            if stand.event is None or late:
                is_same = known == running
            if is_same and not computing:
                since = known_since
                begin = since if began - since < 2 * WAIT_NS else began
                self._slices.add(begin, now, stand.place, LOOP, now - begin, event=_number(stand), frame=frame)
            self._running[ident] = running, since


def _at(place: Place, where: str) -> Place:
    from dataclasses import replace

    return replace(place, at=where)


def _number(stand: Stand) -> int:
    return UNKNOWN if stand.event is None else stand.event.number


def _is_idle(frame: FrameType) -> bool:
    """Whether a thread stands where an event loop of asyncio's waits for something to do."""
    # Others wait there too: a task that runs a program and waits for its output.
    outer = frame.f_back
    return frame.f_code.co_filename.endswith("selectors.py") and (
        outer is None or outer.f_code.co_filename.endswith(_ASYNCIO_LOOP)
    )


def _waits_for_a_future(frame: FrameType | None) -> bool:
    for _ in range(8):
        if frame is None:
            return False
        if frame.f_code.co_filename.endswith("concurrent/futures/_base.py"):
            return True
        frame = frame.f_back
    return False


def worker_of_a_full_pool(frames: Frames) -> FrameType | None:
    """A thread of a pool of which tasks wait, with something to do; None where no pool is full.

    Args:
        frames: the innermost frame of every thread, by its identifier.
    """
    import sys

    pools = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", None) or {}
    for thread, queue in list(pools.items()):
        frame = frames.get(thread.ident or 0)
        # A pool that is shut down leaves a word to its workers in the queue, and another thread may have the
        # identifier of one that has ended.
        if not thread.is_alive() or not queue.qsize() or frame is None:
            continue
        if not frame.f_code.co_filename.endswith("futures/thread.py"):  # there stands a worker with nothing to do
            return frame
    return None
