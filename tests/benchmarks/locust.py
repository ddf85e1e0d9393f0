"""The locustfile's client beside labkit's own, at one server and rate, rounds interleaved; asked: p50 within 10%.

At a handler that does nothing the latency is little more than what clients and server themselves take; at one that
sleeps 50 ms it is the handler's. `late` is how long after it was due an event was sent.
"""

import random
import statistics

import numpy as np
from tabulate import tabulate

import labkit as lab
from labkit.base.clock import NS_PER_MS
from labkit.client.process import ClientProcess
from labkit.scale import locust_process
from labkit.scale.locustfile import LocustPlan
from tests.support.strange_app import running

RATE_HZ, SECONDS, CLIENTS, ROUNDS = 50, 6, 10, 5
EVENTS = ("silent", "price")
OWN, LOCUST = "labkit fire", "labkit locust"


def figures(run):
    """Own p50 and p98, and how late the median event was sent, in ms; of those that were answered."""
    late_ms = (run.events["sent"] - run.events["intended"]) / NS_PER_MS
    own_ms = run.own_ms[np.isfinite(run.own_ms)]
    return np.median(own_ms), np.percentile(own_ms, 98), np.median(late_ms), len(own_ms), len(run)


def measured(who, url, event, seed, client):
    if who == OWN:
        plan = lab.poisson(RATE_HZ, seconds=SECONDS, connections=CLIENTS, seed=seed)
        return lab.fire(url, plan, event=event, payload={"id": "{counter}"}, bystander="none", client=client)
    asked = {"rate_hz": RATE_HZ, "seconds": SECONDS, "clients": CLIENTS, "timeout_s": 2, "seed": seed}
    run, _ = locust_process.run(LocustPlan(url, event=event, data=[{"id": "{counter}"}], **asked))
    return run


def main() -> None:
    locust_process.require()
    found = {}
    with running("flask") as url, ClientProcess() as client:
        for number in range(ROUNDS):
            todo = [(event, who) for event in EVENTS for who in (OWN, LOCUST)]
            random.Random(number).shuffle(todo)
            for event, who in todo:
                found.setdefault((event, who), []).append(figures(measured(who, url, event, number, client)))
    rows = []
    for event in EVENTS:
        medians = {
            who: [statistics.median(each) for each in zip(*found[event, who], strict=True)] for who in (OWN, LOCUST)
        }
        for who, (own, tail, late, answered, events) in medians.items():
            ratio = f"{own / medians[OWN][0]:.3f}"
            rows.append([event, who, f"{own:.2f}", f"{tail:.2f}", f"{late:.2f}", f"{answered:.0f}/{events:.0f}", ratio])
    headers = ["event", "client", "own p50 ms", "p98", "late p50", "answered", "p50 beside labkit's"]
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
