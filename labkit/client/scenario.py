"""Clients that do what a scenario says, all of them at the same time."""

import asyncio
import contextlib
from collections.abc import Sequence

from labkit.base.clock import now_ns
from labkit.base.errors import ClientError
from labkit.client import packets
from labkit.client.listening import Listening
from labkit.plan.payloads import arguments, filled
from labkit.plan.scenario import ACK, Step
from labkit.plan.visit import Visit

#: By which a scenario's events are acknowledged: beyond those of any plan and of any warm-up.
FIRST_NUMBER = 2**41


class _Heard(list[tuple[int, bytes]]):
    """In place of a connection's frames: wakes who waits for one."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def append(self, item: tuple[int, bytes]) -> None:
        super().append(item)
        self.came.set()


async def play(connections: Sequence[Listening], visit: Visit) -> None:
    """Let every client do its steps; afterwards each has its `set_up_ns`.

    Raises:
        ClientError: what a step waits for did not come in time, or the server closed the connection.
    """
    playing = [asyncio.ensure_future(_one(visit.number_of(n), each, visit)) for n, each in enumerate(connections)]
    try:
        await asyncio.gather(*playing)
    finally:
        for one in playing:
            one.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def _one(client: int, connection: Listening, visit: Visit) -> None:
    heard = connection.frames = _Heard()
    try:
        for number, step in enumerate(visit.scenario):
            if step.emit:
                data = [step.emit, *arguments(filled(step.data, {"client": client}))]
                asks = FIRST_NUMBER + number if step.wait == ACK else None
                connection.send(packets.message(data, asks, connection.place))
            if isinstance(step.wait, str):
                await _waited(client, connection, heard, number, step, visit.step_s)
            elif step.wait is not None:
                await asyncio.sleep(step.wait)
    finally:
        connection.frames = []
    connection.set_up_ns = now_ns()


async def _waited(client: int, connection: Listening, heard: _Heard, number: int, step: Step, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not _is_there(connection, heard, number, step):
                if connection.closed_ns:
                    raise ClientError(
                        f"the server closed the connection of client {client} at step {number + 1} of the scenario "
                        f"({step}): see what it says of that"
                    )
                heard.came.clear()
                with contextlib.suppress(TimeoutError):  # a connection that closes wakes nobody
                    await asyncio.wait_for(heard.came.wait(), 0.1)
    except TimeoutError:
        raise ClientError(
            f"client {client} waited {timeout_s:g} s in vain at step {number + 1} of the scenario ({step}): check the "
            "names of its events, and whether the server answers them"
        ) from None


def _is_there(connection: Listening, heard: _Heard, number: int, step: Step) -> bool:
    """Whether what the step waits for is among what came; it and what came before it are taken away."""
    for place, (_, frame) in enumerate(heard):
        text = packets.plain(frame, connection.place)
        acknowledged = packets.acknowledged(text)
        if (acknowledged == FIRST_NUMBER + number) if step.wait == ACK else packets.is_event(text, step.wait):
            del heard[: place + 1]
            return True
    return False
