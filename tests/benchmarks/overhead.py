"""What a strategy itself costs per event: a null job, one event at a time, beside `inline`."""

import numpy as np

import labkit as lab
from labkit.strategies import names_in

NULL = lab.call(lambda: 0, payloads=[0])
EVENTS, RUNS = 100, 3


def main() -> None:
    plan = lab.constant(100, events=EVENTS)
    result = lab.compare(names_in("threading"), NULL, plan, repeats=RUNS, ping_hz=0)
    print(f"{EVENTS} null jobs, 100/s, median of {RUNS} runs; to the work: from the handler's start to the work's")
    print("strategy".ljust(18) + "to the work us   own p50 ms   beyond inline us   server CPU us an event")
    base = _median(result, "inline", lambda run: np.median(run.own_ms))
    for name in result.strategies:
        start_us = 1000 * _median(result, name, lambda run: np.nanmedian(run.between_ms("handler_start", "work_start")))
        own_ms = _median(result, name, lambda run: np.median(run.own_ms))
        cpu_us = _median(result, name, lambda run: run.conditions.server_cpu_s / len(run) * 1e6)
        print(f"{name:18}{start_us:14.0f}{own_ms:13.2f}{(own_ms - base) * 1000:19.0f}{cpu_us:25.0f}")
    for note in result.notes:
        print(note)


def _median(result: lab.Comparison, name: str, value) -> float:
    return float(np.median([value(run) for run in result.of(name)]))


if __name__ == "__main__":
    main()
