"""Is blame right? Apps with one known culprit each, and one without, each so many times.

``python -m tests.benchmarks.blame --times 20``: how often the cause, who and the line are right, and the share. A
wrong one is printed. Names after the options choose apps.

``python -m tests.benchmarks.blame --overhead``: the throughput of a null handler with the hooks and the watch, and with
the hooks alone, in turn.
"""

import argparse
import contextlib
import statistics
import tempfile

from labkit.experiments.blame import blame
from labkit.inside import watched
from tests.benchmarks.inside import Served
from tests.support.blamed import RIGHT, is_right, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("apps", nargs="*", choices=[[], *RIGHT])
    parser.add_argument("--overhead", action="store_true")
    asked = parser.parse_args()
    if asked.overhead:
        overhead()
        return
    print("app              right    share: median, least    of a core, median")
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
        print(f"{name:14}{right:4} of {asked.times:<4}{share:>20}{statistics.median(costs):18.2%}", flush=True)
        for text in wrong:
            print("    wrong:", text)


def overhead(rounds: int = 15, servers: int = 3) -> None:
    """Round by round, since the machine's speed changes from one to the next; few, since nobody answers pings."""
    print("async_handlers   events/s with hooks   with the watch: median, quartiles    CPU us/event more")
    for handlers in ("threads", "serial"):
        shares, more_us, rates = [], [], []
        for _ in range(servers):
            with contextlib.ExitStack() as stack:
                hooks, watch = (
                    stack.enter_context(contextlib.closing(Served(n, handlers))) for n in ("labkit", "blame")
                )
                hooks.round(), watch.round()  # to warm up
                for number in range(rounds):
                    told = {each: each.round() for each in ((hooks, watch) if number % 2 else (watch, hooks))}
                    shares.append(told[watch][0] / told[hooks][0])
                    more_us.append(told[watch][1] - told[hooks][1])
                    rates.append(told[hooks][0])
        low, middle, high = (f"{share:.1%}" for share in statistics.quantiles(shares, n=4))
        rate, more = statistics.median(rates), statistics.median(more_us)
        print(f"{handlers == 'threads'!s:15}{rate:21.0f}{middle:>18} ({low}, {high}){more:15.1f}", flush=True)


if __name__ == "__main__":
    main()
