"""labkit's own: a closed loop on its connections, and its open-loop firing. Prints one JSON object."""

import asyncio
import json
import sys

import numpy as np

from labkit.base.clock import NS_PER_MS, NS_PER_S, now_ns
from labkit.base.event_loop import Loop
from labkit.client import packets
from labkit.client.connection import Connection, connect_all, hang_up
from labkit.client.firing import Job
from labkit.client.generator import Generator
from labkit.plan.schedules import constant
from labkit.runs.summary import Distribution


class Asking(list):
    """Stands for a connection's list of frames: each answer is parsed and matched, then the next event goes."""

    def __init__(self, connection: Connection, payload: object, until_ns: int) -> None:
        super().__init__()
        self.connection, self.payload, self.until_ns = connection, payload, until_ns
        self.acks = 0
        self.done = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        self.connection.send(packets.message([packets.MESSAGE, self.payload], self.acks))

    def append(self, item: tuple[int, bytes]) -> None:
        at_ns, text = item
        if packets.acknowledged(text) != self.acks:
            raise AssertionError(f"expected the acknowledgement of {self.acks}, got {text!r}")
        self.acks += 1
        if at_ns < self.until_ns:
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)


async def closed_loop(url: str, sockets: int, seconds: float, payload: object) -> int:
    """How many acknowledgements came on all sockets."""
    connections = await connect_all(url, sockets, 10)
    until_ns = now_ns() + round(seconds * NS_PER_S)
    loops = [Asking(c, payload, until_ns) for c in connections]
    for connection, asking in zip(connections, loops, strict=True):
        connection.frames = asking
        asking.ask()
    async with asyncio.timeout(seconds + 5):
        await asyncio.gather(*(asking.done for asking in loops))
    hang_up(connections)
    return sum(asking.acks for asking in loops)


def fire(url: str, sockets: int, seconds: float, rate_hz: float) -> dict:
    """labkit's constant rate: percentiles from the intended start, as its tables have them."""
    plan = constant(rate_hz, seconds=seconds, connections=sockets)
    job = Job(
        intended_ns=plan.intended_ns,
        connection=plan.connection,
        payloads=[0] * len(plan),
        expected=None,
        ping_ns=np.zeros(0, np.int64),
        ping_event="ping",
        timeout_ns=5 * NS_PER_S,
    )
    generator = Generator()
    generator.open(url, sockets, bystander=False, listener=False)
    fired = generator.fire(job)
    generator.close()
    generator.loop.close()
    latencies_ms = (fired.delivery_ns - fired.start_ns - plan.intended_ns[fired.delivery_event]) / NS_PER_MS
    distribution = Distribution.of(latencies_ms)
    return {
        "acks": len(distribution),
        "percentiles_ms": [distribution.percentile(p) for p in (95, 99, 99.9)],
    }


def main(kind: str, task: dict) -> None:
    if kind == "cost":
        loop = Loop()
        acks = loop.run_until_complete(closed_loop(task["url"], task["sockets"], task["seconds"], task["payload"]))
        loop.close()
        print(json.dumps({"acks": acks}))
    else:
        print(json.dumps(fire(task["url"], task["sockets"], task["seconds"], task["rate_hz"])))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
