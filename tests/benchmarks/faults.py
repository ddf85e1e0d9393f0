"""Every fault so many times: ``python -m tests.benchmarks.faults --times 20``, or ``--only "kill -9"``.

One a line; ends with 1 if anything was left behind, lost or told by a traceback.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.faults import FAULTS, strike


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", choices=FAULTS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    right, names = Counter[str](), [asked.only] if asked.only else list(FAULTS)
    for number in range(asked.times):
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    said = strike(FAULTS[name], Path(folder), asked.seed + number)
                    right[name] += 1
                except AssertionError as error:
                    said = f"WRONG: {error}"
            print(f"{name}, {number + 1} of {asked.times}: {said}", flush=True)
    for name in names:
        print(f"{right[name]:3} of {asked.times} right: {name}")
    return 0 if all(right[name] == asked.times for name in names) else 1


if __name__ == "__main__":
    sys.exit(main())
