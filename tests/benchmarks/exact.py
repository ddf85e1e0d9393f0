"""The exact pass again and again: are its integers the same every time?

.venv/bin/python -m tests.benchmarks.exact [REPEATS]
"""

import sys
from collections import Counter
from dataclasses import asdict

from tabulate import tabulate

from labkit.browser.bench import Setting
from labkit.browser.driver.process import one_browser
from labkit.browser.measure import renderings

REPEATS = 20
PATTERNS = ("naive", "dom-batch", "forced")


def main(repeats: int = REPEATS) -> None:
    found = {name: Counter() for name in PATTERNS}
    with one_browser():
        for number in range(1, repeats + 1):
            (*_, result) = renderings(PATTERNS, Setting(clicks=0), passes=("exact",))
            for each in result.measured:
                found[each.name][each.exact] += 1
            print(f"{number} of {repeats}", file=sys.stderr, flush=True)
    rows = [[name, times, *asdict(exact).values()] for name, counts in found.items() for exact, times in counts.items()]
    headers = ("pattern", "times", "frames", "updates a frame", "DOM operations", "layouts", "forced", "style recalcs")
    print(tabulate(rows, headers))
    different = [name for name, counts in found.items() if len(counts) > 1]
    print(f"not the same every time: {', '.join(different)}" if different else f"the same in all {repeats} repeats")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
