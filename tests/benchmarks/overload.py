"""20,000 events of 1 kB at once, at strategies with a bound: more threads and memory than before, all accounted for."""

import sys

import labkit as lab

EVENTS, BYTES = 20_000, 1000
WORKERS, WAITING = 4, 100


def main(*strategies: str) -> None:
    payloads = ["x" * BYTES]
    work = lab.call(_wait, payloads=payloads)
    plan = lab.burst(EVENTS)
    print(f"asked: at most 100 MB and {WORKERS + 20} threads more than before, unaccounted 0")
    for name in strategies or ("load-shedding", "thread-pool", "conflate"):
        parameters = {"workers": WORKERS} | ({} if name == "conflate" else {"waiting": WAITING})
        # No warm-up: the workers begin in the burst, and count.
        run = lab.measure(lab.strategy(name, **parameters), work, plan, ping_hz=10, window_s=5, timeout_s=60, warm_up=0)
        resident = run.samples["resident_bytes"]
        counts = ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items() if count)
        print(
            f"{name}: {(resident.max() - resident[0]) / 1e6:.0f} MB and {run.threads_peak} threads more, {counts}, "
            f"unaccounted {run.unaccounted}, in {run.conditions.duration_s:.1f} s"
        )


def _wait(payload: str) -> int:
    import time

    time.sleep(0.02)
    return len(payload)


if __name__ == "__main__":
    main(*sys.argv[1:])
