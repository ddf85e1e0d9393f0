"""Firing at a server that knows nothing of the lab: the client's CPU an event, beside the lab's own; a stall of 1 s.

Interleaved, at one server each: what the client costs at a stranger's URL must not be more than a tenth above what it
costs at the lab's own server. A stall must be told within 2% of the truth, with and without labkit inside the app.
"""

import statistics
import tempfile
from pathlib import Path

import labkit as lab
from labkit.client.process import ClientProcess
from tests.support.strange_app import p99_ms, running, stalled, true_ms

RATE_HZ, EVENTS, CLIENTS, ROUNDS = 1500, 3000, 8, 5

WORK = lab.call(lambda payload: payload, payloads=[1])
PAYLOAD = {"id": "{counter}", "payload": 1}


def by_event(socketio, complex_calculation):
    """Answers by an event; `acked` by its acknowledgement."""
    from flask_socketio import emit

    socketio.on_event("message", lambda data: emit("response", complex_calculation(data)))
    socketio.on_event("acked", lambda data: data)


def by_ack(socketio, complex_calculation):
    """Answers by its acknowledgement."""
    socketio.on_event("message", complex_calculation)


def costs(client):
    """Microseconds of the client's CPU an event, of each way, a value a round."""
    plan = lab.constant(RATE_HZ, events=EVENTS, connections=CLIENTS)
    with lab.serve(by_event, WORK) as events, lab.serve(by_ack, WORK) as acks:
        alone = {"client": client, "bystander": "none", "payload": PAYLOAD}
        ways = {
            "own, by event": lambda: lab.fire(events, plan, client=client, ping_hz=0),
            "URL, by event": lambda: lab.fire(events.url, plan, response="response", match="id", **alone),
            "own, by ack": lambda: lab.fire(acks, plan, client=client, ping_hz=0, answer="ack"),
            "URL, by ack": lambda: lab.fire(events.url, plan, event="acked", **alone),
        }
        found = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, fire in ways.items():
                run = fire()
                if run.outcomes["answered"] == EVENTS:
                    found[name].append(run.conditions.client_cpu_s / EVENTS * 1e6)
    return found


def stall_p99_ms(kind, client):
    """Measured, and as the app noted it, of 100/s for 4 s at a loop that stands still for 1 s."""
    with running(kind) as url, tempfile.TemporaryDirectory() as folder:
        run = lab.fire(
            url, lab.constant(100, events=400), event="echo", payloads=stalled(at=150, events=400), client=client
        )
        return p99_ms(run.own_ms), p99_ms(true_ms(run, url, client, Path(folder) / "handled.json"))


def main():
    """Measure and print."""
    with ClientProcess() as client:
        for name, us in costs(client).items():
            print(f"{name}: {statistics.median(us):.1f} us an event, rounds {', '.join(f'{one:.0f}' for one in us)}")
        for kind in ("asgi", "asgi-inside"):
            measured, truth = stall_p99_ms(kind, client)
            print(
                f"stall of 1 s, {kind}: p99 {measured:.0f} ms, true {truth:.0f} ms, off by {measured / truth - 1:+.1%}"
            )


if __name__ == "__main__":
    main()
