"""One plan fired closed loop: each connection sends its next event when the last one was answered.

For comparison only: it shows what a client does not see that waits for its answers.
"""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_S, now_ns
from labkit.base.event_loop import Loop
from labkit.client import packets
from labkit.client.firing import Job
from labkit.client.listening import Listening

Int64 = NDArray[np.int64]


class _NextFrame(list[tuple[int, bytes]]):
    """In place of a connection's list of frames: wakes who waits for the next one, and keeps none."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self.loop = loop
        self.next: asyncio.Future[int] = loop.create_future()

    def append(self, item: tuple[int, bytes]) -> None:
        if not self.next.done():
            self.next.set_result(item[0])


async def run(loop: Loop, connections: Sequence[Listening], job: Job) -> tuple[Int64, Int64, Int64]:
    """Fire the plan, and wait for its answers until the time limit.

    Returns:
        When each event that was answered in time was due, sent and answered, in ns on the common clock.
    """
    start_ns = now_ns() + job.lead_ns
    due_ns = job.intended_ns + start_ns
    sent_ns, answered_ns = np.zeros_like(due_ns), np.zeros_like(due_ns)

    async def in_turn(number: int, connection: Listening) -> None:
        frames = connection.frames = _NextFrame(loop)
        for event in np.flatnonzero(job.connection == number).tolist():
            await asyncio.sleep((int(due_ns[event]) - now_ns()) / NS_PER_S)
            frames.next = loop.create_future()
            sent_ns[event] = now_ns()
            connection.send(packets.event(event, job.payloads[event]))
            answered_ns[event] = await frames.next

    limit_s = (int(job.intended_ns[-1]) + job.lead_ns + job.timeout_ns) / NS_PER_S
    turns = [asyncio.ensure_future(in_turn(number, c)) for number, c in enumerate(connections)]
    _, late = await asyncio.wait(turns, timeout=limit_s)
    for turn in late:
        turn.cancel()
    for connection in connections:
        connection.frames = []
    seen = answered_ns > 0
    return due_ns[seen], sent_ns[seen], answered_ns[seen]
