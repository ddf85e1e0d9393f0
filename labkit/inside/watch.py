"""Who makes whom wait: a probe inside the process, which looks around only while somebody waits.

The probe is a thread that sleeps for a few milliseconds and then wants the GIL, as every thread does that has something
to do. Where it gets the GIL late, it asks the operating system how much of that it was ready without a core ("no free
core"); for the rest, somebody held the GIL. Who: the threads whose CPU clocks went on meanwhile. Where: the frame in
which each of them stands now.

**What that cannot tell.** The GIL cannot be asked while C code holds it, so the frame is that of the instant at which
it was let go. CPython lets go after the call that took long, before the next instruction: so the line is the one that
calls. An operator that takes long (``a ** b`` of large integers) lets go only at the next call or jump: the line may be
one or two further on. A thread that computes without the GIL (numpy, hashing) while another one holds it has a share in
the blame, since both clocks go on. A thread that had ended before the probe had the GIL is named where it ran a
handler; else it is "a thread that has ended". And work in pieces shorter than some 5 ms is seen by luck, in proportion
to the time that it takes, as by any sampling.

On other systems than Linux the CPU clocks of threads and the queue for a core aren't known here: then only handlers
that stand still, inboxes and clients are told.
"""

import atexit
import gc
import os
import sys
import threading
import weakref
from collections import deque
from types import FrameType
from typing import Any

from labkit.base import clock
from labkit.base.clock import NS_PER_MS, NS_PER_S, cpu_ns_of, now_ns
from labkit.base.real_threads import RealThread, original
from labkit.inside.core_queue import CoreQueue, has_schedstat
from labkit.inside.hooking import Hooking
from labkit.inside.places import EVENT, MACHINE, UNNAMED, Place, Places
from labkit.inside.record import UNKNOWN
from labkit.inside.seeing import HANDLER_END, THREAD, Seeing, log
from labkit.inside.slices import Slices
from labkit.inside.stacks import current_frames
from labkit.inside.waiting import Frames, Waiting
from labkit.inside.watched import CORE, GC, GIL, Watched

#: The probe wakes so often, unless that would cost more than `COST` of a core: where many threads compute, it
#: sleeps longer, up to the second of these (with thousands of threads, of which each has a clock to read).
INTERVAL_NS, LONGEST_NS = 8 * NS_PER_MS, NS_PER_S
COST = 0.01

#: It was late if it got the GIL later than this: a sleep ends so much later by itself.
LATE_NS = NS_PER_MS

#: So often it looks at who stands still, and reads all clocks although nobody waits.
LOOK_NS, SWEEP_NS = 20 * NS_PER_MS, 100 * NS_PER_MS

#: So long after it was late it also looks at who computes while it is not.
EPISODE_NS = 50 * NS_PER_MS

#: A collection of garbage that is shorter is nobody's business.
COLLECTION_NS = NS_PER_MS

#: A thread that computed for less, or for less than a tenth of all, is not asked where it stands.
LEAST_NS = NS_PER_MS // 5

#: So many threads are named at once, those that computed most.
_NAMED = 8
_STILL_KEPT = 8_192

#: Where threads wait for something to do.
_IDLE = ("threading.py", "selectors.py", "socket.py", "queue.py", "hub.py", os.path.join("futures", "thread.py"))


class Watch:
    """Watches one process's threads, for the servers that some hooks look into.

    Args:
        seeing: what the hooks see.
        hooks: of the servers; more may come.
    """

    def __init__(self, seeing: Seeing, hooks: list[Hooking]) -> None:
        self.seeing = seeing
        self._hooks = hooks
        self.places = Places(seeing)
        self.slices = Slices(self.places)
        self._waiting = Waiting(seeing, hooks, self.places, self.slices)
        self._thread: RealThread | None = None
        self._main: tuple[int, int] | None = None
        self._stopped = False
        self._clocks: dict[int, int] = {}
        self._process_ns = self._read_ns = self._looked_ns = 0
        self._gil_was_held = False  # when it was late the last time
        self._episode_ns = 0  # until then somebody who computes is looked at, since the probe was late before
        self._last_place: dict[str, Place] = {}
        self._collections: deque[tuple[int, int, int, Place]] = deque(maxlen=256)
        self._collection_ns = self._collection_cpu_ns = 0
        self.still_ns: dict[int, int] = {}
        self.wakes = self.cost_ns = 0
        self.started_ns = now_ns()
        self.failed = ""

    def start(self) -> None:
        """Begin to watch."""
        self._stopped = False
        self.seeing.ended = deque(maxlen=256)
        self.seeing.on_pile = self._pile
        if self._collected not in gc.callbacks:
            gc.callbacks.append(self._collected)
        ident, native = original("_thread", "get_ident")(), threading.get_native_id()
        # Under gevent, Python's own threads are greenlets, and it does not know the number of the main one.
        self._main = (ident, native) if native == os.getpid() else None
        _all.add(self)
        self._begin()

    def stop(self) -> None:
        """End; what was seen can still be asked for."""
        self._stopped = True
        self.seeing.ended = self.seeing.on_pile = None
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
        _all.discard(self)
        if self._thread is not None:
            self._thread.join(5)

    def told(self) -> Watched:
        """What was seen so far, as a snapshot."""
        slices, seen = self.slices.ring.snapshot()
        unseen = []
        if cpu_ns_of(threading.get_native_id()) is None:
            unseen.append("held the GIL: this system does not tell the CPU time of another thread")
        if not has_schedstat():
            unseen.append("no free core: this system does not tell for how long a thread was ready without one")
        if any(hooks.server.is_asyncio_based() for hooks in self._hooks):
            unseen.append("held a lock: of asyncio's locks nobody can see who holds them")
        return Watched(
            slices=slices,
            places=tuple(self.places.met),
            totals=self.slices.totals(),
            worst=self.slices.worst(),
            still_ns={str(number): still for number, still in list(self.still_ns.items())},
            slices_seen=seen,
            wakes=self.wakes,
            cost_ns=self.cost_ns,
            started_ns=self.started_ns,
            taken_ns=now_ns(),
            unseen=tuple(unseen),
            failed=self.failed,
        )

    def _begin(self) -> None:
        self._thread = RealThread(self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with CoreQueue() as queue:
                self._probe(queue)
        except Exception as error:  # noqa: BLE001 (whatever a watch raises is no business of the app)
            self.failed = repr(error)
            log.exception("labkit's watch failed and ends; the app goes on without it")

    def _probe(self, queue: CoreQueue) -> None:
        sleep = original("time", "sleep")
        self._ident = original("_thread", "get_ident")()
        self._process_ns = clock.process_cpu_ns()
        interval_ns, began_ns, queue_ns = INTERVAL_NS, clock.thread_cpu_ns(), queue.ready_ns()
        usual_ns = 0.0
        while not self._stopped:
            due = now_ns() + interval_ns
            sleep(interval_ns / NS_PER_S)
            woke = now_ns()
            self.wakes += 1
            late = woke - due > LATE_NS
            # In a crowd of threads the probe may get the GIL at once, and others wait all the same.
            if late or (woke < self._episode_ns and self._somebody_computes(woke)):
                queue_ns = self._late(due, woke, queue, queue_ns)
            elif woke - self._read_ns > SWEEP_NS:
                self._spent(dict.fromkeys(current_frames()))
                queue_ns = queue.ready_ns()
            if woke - self._looked_ns >= LOOK_NS:
                self._look(woke, late, computing=late and self._gil_was_held)
            cost_ns = clock.thread_cpu_ns() - began_ns
            # Of the last wakes: the first ones read sources, and are no measure of the others.
            usual_ns += (min(cost_ns - self.cost_ns, LONGEST_NS * COST) - usual_ns) / 16
            self.cost_ns = cost_ns
            interval_ns = min(max(INTERVAL_NS, round(usual_ns / COST)), LONGEST_NS)

    def _look(self, now: int, late: bool, *, computing: bool) -> None:
        self._looked_ns = now
        if self.seeing.piled or any(hooks.handling() or not hooks.cpu for hooks in self._hooks):
            frames = current_frames()
            frames.pop(self._ident, None)
            self._waiting.look(now, frames, self._natives(frames), late=late, computing=computing)

    # Late

    def _somebody_computes(self, now: int) -> bool:
        spent_ns = clock.process_cpu_ns() - self._process_ns
        return spent_ns > NS_PER_MS and spent_ns * 3 > now - self._read_ns

    def _late(self, due: int, woke: int, queue: CoreQueue, queue_before_ns: int) -> int:
        """It got the GIL late: who had it? The counter of its queue for a core, for the next time."""
        again = woke < self._episode_ns
        read_ns = self._read_ns
        frames: Frames = current_frames()
        frames.pop(self._ident, None)
        spent, others_ns = self._spent(frames)
        named, ended_ns = self._named(spent, frames, read_ns)
        others_ns = max(0, others_ns - ended_ns)
        total_ns = sum(cpu_ns for *_, cpu_ns in named) + others_ns
        # Who wants the GIL while the probe still sleeps waits too: from the last reading on, where it was late then
        # already; else for as long as the threads computed.
        begin = read_ns if again else max(read_ns, min(due, woke - total_ns))
        self._stand_still(spent, woke - begin)
        del frames
        # This gives the GIL up for a moment, so all stacks are read before.
        queue_ns = queue.ready_ns()
        core_ns = min(queue_ns - queue_before_ns, woke - due)
        gil_ns = woke - due - core_ns
        self._gil_was_held = gil_ns > LATE_NS
        collected_ns = self._add_collections(begin, woke)
        if total_ns > 0 and (gil_ns > LATE_NS or again):
            self._episode_ns = max(self._episode_ns, woke + EPISODE_NS if gil_ns > LATE_NS else 0)
            busy_ns = max(0, min(woke - begin - core_ns, max(gil_ns, total_ns)) - collected_ns)
            for place, event, frame, cpu_ns in named:
                self.slices.add(
                    *(begin, woke, place, GIL, busy_ns * cpu_ns // total_ns),
                    cpu_ns=cpu_ns,
                    event=event,
                    frame=frame,
                )
            if others_ns * 10 > total_ns:
                self.slices.add(begin, woke, UNNAMED, GIL, busy_ns * others_ns // total_ns, cpu_ns=others_ns)
        if core_ns > LATE_NS:
            self.slices.add(due, woke, MACHINE, CORE, core_ns)
        return queue_ns

    def _spent(self, frames: dict[int, Any]) -> tuple[list[tuple[int, int, int]], int]:
        """CPU time since the last reading: (identifier, native id, ns) of threads, and of others together."""
        before, first = self._clocks, not self._clocks
        clocks, spent, known_ns = {}, [], 0
        for ident, native in self._natives(frames).items():
            cpu_ns = cpu_ns_of(native)
            if cpu_ns is not None:
                clocks[native] = cpu_ns
                # One that was not there at the last reading has spent all that it has since.
                gained = cpu_ns - before.get(native, cpu_ns if first else 0)
                known_ns += gained
                if ident != self._ident:
                    spent.append((ident, native, gained))
        mine = threading.get_native_id()
        own_ns = clocks[mine] = clock.thread_cpu_ns()
        process_ns = clock.process_cpu_ns()
        rest_ns = max(0, process_ns - self._process_ns - known_ns - (own_ns - before.get(mine, own_ns)))
        self._clocks, self._process_ns, self._read_ns = clocks, process_ns, now_ns()
        mapped = {self._ident, *(ident for ident, *_ in spent)}
        unmapped = [ident for ident, frame in frames.items() if ident not in mapped and not _is_idle(frame)]
        if unmapped:  # threads of which Python does not know the number, such as gevent's
            spent.extend((ident, UNKNOWN, rest_ns // len(unmapped)) for ident in unmapped)
            rest_ns = 0
        return spent, 0 if first else rest_ns

    def _natives(self, frames: dict[int, Any]) -> dict[int, int]:
        """The operating system's numbers of threads, by Python's; of those that Python knows."""
        active, told = threading._active, {}  # type: ignore[attr-defined]
        for ident in frames:
            native = getattr(active.get(ident), "native_id", None)
            if native is not None:
                told[ident] = native
        if self._main is not None and self._main[0] in frames:
            told[self._main[0]] = self._main[1]
        return told

    def _named(
        self, spent: list[tuple[int, int, int]], frames: Frames, begin: int
    ) -> tuple[list[tuple[Place, int, FrameType | None, int]], int]:
        """The threads that computed most: where each stands, whose event it handles, and its CPU time.

        Handlers whose threads have ended are among them; beside them, the CPU time of these.
        """
        least = max(LEAST_NS, sum(cpu_ns for *_, cpu_ns in spent) // 10)
        most = sorted((each for each in spent if each[2] >= least), key=lambda each: -each[2])[:_NAMED]
        ended = self._ended(begin)
        named: list[tuple[Place, int, FrameType | None, int]] = []
        for ident, native, cpu_ns in most:
            stand = self.places.read(frames[ident])
            place, number = stand.place, UNKNOWN
            if stand.event is not None:
                number = stand.event.number
                self._last_place[place.name] = place
            elif native in ended:  # its handler has ended since: the line is where it was seen before
                number, place, _ = ended.pop(native)
            named.append((place, number, frames[ident], cpu_ns))
        alive = {native for _, native, _ in spent}
        gone = [(place, number, None, cpu) for native, (number, place, cpu) in ended.items() if native not in alive]
        if len(self._last_place) > 512:
            self._last_place.clear()
        return [*named, *gone], sum(cpu_ns for *_, cpu_ns in gone)

    def _ended(self, begin: int) -> dict[int, tuple[int, Place, int]]:
        """Handlers that computed and have ended since then, by their thread: event, place, CPU time."""
        row, told = self.seeing.events.data, {}
        for event, cpu_ns in list(self.seeing.ended or ()):
            at = event.at
            if row[at] == event.number and row[at + HANDLER_END] >= begin:
                name = self.places.event_name(event) or ""
                place = self._last_place.get(name) or Place(EVENT, name)
                told[row[at + THREAD]] = event.number, place, cpu_ns
        return told

    def _stand_still(self, spent: list[tuple[int, int, int]], span_ns: int) -> None:
        """Handlers whose threads did not even ask for the GIL: who waits for it wakes every switch interval."""
        still = {native for _, native, cpu_ns in spent if cpu_ns == 0}
        row = self.seeing.events.data
        for hooks in self._hooks:
            for _, event in hooks.handling():
                if row[event.at] == event.number and row[event.at + THREAD] in still:
                    self.still_ns[event.number] = self.still_ns.get(event.number, 0) + span_ns
        while len(self.still_ns) > _STILL_KEPT:
            self.still_ns.pop(next(iter(self.still_ns)), None)

    # Garbage, and clients that do not read

    def _collected(self, phase: str, about: dict[str, Any]) -> None:
        """Called by the collector, in whatever thread it runs."""
        try:
            self._note(phase)
        except Exception as error:  # noqa: BLE001 (Python would print it into the app's stderr, again and again)
            self.failed = self.failed or repr(error)
            if self._collected in gc.callbacks:
                gc.callbacks.remove(self._collected)
            log.error("labkit's hook of garbage collection failed and takes itself off; the app goes on without it")

    def _note(self, phase: str) -> None:
        if phase == "start":
            self._collection_ns, self._collection_cpu_ns = now_ns(), clock.thread_cpu_ns()
            return
        if self._collection_ns and now_ns() - self._collection_ns > COLLECTION_NS:
            place = self.places.read(sys._getframe(2)).place
            cpu_ns = clock.thread_cpu_ns() - self._collection_cpu_ns
            self._collections.append((self._collection_ns, now_ns(), cpu_ns, place))
        self._collection_ns = 0

    def _add_collections(self, begin: int, end: int) -> int:
        """Slices for the collections of this time; how much of it they took."""
        # One that has just ended, or goes on, has not been told yet: here the GIL is let go first.
        going_on = self._collection_ns
        total_ns = max(0, end - max(going_on, begin)) if going_on else 0
        while self._collections:
            began, ended, cpu_ns, place = self._collections.popleft()
            total_ns += max(0, min(ended, end) - max(began, begin))
            # It does nothing but compute: for the rest of that time, its thread had no core.
            held_ns = min(ended - began, cpu_ns + COLLECTION_NS)
            self.slices.add(began, ended, place, GC, held_ns, cpu_ns=cpu_ns)
        return total_ns

    def _pile(self, frame: FrameType) -> Place:
        """The line that sends to somebody whose packets pile up."""
        return self.places.read(frame).place


def _is_idle(frame: FrameType | None) -> bool:
    """Whether a thread stands where threads wait for something to do, as far as its file tells."""
    return frame is not None and frame.f_code.co_filename.endswith(_IDLE)


_all: "weakref.WeakSet[Watch]" = weakref.WeakSet()


def _after_fork() -> None:
    """A fork has no thread but the one that forked: it is watched anew, once somebody connects to it.

    Most forks serve nobody: the workers of a pool of processes, a program about to be started. A thread in one of these
    would only cost.
    """
    for watch in list(_all):
        watch._clocks = {}
        watch.seeing.on_connection = watch._begin


def _at_exit() -> None:
    """A probe that ran on would ask for a GIL that is being taken down."""
    for watch in list(_all):
        watch.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
