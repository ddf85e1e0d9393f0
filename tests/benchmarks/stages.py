"""Are the stages true? Their order, the transit of a null job, 20 ms injected into each, and what stamps cost."""

import contextlib
import itertools
import subprocess
import sys
import time

import numpy as np

import labkit as lab
from labkit.base import event_loop
from labkit.client.process import ClientThread
from labkit.runs.stages import NEVER, STAGES
from labkit.server import hooks

NULL = lab.call(lambda: 0, payloads=[0])
INJECTED_MS = 20


def order_and_transit() -> None:
    run = lab.measure("inline", NULL, lab.constant(200, events=2000))
    steps = [run.events[b] - run.events[a] for a, b in itertools.pairwise(STAGES)]
    decreasing = np.zeros(len(run), bool)
    for step in steps:
        decreasing |= step < 0
    print(f"stages in order in {1 - decreasing.mean():.2%} of {len(run)} events (asked 99.9%)")
    transit_ms, own_ms = np.median(run.transit_ms), np.median(run.own_ms)
    print(f"transit p50 of a null job {transit_ms:.3f} ms, own p50 {own_ms:.2f} ms (asked 3)")


@contextlib.contextmanager
def patched(owner: object, name: str, make):
    original = getattr(owner, name)
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def slow(original):
    def slowed(*args, **kwargs):
        time.sleep(INJECTED_MS / 1000)
        return original(*args, **kwargs)

    return slowed


def slow_timer(original):
    return lambda loop, when, *args, **kwargs: original(loop, when + INJECTED_MS / 1000, *args, **kwargs)


def before_work(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(data):
        time.sleep(INJECTED_MS / 1000)
        socketio.emit("response", complex_calculation(data))


def after_work(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(data):
        answer = complex_calculation(data)
        time.sleep(INJECTED_MS / 1000)
        socketio.emit("response", answer)


def slow_read(original):
    """The reader thread is held before it puts the message into the inbox."""

    def held(self, message):
        time.sleep(INJECTED_MS / 1000)
        return original(self, message)

    return held


def stage_means(strategy="inline", work=NULL) -> dict[str, float]:
    # The client on a thread, so that its own stages can be patched from here; one event at a time, so they never meet.
    with ClientThread() as client:
        run = lab.measure(strategy, work, lab.constant(10, events=5), ping_hz=0, warm_up=1, client=client)
    assert run.lost == 0
    means = {}
    for before, after in itertools.pairwise(STAGES):
        a, b = run.events[before], run.events[after]
        seen = (a != NEVER) & (b != NEVER)
        means[f"{before} to {after}"] = float(np.mean((b - a)[seen])) / 1e6
    return means


def injections() -> None:
    import simple_websocket

    names = [f"{a} to {b}" for a, b in itertools.pairwise(STAGES)]
    cases = {
        names[0]: (patched(event_loop.Loop, "call_at", slow_timer), {}),
        names[1]: (patched(hooks._StampedBuffer, "append", slow_read), {}),
        names[2]: (patched(hooks._StampedBuffer, "pop", slow), {}),
        names[3]: (contextlib.nullcontext(), {"strategy": before_work}),
        names[4]: (contextlib.nullcontext(), {"work": lab.io_wait(INJECTED_MS)}),
        names[5]: (contextlib.nullcontext(), {"strategy": after_work}),
        names[6]: (patched(simple_websocket.Server, "send", slow), {}),
    }
    baseline = stage_means()
    print(f"\n{INJECTED_MS} ms injected into one stage; what each stage shows beyond the baseline, in ms")
    print("injected into".ljust(24) + "".join(name.split(" to ")[1].rjust(12) for name in names))
    for name, (patch, arguments) in cases.items():
        with patch:
            found = stage_means(**arguments)
        print(name.ljust(24) + "".join(f"{found[n] - baseline[n]:12.1f}" for n in names))


def cost() -> None:
    """CPU of an event in the server, with the hooks and without, interleaved."""
    plan = lab.constant(400, events=1200)
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(12):
        for instrumented in (True, False):
            run = lab.measure("inline", NULL, plan, ping_hz=0, instrumented=instrumented)
            spent[instrumented].append(run.conditions.server_cpu_s / len(plan) * 1e6)
    differences = np.array(spent[True]) - np.array(spent[False])
    with_, without = np.median(spent[True]), np.median(spent[False])
    noise = np.std(differences) / len(differences) ** 0.5
    print(f"\nserver CPU an event: {with_:.0f} us with stamps, {without:.0f} us without, {len(differences)} pairs: ")
    print(f"median difference {np.median(differences):+.1f} us, standard error {noise:.1f} us")


def hooks_alone() -> None:
    """The hooks' own CPU an event, without a network: called in a row around functions that do nothing."""
    from flask import Flask
    from flask_socketio import SocketIO

    from labkit.server.hooks import Hooks, _StampedBuffer
    from labkit.server.stamps import Stamps

    events = 20_000
    socketio = SocketIO(Flask("bench"), async_mode="threading")
    stamping = Hooks(socketio)
    stamping._handle = stamping._handle_internal = stamping._emit_on = lambda *args: None
    stamping.record(Stamps(events))
    messages = [["message", {"id": i, "payload": i}] for i in range(events)]
    costs = []
    for _ in range(5):
        for buffer, around in ((_StampedBuffer(stamping.now), True), ([], False)):
            stamping._loop.buffer = buffer
            start = time.process_time()
            for message in messages:
                buffer.append(message)
                buffer.pop(0)
                if around:
                    stamping._handle_event("eio", "/", None, message)
                    stamping._handle_event_internal(None, "sid", "eio", message, "/", None)
                    stamping._emit("response", message[1], "/")
                    stamping.loop_free(buffer.held_by)
            costs.append((around, (time.process_time() - start) / events * 1e6))
    cost = np.median([c for around, c in costs if around]) - np.median([c for around, c in costs if not around])
    print(f"the hooks alone, {events} events in a row: {cost:.1f} us an event (asked at most 10)")


def import_time() -> None:
    took = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import labkit"], check=True)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        took.append((whole - (time.perf_counter() - start)) * 1000)
    print(f"import labkit: {np.median(took):.1f} ms (asked 50)")


if __name__ == "__main__":
    order_and_transit()
    injections()
    cost()
    hooks_alone()
    import_time()
