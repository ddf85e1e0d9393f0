"""Does the bracket contain the truth? A server of fixed waiting time and c workers can do c / service events a second.

``python -m tests.benchmarks.capacity [FIRST [LAST]]`` runs the cases of these numbers only.
"""

import sys

import labkit as lab
from labkit.experiments.capacity_search import capacity
from labkit.strategies import strategy

#: Workers, ms of waiting, random arrivals.
CASES = (
    (1, 20, False),
    (2, 20, False),
    (4, 20, False),
    (8, 20, False),
    (2, 50, False),
    (4, 50, False),
    (8, 50, False),
    (4, 100, False),
    (16, 100, False),
    (4, 10, False),
)


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:3]] or [0, len(CASES)]
    chosen = CASES[numbers[0] : numbers[-1] + 1]
    right = 0
    for workers, wait_ms, random in chosen:
        found = capacity(strategy("thread-pool", workers=workers), lab.io_wait(wait_ms), random=random)
        true_hz = workers / wait_ms * 1000
        inside = found.low_hz <= true_hz <= found.high_hz
        right += inside and found.is_confirmed
        print(f"{'right' if inside else 'WRONG'}: truth {true_hz:g}/s, {found.took_s:.0f} s; {found!r}\n", flush=True)
    print(f"{right} of {len(chosen)} brackets are confirmed and contain the truth")
    sys.exit(right < len(chosen) - 1)


if __name__ == "__main__":
    main()
