"""100 starts and stops with three clients, of which one does not read: threads, descriptors, the time of a stop."""

import threading
import time

import numpy as np
import psutil

from labkit.client.process import ClientProcess
from labkit.plan.work import Calculation, io_wait
from labkit.server.in_process import Server
from labkit.strategies import strategy
from tests.support.helpers import RawClient

CYCLES = 100


def main() -> None:
    process = psutil.Process()
    calculation = Calculation(io_wait(1).function)
    stops = []
    with ClientProcess() as client:
        before = None
        for cycle in range(CYCLES + 1):
            server = Server(strategy("inline"), calculation)
            server.start()
            client.open(server.url, 1, bystander=True, listener=False)
            with RawClient(server.port, receive_buffer=4096):
                for _ in range(20):  # more than its socket takes, so that the writer thread hangs in its send
                    server.socketio.emit("noise", "x" * 250_000)
                time.sleep(0.05)
                start = time.perf_counter()
                server.stop()
                stops.append((time.perf_counter() - start) * 1000)
            client.close()
            if cycle == 0:  # the first start imports and opens what stays
                before = threading.active_count(), process.num_fds()
        after = threading.active_count(), process.num_fds()
    print(f"threads {before[0]} to {after[0]}, descriptors {before[1]} to {after[1]} in {CYCLES} cycles")
    p50, p99 = np.percentile(stops, [50, 99])
    print(f"stop p50 {p50:.1f} ms (asked 50), p99 {p99:.1f} ms, max {max(stops):.1f} ms")


if __name__ == "__main__":
    main()
