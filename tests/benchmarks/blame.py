"""Is blame right? Apps with one known culprit each, and one without, each so many times.

``python -m tests.benchmarks.blame --times 20``: how often the cause, who and the line are right, and the share. A
wrong one is printed. Names after the options choose apps. What a watch costs is printed by
``python tests/benchmarks/inside.py --overhead``.
"""

import argparse
import statistics
import tempfile

from labkit.experiments.blame import blame
from labkit.inside import watched
from tests.support.blamed import RIGHT, is_right, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("apps", nargs="*", choices=[[], *RIGHT])
    asked = parser.parse_args()
    print("app          right    share: median, least    of a core, median")
    for name in asked.apps or RIGHT:
        right, shares, costs, wrong = 0, [], [], []
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory() as folder:
                run(name, folder)
                told, seen = blame(folder), watched.load(folder)
            costs.append(seen.cost_ns / (seen.taken_ns - seen.started_ns))
            if is_right(name, told):
                right += 1
                shares.append(told.verdict.share)
            else:
                wrong.append(str(told.told()))
        share = f"{statistics.median(shares):.0%}, {min(shares):.0%}" if shares else "-"
        print(f"{name:10}{right:4} of {asked.times:<4}{share:>20}{statistics.median(costs):18.2%}", flush=True)
        for text in wrong:
            print("    wrong:", text)


if __name__ == "__main__":
    main()
