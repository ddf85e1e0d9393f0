"""What a WAN does to connections, exchanges and neighbours: by transport and strategy, rounds interleaved.

`trips` is what the network adds, in round trips: an exchange over a websocket takes one, whatever the strategy. Medians
of the rounds' medians.
"""

import random
import statistics

import numpy as np
from tabulate import tabulate

import labkit as lab
from labkit.client.process import ClientProcess

RATE_HZ, EVENTS, CLIENTS, ROUNDS = 50, 150, 10, 3
WAYS = ("loopback", "40ms", "40ms,10ms,2%", "150ms,30ms,1%")
CASES = [("inline", "websocket"), ("server-batch", "websocket"), ("inline", "polling"), ("inline", "upgrade")]


def measured(client, strategy, transport, way, seed):
    """Own p50 and p99, the bystander's p50, and how long a client took until it was let in; ms."""
    link = None if way == WAYS[0] else lab.Link(**{**lab.Link.of(way).to_dict(), "seed": seed})
    plan = lab.constant(RATE_HZ, events=EVENTS, connections=CLIENTS)
    with lab.serve(strategy, lab.io_wait(2)) as server:
        run = lab.fire(server, plan, client=client, transport=transport, network=link)
        came = lab.fire(
            server.url,
            lab.burst(CLIENTS),
            response="none",
            bystander="none",
            timeout_s=0.1,
            window_s=0,
            client=client,
            transport=transport,
            network=link,
        )
    own_ms = run.own_ms[np.isfinite(run.own_ms)]
    return np.median(own_ms), np.percentile(own_ms, 99), np.median(run.bystander_ms), np.median(came.connect_ms)


def main() -> None:
    found = {}
    with ClientProcess() as client:
        for number in range(ROUNDS):
            todo = [(*case, way) for case in CASES for way in WAYS]
            random.Random(number).shuffle(todo)
            for strategy, transport, way in todo:
                figures = measured(client, strategy, transport, way, number)
                found.setdefault((strategy, transport, way), []).append(figures)
    rows = []
    for (strategy, transport, way), rounds in sorted(
        found.items(), key=lambda one: (one[0][:2], WAYS.index(one[0][2]))
    ):
        own, tail, neighbour, connected = (statistics.median(values) for values in zip(*rounds, strict=True))
        near = [statistics.median(values) for values in zip(*found[strategy, transport, WAYS[0]], strict=True)]
        link = None if way == WAYS[0] else lab.Link.of(way)
        trips = ["-", "-"]
        if link is not None:
            trips = [
                f"{(after - before) / 2 / link.delay_ms:.1f}"
                for before, after in ((near[0], own), (near[3], connected))
            ]
        rows.append([strategy, transport, way, own, tail, trips[0], neighbour, connected, trips[1]])
    headers = ["strategy", "transport", "network", "own p50", "p99", "trips", "bystander p50", "let in after", "trips"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=".0f", disable_numparse=[2, 5, 8]))


if __name__ == "__main__":
    main()
