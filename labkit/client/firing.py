"""One plan being fired, open loop: during the burst it only sends, stamps and keeps.

Open loop: an event is sent when its intended start comes, whether or not earlier ones were answered (Schroeder,
Wierman and Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006). Packets are encoded before the burst
and decoded after it. Timers are finer than the whole milliseconds of asyncio's epoll (:mod:`labkit.client.connection`).
Nothing spins: on two cores, a client that spins slows the server down.
"""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S, now_ns, process_cpu_ns
from labkit.base.collector import collector_frozen
from labkit.base.event_loop import Loop
from labkit.client import matching, packets
from labkit.client.connection import ping_of
from labkit.client.inbox import Inbox
from labkit.client.listening import Listening
from labkit.plan.exchange import BY_EVENT, OWN_ID, USUAL, Exchange
from labkit.plan.payloads import arguments
from labkit.runs import heartbeats
from labkit.runs.fired import Fired

Int64 = NDArray[np.int64]

#: After the last answer: time in which duplicates and strays may still come.
GRACE_MS = 60

#: Only when nothing has come for so long is there time to decode.
QUIET_S = 0.02

#: The same where several processes share a plan: answers to the other processes' events may still stray to this one.
QUIET_SHARED_S = 0.3


@dataclass(frozen=True)
class Job:
    """What to fire, all of it decided beforehand.

    Attributes:
        intended_ns: when each event is due: offsets from the start, sorted.
        connection: on which sender's connection each goes out.
        payloads: what each carries.
        expected: what each must be answered; None where that is not known.
        ping_ns: offsets of the bystander's pings.
        ping_event: the event that the bystander sends; empty for a ping frame of its websocket (RFC 6455, 5.5.2).
        timeout_ns: an answer later than this after its intended start is late.
        watch_pid: the process whose threads and memory are sampled; None for none.
        watch_ns: the time between two samples.
        lead_ns: the time from the order to the start.
        acknowledge: ask for an acknowledgement of every event.
        exchange: how events are asked and answered; its answer is settled.
        reads_from_ns: the senders read nothing before this offset from the start; 0 where they always read.
        share: (k, n): this process is the k-th of n, and sends what the senders k, k + n, k + 2n, ... send.
        ping_arguments: what the bystander's event carries.
        names: of each event its own name, in a replay; where empty, all have the exchange's.
        asks: of each event whether it asks for an acknowledgement, whatever answers it; where empty, none does.
    """

    intended_ns: Int64
    connection: Int64
    payloads: list[Any]
    expected: list[Any] | None
    ping_ns: Int64
    ping_event: str
    timeout_ns: int
    watch_pid: int | None = None
    watch_ns: int = 20 * NS_PER_MS
    lead_ns: int = 50 * NS_PER_MS
    acknowledge: bool = False
    exchange: Exchange = USUAL
    reads_from_ns: int = 0
    share: tuple[int, int] = (0, 1)
    ping_arguments: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    asks: tuple[bool, ...] = ()


class Sends(Protocol):
    """What sends a frame, and says whether it could."""

    @property
    def send(self) -> Callable[[bytes], bool]: ...


class _PingFrames:
    """A connection whose bystander sends ping frames of the websocket instead of events."""

    def __init__(self, connection: Listening) -> None:
        self.send = connection.ping


class Firing:
    """One plan being fired: everything is encoded when it is made, so that :meth:`run` only has to send."""

    def __init__(self, loop: Loop, connections: Sequence[Listening], bystander: int, job: Job) -> None:
        self.loop = loop
        self.connections = connections
        self.bystander = bystander
        self.job = job
        part, parts = job.share
        here = job.connection % parts == part
        self.mine = np.flatnonzero(here)  # the events that are sent from here
        self.local = np.where(here, job.connection // parts, -1)  # on which connection of this process; -1 elsewhere
        self.senders = [connections[c] for c in self.local[self.mine].tolist()]
        self.members = members(connections, bystander, job.exchange) if job.exchange.fan_out else ()
        self.frames = [_frame(job, i, sender.place) for i, sender in zip(self.mine.tolist(), self.senders, strict=True)]
        self.pings = _pings(job)
        self.sent_ns = np.zeros(len(job.intended_ns), np.int64)
        self.ping_sent_ns = np.zeros(len(job.ping_ns), np.int64)
        self.samples: list[tuple[int, int, int, int]] = []
        self.cut_ns = 0  # when somebody had enough of it
        self._sendings: list[asyncio.Future[None]] = []
        found = matching.of(job.exchange, job.payloads, self.local)
        self.inbox = Inbox(self.local, job.expected, bystander, len(job.ping_ns), job.exchange, self.members, found)

    def cut(self) -> None:
        """Send nothing more, and wait for the answers to what was sent. Called on the loop."""
        self.cut_ns = self.cut_ns or now_ns()
        for sending in self._sendings:
            if not sending.done():
                sending.set_result(None)

    async def run(self, start_ns: int | None = None) -> Fired:
        """Fire; `start_ns` is given where several processes start at one instant."""
        for connection in self.connections:
            connection.frames.clear()
        collections = _collections()
        with collector_frozen():
            start_ns = start_ns or now_ns() + self.job.lead_ns
            if self.job.exchange.match != OWN_ID:
                await self._begin_clean(start_ns)
            cpu_ns = process_cpu_ns()
            watching = asyncio.ensure_future(self._watch())
            try:
                await self._send(start_ns)
                await self._answers(start_ns)
            finally:
                watching.cancel()
            end_ns = now_ns()
            cpu_ns = process_cpu_ns() - cpu_ns
        self._decode()
        return self._fired(start_ns, end_ns, cpu_ns, _collections() - collections)

    async def _begin_clean(self, start_ns: int) -> None:
        """What comes before the first event is of the warm-up, and without ids it would be taken for an answer."""
        await asyncio.sleep(max(0, start_ns - now_ns()) / NS_PER_S / 2)
        for connection in self.connections:
            connection.frames.clear()

    async def _send(self, start_ns: int) -> None:
        """Send every event and every ping at its instant."""
        job = self.job
        self._stop_reading(start_ns)
        sent_ns = np.zeros(len(self.frames), np.int64)
        sending = self._send_all(start_ns, job.intended_ns[self.mine], self.senders, self.frames, sent_ns)
        if self.pings:
            own = self.connections[self.bystander]
            bystander = [own if self.job.ping_event else _PingFrames(own)] * len(self.pings)
            pinging = self._send_all(start_ns, job.ping_ns, bystander, self.pings, self.ping_sent_ns)
        if self.frames:
            await sending
        if self.pings:
            await pinging
        self.sent_ns[self.mine] = sent_ns

    def _stop_reading(self, start_ns: int) -> None:
        """Until the offset that the job names, if it names one."""
        if self.job.reads_from_ns > 0:
            for connection in set(self.senders):
                connection.stop_reading()
                self.loop.call_at((start_ns + self.job.reads_from_ns) / NS_PER_S, connection.read_on)

    def _send_all(
        self, start_ns: int, offsets_ns: Int64, connections: Sequence[Sends], frames: list[bytes], sent_ns: Int64
    ) -> "asyncio.Future[None]":
        """Send each frame at its instant; the future is done when the last one has been sent."""
        loop = self.loop
        done: asyncio.Future[None] = loop.create_future()
        due_ns = (offsets_ns + start_ns).tolist()
        count = len(due_ns)
        place = 0
        self._sendings.append(done)
        if self.cut_ns:
            done.set_result(None)

        def send_due() -> None:
            nonlocal place
            if done.done():
                return
            try:
                while place < count and due_ns[place] <= now_ns():
                    at_ns = now_ns()  # before the write: what the write takes is part of the way
                    if connections[place].send(frames[place]):
                        sent_ns[place] = at_ns
                    elif all(c.closed_ns for c in self.connections):  # nobody is left who could send or be answered
                        place = count
                        break
                    place += 1
            except Exception as error:  # noqa: BLE001 (raised where the future is awaited)
                done.set_exception(error)
                return
            if place < count:
                loop.call_at(due_ns[place] / NS_PER_S, send_due)
            elif not done.done():
                done.set_result(None)

        if count:
            loop.call_at(due_ns[0] / NS_PER_S, send_due)
        return done

    async def _answers(self, start_ns: int) -> None:
        """Wait until all is answered, and a little longer for strays; never longer than the time limit."""
        job = self.job
        due = (job.intended_ns, job.ping_ns)
        if self.cut_ns:
            due = (job.intended_ns[self.sent_ns > 0], job.ping_ns[self.ping_sent_ns > 0])
        last_ns = max([0, *due[0][-1:].tolist(), *due[1][-1:].tolist()])
        limit_ns = start_ns + last_ns + job.timeout_ns
        seen = -1
        while now_ns() < limit_ns:
            count = len(self.inbox) + sum(len(c.frames) for c in self.connections)
            if count == seen:
                # Nothing has come for a while: only now is there time to decode.
                self._decode()
                if self._complete():
                    break
                count = len(self.inbox)
            seen = count
            await asyncio.sleep(QUIET_S if job.share[1] == 1 else QUIET_SHARED_S)
        await asyncio.sleep(GRACE_MS / 1000)

    def _complete(self) -> bool:
        closed = np.array([c.closed_ns > 0 for c in self.connections])
        waiting = (self.sent_ns > 0) & ~self.inbox.answered & self.job.exchange.is_matched
        if not self.job.exchange.is_matched and self.job.exchange.answer == BY_EVENT:
            waiting |= len(self.inbox) < np.count_nonzero(self.sent_ns)  # so many are counted
        if closed.any():
            waiting[self.mine] &= ~closed[self.local[self.mine]]
        if self.members:  # of events that others send, nobody here knows whether they were
            open_members = ~closed[list(self.members)]
            awaited = (self.sent_ns > 0) | (self.local < 0)
            waiting |= awaited & ~self.inbox.reached[:, open_members].all(axis=1)
        pings_wait = bool(np.any((self.ping_sent_ns > 0) & (self.inbox.acked_ns == 0)))
        if self.bystander >= 0 and closed[self.bystander]:
            pings_wait = False
        return not (bool(waiting.any()) or pings_wait)

    def _decode(self) -> None:
        for number, connection in enumerate(self.connections):
            self.inbox.take(number, connection.heard())

    async def _watch(self) -> None:
        """Sample threads and memory of the server's process from here, where sampling does not take its GIL."""
        if self.job.watch_pid is None:
            return
        try:
            process = psutil.Process(self.job.watch_pid)
            while True:
                with process.oneshot():
                    cpu = process.cpu_times()
                    self.samples.append(
                        (
                            now_ns(),
                            process.num_threads(),
                            process.memory_info().rss,
                            round((cpu.user + cpu.system) * NS_PER_S),
                        )
                    )
                await asyncio.sleep(self.job.watch_ns / NS_PER_S)
        except psutil.Error:
            return  # gone, or not ours to look at: then there are no samples

    def _fired(self, start_ns: int, end_ns: int, cpu_ns: int, collections: int) -> Fired:
        columns, messages = self.inbox.ordered()
        return Fired(
            start_ns=start_ns,
            end_ns=end_ns,
            sent_ns=self.sent_ns,
            delivery_event=columns["event"],
            delivery_connection=columns["connection"],
            delivery_ns=columns["at"],
            delivery_status=columns["status"],
            work_start_ns=columns["work_start"],
            work_end_ns=columns["work_end"],
            work_cpu_ns=columns["work_cpu"],
            messages=messages,
            ping_sent_ns=self.ping_sent_ns,
            ping_acked_ns=self.inbox.acked_ns,
            closed_ns=np.array([c.closed_ns for c in self.connections], np.int64),
            samples=np.array(self.samples, np.int64).reshape(-1, 4),
            cpu_ns=cpu_ns,
            collections=collections,
            heartbeats=heartbeats.observed(
                self.connections[0].told_ns if self.connections else (0, 0),
                [c.beats_ns for c in self.connections],
                [c.closed_ns or end_ns for c in self.connections],
            ),
            rounded=self.inbox.rounded,
            closings=tuple(c.closing for c in self.connections),
            cut_ns=self.cut_ns,
            acked_ns=self.inbox.event_acked_ns if self.job.acknowledge or self.job.asks else np.zeros(0, np.int64),
        )


def members(connections: Sequence[Listening], bystander: int, exchange: Exchange) -> tuple[int, ...]:
    """The connections to which a fan-out goes: all of the namespace; the bystander's may be in another."""
    is_elsewhere = exchange.namespace != exchange.bystander_namespace
    return tuple(n for n in range(len(connections)) if n != bystander or not is_elsewhere)


def _frame(job: Job, number: int, place: bytes) -> bytes:
    """One event, as the lab's own handlers want it, or as it was given; `place` is its sender's namespace."""
    exchange, payload = job.exchange, job.payloads[number]
    asks = job.acknowledge or exchange.by_ack or (bool(job.asks) and job.asks[number])
    if exchange.match == OWN_ID:
        return packets.event(number, payload, exchange.event, acknowledge=asks, place=place)
    name = job.names[number] if job.names else exchange.event
    return packets.message([name, *arguments(payload)], number if asks else None, place)


def _pings(job: Job) -> list[bytes]:
    """What the bystander sends, one after the other."""
    if not job.ping_event:
        return [ping_of(number) for number in range(len(job.ping_ns))]
    place = packets.where(job.exchange.bystander_namespace)
    return [packets.ping(number, job.ping_event, job.ping_arguments, place) for number in range(len(job.ping_ns))]


def _collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())
