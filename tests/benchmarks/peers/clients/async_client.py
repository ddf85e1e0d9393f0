"""python-socketio's AsyncClient, as its documentation writes it. Prints one JSON object."""

import asyncio
import json
import sys
import time


async def cost(sio, task: dict) -> list[float]:
    """One event after the other."""
    latencies = []
    until = time.perf_counter() + task["seconds"]
    while (start := time.perf_counter()) < until:
        if await sio.call("message", task["payload"]) != task["payload"]:
            raise AssertionError("not the acknowledgement of this event")
        latencies.append(time.perf_counter() - start)
    return latencies


async def loop(sio, task: dict) -> list[float]:
    """Wait for each acknowledgement, then for what is left of the interval."""
    latencies = []
    interval = task["sockets"] / task["rate_hz"]
    until = time.perf_counter() + task["seconds"]
    while (start := time.perf_counter()) < until:
        await sio.call("message", task["payload"])
        latencies.append(time.perf_counter() - start)
        await asyncio.sleep(max(0.0, interval - latencies[-1]))
    return latencies


async def timer(sio, task: dict) -> list[float]:
    """Emit at every tick, whether or not the one before was acknowledged; a callback takes the time."""
    latencies = []
    interval = task["sockets"] / task["rate_hz"]
    begin = time.perf_counter()
    events = round(task["seconds"] / interval)
    for i in range(events):
        await asyncio.sleep(max(0.0, begin + i * interval - time.perf_counter()))
        start = time.perf_counter()
        await sio.emit(
            "message", task["payload"], callback=lambda *_, start=start: latencies.append(time.perf_counter() - start)
        )
    for _ in range(500):
        if len(latencies) == events:
            break
        await asyncio.sleep(0.01)
    return latencies


async def main(kind: str, task: dict) -> None:
    import socketio

    clients = [socketio.AsyncClient(handle_sigint=False) for _ in range(task["sockets"])]
    for sio in clients:
        await sio.connect(task["url"], transports=["websocket"])
    work = {"cost": cost, "loop": loop, "timer": timer}[kind]

    async def one(number: int, sio) -> list[float]:
        if kind != "cost":
            await asyncio.sleep(number / task["rate_hz"])  # the sockets take turns
        return await work(sio, task)

    latencies = await asyncio.gather(*(one(n, sio) for n, sio in enumerate(clients)))
    for sio in clients:
        await sio.disconnect()
    each_ms = [s * 1000 for part in latencies for s in part]
    print(json.dumps({"acks": len(each_ms), "latencies_ms": [] if kind == "cost" else each_ms}))


if __name__ == "__main__":
    sys.path.append(sys.argv[3])  # where aiohttp is
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
