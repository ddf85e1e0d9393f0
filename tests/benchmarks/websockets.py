"""Which websocket library should labkit's generator stand on? picows, `websockets` and aiohttp, the same work on each.

The same loop (labkit's, on `select`), the same packets, the same parsing, the same server. A library is given the form
that suits it: callbacks for picows, coroutines for the other two. Two questions: acknowledged events for one CPU second
of the client, one event after the other; and how late events leave and arrive at 1,000/s, open loop.
"""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import click
import numpy as np
from tabulate import tabulate

from labkit.base import clock
from labkit.base.clock import NS_PER_MS, NS_PER_S, now_ns, process_cpu_ns
from labkit.base.event_loop import Loop
from labkit.client import packets
from labkit.client.connection import Connection, connect_all, hang_up
from labkit.plan.schedules import constant
from labkit.runs import environment
from tests.benchmarks.peers import install
from tests.benchmarks.peers.clients.labkit_client import Asking, event_with_ack
from tests.benchmarks.peers.processes import Failed, Started
from tests.benchmarks.peers.server import EchoServer

SOCKETS, PAYLOAD = 8, {"id": -1, "payload": "small"}
WARM_S, SECONDS = 1.0, 4.0
RATE_HZ, LATE_SECONDS = 1000.0, 4.0
ROUNDS, LIMIT_S = 3, 60.0
ROOT = Path(__file__).parents[2]


class Socket(Protocol):
    """One websocket of a library that works with coroutines."""

    async def send(self, text: str) -> None: ...

    async def receive(self) -> str: ...

    async def close(self) -> None: ...


async def _websockets(url: str) -> Socket:
    from websockets.asyncio.client import connect

    # Neither compression nor pings of its own: the server speaks neither, and they would not be the same work.
    connection = await connect(url, compression=None, ping_interval=None)
    connection.receive = connection.recv
    return connection


class _Aiohttp:
    def __init__(self, session, socket) -> None:
        self.session, self.socket = session, socket
        self.send, self.receive = socket.send_str, socket.receive_str

    async def close(self) -> None:
        await self.socket.close()
        await self.session.close()


async def _aiohttp(url: str) -> Socket:
    import aiohttp

    session = aiohttp.ClientSession()
    return _Aiohttp(session, await session.ws_connect(url, compress=0))


LIBRARIES: dict[str, Callable[[str], Awaitable[Socket]]] = {"websockets": _websockets, "aiohttp": _aiohttp}


async def _open(library: str, url: str, count: int) -> list[Socket]:
    address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    sockets = [await LIBRARIES[library](address) for _ in range(count)]
    for socket in sockets:
        await socket.receive()
        await socket.send(packets.CONNECT.decode())
        await socket.receive()
    return sockets


async def _ask(socket: Socket, acks: list[int], place: int, until_ns: int) -> None:
    while now_ns() < until_ns:
        await socket.send(event_with_ack(acks[place], PAYLOAD).decode())
        text = (await socket.receive()).encode()
        if packets.acknowledged(text) != acks[place]:
            raise AssertionError(f"expected the acknowledgement of {acks[place]}, got {text!r}")
        acks[place] += 1


async def _rate(count: Callable[[], int]) -> float:
    """Acknowledged events for one CPU second, once everybody is warm."""
    await asyncio.sleep(WARM_S)
    before = count(), process_cpu_ns()
    await asyncio.sleep(SECONDS)
    return (count() - before[0]) / (process_cpu_ns() - before[1]) * NS_PER_S


async def cost(library: str, url: str) -> float:
    """Acknowledged events for one CPU second of this process."""
    until_ns = now_ns() + round((WARM_S + SECONDS + 0.5) * NS_PER_S)
    if library == "picows":
        connections = await connect_all(url, SOCKETS, 10)
        loops = [Asking(c, PAYLOAD, until_ns) for c in connections]
        for connection, asking in zip(connections, loops, strict=True):
            connection.frames = asking
            asking.ask()
        rate = await _rate(lambda: sum(asking.acks for asking in loops))
        await asyncio.gather(*(asking.done for asking in loops))
        hang_up(connections)
        return rate
    sockets = await _open(library, url, SOCKETS)
    acks = [0] * SOCKETS
    asking = asyncio.gather(*(_ask(socket, acks, i, until_ns) for i, socket in enumerate(sockets)))
    rate = await _rate(lambda: sum(acks))
    await asking
    await asyncio.gather(*(socket.close() for socket in sockets))
    return rate


async def late(library: str, url: str) -> list[int]:
    """When each event of the plan was sent, on the common clock; the server notes when it came."""
    loop = asyncio.get_running_loop()
    plan = constant(RATE_HZ, seconds=LATE_SECONDS, connections=SOCKETS)
    frames = [packets.event(i, 0) for i in range(len(plan))]
    sent_ns = [0] * len(plan)
    done = loop.create_future()
    connections: list[Connection] = []
    sockets: list[Socket] = []
    if library == "picows":
        connections = await connect_all(url, SOCKETS, 10)
    else:
        sockets = await _open(library, url, SOCKETS)

    async def by_coroutine(place: int) -> None:
        sent_ns[place] = now_ns()
        await sockets[int(plan.connection[place])].send(texts[place])

    def by_call(place: int) -> None:
        sent_ns[place] = now_ns()
        connections[int(plan.connection[place])].send(frames[place])

    texts = [frame.decode() for frame in frames]
    readers = [asyncio.ensure_future(_read(socket)) for socket in sockets]
    tasks: set[asyncio.Task[None]] = set()
    start_ns = now_ns() + 200 * NS_PER_MS
    due_ns = (plan.intended_ns + start_ns).tolist()
    place = 0

    def send_due() -> None:
        nonlocal place
        while place < len(due_ns) and due_ns[place] <= now_ns():
            if connections:
                by_call(place)
            else:
                task = loop.create_task(by_coroutine(place))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            place += 1
        if place < len(due_ns):
            loop.call_at(due_ns[place] / NS_PER_S, send_due)
        else:
            done.set_result(None)

    loop.call_at(due_ns[0] / NS_PER_S, send_due)
    await done
    await asyncio.sleep(0.3)
    hang_up(connections)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*(socket.close() for socket in sockets))
    return [start_ns, *sent_ns]


async def _read(socket: Socket) -> None:
    while True:
        await socket.receive()


def client(kind: str, library: str, url: str, path: str) -> None:
    """One round, in a process of its own; prints JSON."""
    sys.path.append(path)  # where the two others are: behind labkit's own packages
    loop = Loop()
    print(json.dumps(loop.run_until_complete({"cost": cost, "late": late}[kind](library, url))))
    loop.close()


def _run(kind: str, library: str, path: Path) -> tuple[object, EchoServer]:
    events = round(RATE_HZ * LATE_SECONDS)
    with EchoServer(events=events) as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.websockets", "client", kind, library, server.url, str(path)]
        with Started(command, {"PYTHONPATH": str(ROOT)}, Path(folder)) as one:
            return json.loads(one.output(LIMIT_S)), server


def lateness_ms(library: str, path: Path) -> list[float]:
    """p50 and p99 of due to sent, p50 and p99 of due to read by the server."""
    found, server = _run("late", library, path)
    start_ns, *sent_ns = found
    due_ns = constant(RATE_HZ, seconds=LATE_SECONDS, connections=SOCKETS).intended_ns + start_ns
    if not (server.arrival_ns > 0).all():
        raise Failed(f"{np.count_nonzero(server.arrival_ns == 0)} events did not arrive")
    return [float(np.percentile((at - due_ns) / NS_PER_MS, p)) for at in (sent_ns, server.arrival_ns) for p in (50, 99)]


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=install.FOLDER, help="Where packages stay.")
@click.option("--markdown", is_flag=True, help="A table for a README.")
def main(rounds: int, folder: Path, markdown: bool) -> None:
    """picows, websockets and aiohttp under labkit's own packets: CPU of an acknowledged event, lateness at 1,000/s."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    packages = install.pip_target(folder / "python", "aiohttp", "websockets")
    names = ["picows", *([] if packages.missing else LIBRARIES)]
    rates: dict[str, list[float]] = {name: [] for name in names}
    lates: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            rates[name].append(_run("cost", name, packages.folder)[0])
            lates[name].append(lateness_ms(name, packages.folder))
            print(f"round {number + 1} of {rounds}: {name} measured", file=sys.stderr, flush=True)
    rows = []
    for name in names:
        lows, middles, highs = (f(np.array(lates[name]), axis=0) for f in (np.min, np.median, np.max))
        late = [f"{m:.3f} ({low:.3f} to {high:.3f})" for low, m, high in zip(lows, middles, highs, strict=True)]
        span = f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}"
        rows.append((name, f"{np.median(rates[name]):,.0f}", span, *late))
    headers = ("library", "acks per client CPU s", "range", "sent late p50 ms", "p99", "read late p50 ms", "p99")
    style = "github" if markdown else "simple"
    print(tabulate(rows, headers, tablefmt=style, colalign=["left", *["right"] * 6], disable_numparse=True))
    if packages.missing:
        print(f"websockets and aiohttp: {packages.missing}")
    print(f"\n`python -m tests.benchmarks.websockets`, {rounds} rounds, medians (and ranges), {clock.utc_stamp()}")
    print(environment.one_line())
    versions = {"picows": environment.describe()["versions"]["picows"], **packages.versions}
    print(", ".join(f"{name} {version}" for name, version in versions.items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(*sys.argv[2:])
    else:
        try:
            main()
        except Failed as error:
            sys.exit(str(error))
