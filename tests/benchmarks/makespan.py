"""How near a burst comes to the ideal time of so many workers, six interleaved runs each; and who is spared by it."""

import os

import numpy as np

import labkit as lab

RUNS = 6


def waiting() -> None:
    """A pool of threads, 20 ms of waiting: the ideal is a whole number of rounds."""
    for workers, events, asked in ((4, 40, 1.10), (20, 200, 1.15)):
        pool = lab.strategy("thread-pool", workers=workers, waiting=events)
        result = lab.compare([pool], lab.io_wait(20), lab.burst(events), repeats=RUNS, ping_hz=0)
        ideal_ms = -(-events // workers) * 20
        told = [run.makespan_ms / ideal_ms for run in result.runs]
        _print(f"thread-pool of {workers}, {events} x io_wait:20ms, over {ideal_ms} ms", told, asked)
        print(f"    the work itself took {np.mean([run.service_ms.mean() for run in result.runs]):.2f} ms")


def computing() -> None:
    """A pool of processes, 20 ms of CPU: the ideal is the work's own time as measured, over the workers."""
    cores = os.cpu_count() or 2
    pools = [lab.strategy("process-pool", workers=workers) for workers in sorted({max(1, cores - 1), cores})]
    result = lab.compare(pools, lab.cpu(20), lab.burst(40), repeats=RUNS, ping_hz=0)
    for name in result.strategies:
        runs = result.of(name)
        workers = runs[0].conditions.parameters["workers"]
        told = [run.makespan_ms / (run.service_ms.sum() / workers) for run in runs]
        _print(f"{name}, 40 x cpu:20ms, over measured work / workers", told, 1.10)
    for note in result.notes:
        print(f"    {note}")


def neighbours() -> None:
    """A core left to the server: what a bystander waits beside the pool, against inline, in five pairs."""
    pool = lab.strategy("process-pool", workers=max(1, (os.cpu_count() or 2) - 1))
    result = lab.compare(["inline", pool], lab.cpu(20), lab.burst(40), repeats=5)
    tails = [[np.percentile(run.bystander_ms, 98) for run in result.of(name)] for name in ("inline", pool.name)]
    told = [inline / spared for inline, spared in zip(*tails, strict=True)]
    each = ", ".join(f"{t:.0f}" for t in sorted(told))
    print(f"{pool.name}: a bystander's p98 under inline over it, five pairs: {each}; median {np.median(told):.0f}")
    print("    (asked 10)")


def _print(what: str, told: list[float], asked: float) -> None:
    within = sum(t <= asked for t in told)
    each = ", ".join(f"{t:.3f}" for t in told)
    print(f"{what}: {each} (asked {asked:.2f}: {within} of {len(told)})")


if __name__ == "__main__":
    waiting()
    computing()
    neighbours()
