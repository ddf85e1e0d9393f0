"""How late the client sends at 1,000 events/s over 8 sockets, and its CPU an event beside python-socketio's client."""

import sys
import time

import numpy as np
import socketio

import labkit as lab
from labkit.base.errors import UsageError
from labkit.server.in_process import Server
from labkit.strategies import strategy

RATE_HZ, SOCKETS, SECONDS, RUNS = 1000, 8, 4, 10

#: One socket of the stock client, so fewer.
STOCK_HZ = 500


def sink(server, complex_calculation):
    """Acknowledge nothing, answer at once: the client is what is measured."""

    @server.on("message")
    def handle_message(data):
        server.emit("response", complex_calculation(data))


def stock_client_cpu_us(events: int) -> float:
    """CPU microseconds of an event sent with socketio.Client and its answer received, beside an idle interpreter."""
    with Server(strategy(sink), lambda data: {"id": data["id"], "result": 0}) as server:
        client = socketio.Client(handle_sigint=False)
        answered = []
        client.on("response", answered.append)
        client.connect(server.url, transports=["websocket"])
        before = time.process_time()
        start = time.perf_counter()
        for i in range(events):
            client.emit("message", {"id": -1, "payload": i})
            while time.perf_counter() < start + i / STOCK_HZ:
                time.sleep(0.0005)
        client.sleep(0.5)
        spent = time.process_time() - before
        client.disconnect()
    return spent / events * 1e6


def server_cpu_us(events: int) -> float:
    """The share of the server in the figure above: the same traffic from labkit's client, in its own process."""
    run = lab.measure(sink, NULL, lab.constant(STOCK_HZ, events=events), ping_hz=0)
    return run.conditions.server_cpu_s / events * 1e6


NULL = lab.call(lambda: 0, payloads=[0])


def main() -> None:
    plan = lab.constant(RATE_HZ, seconds=SECONDS, connections=SOCKETS)
    rows = []
    for _ in range(RUNS):
        run = lab.measure(sink, NULL, plan, ping_hz=0)
        late = np.percentile(run.lateness_ms, [50, 99])
        rows.append((*late, run.conditions.client_cpu_s / len(plan) * 1e6, run.lost))
        print(f"p50 {late[0]:.3f} ms, p99 {late[1]:.3f} ms, client CPU {rows[-1][2]:.0f} us an event, lost {run.lost}")
    p50, p99, cpu, _lost = np.median(np.array(rows), axis=0)
    print(f"lateness at {RATE_HZ}/s over {SOCKETS} sockets, {RUNS} runs: p50 {p50:.3f} ms (asked 0.25), ")
    print(f"median p99 {p99:.3f} ms (asked 1.2)")
    events = STOCK_HZ * SECONDS
    both, server = stock_client_cpu_us(events), server_cpu_us(events)
    print(
        f"client CPU an event: labkit {cpu:.0f} us; socketio.Client {both - server:.0f} us "
        f"(measured {both:.0f} with the server in its process, of which the server {server:.0f})"
    )


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(str(error))
