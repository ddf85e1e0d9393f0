"""What a kill -9 loses: the recipe N times with each fault (asked: 0 lost), beside Celery's defaults; its throughput.

200 tasks of 11 ms at 80/s, from ten clients, to two workers. Throughput is of a burst of 200 such tasks, with nothing
killed, in interleaved rounds (asked: at least 85% of that of the defaults).
"""

import argparse
import statistics
from collections import Counter

import labkit as lab
from labkit.base.errors import LabError
from labkit.runs.delivery import FAULTS, NO_FAULT
from labkit.strategies import celery

EVENTS, RATE_HZ, MS, WORKERS, PATIENCE_S = 200, 80, 11, 2, 15

RECIPE, DEFAULTS = "celery-zero-loss", "celery"


def with_settings(name, **settings):
    """Celery with some of its settings changed: which of them is why?"""

    def work(complex_calculation, url="redis://", queue="app", workers=None):
        tasks, _ = celery.both_ends(complex_calculation, url, queue)
        tasks.conf.update(settings)
        options = [f"--concurrency={workers}", "--without-gossip", "--without-mingle"]
        tasks.worker_main(["worker", "--pool=prefork", *options])

    base = lab.strategy(DEFAULTS, name=name, workers=WORKERS)
    return lab.Strategy(
        name, base.register, base.modes, base.options, base.parameters, needs_pickle=True, work=work, about=base.about
    )


def lost(strategy, fault, times, **settings):
    """Books of so many runs; one that failed is told, and counted."""
    plan, found, failed = lab.constant(RATE_HZ, events=EVENTS), [], 0
    for turn in range(times):
        try:
            found.append(lab.delivery(strategy, lab.cpu(MS), plan, fault=fault, patience_s=PATIENCE_S, **settings))
        except LabError as error:
            failed += 1
            print(f"  failed: {error}", flush=True)
            continue
        if found[-1].lost or turn == 0:
            print(f"  {found[-1]}", flush=True)
    numbers = Counter(each.lost for each in found)
    told = ", ".join(f"{lost} lost in {runs}" for lost, runs in sorted(numbers.items()))
    beside = {name: sum(getattr(each, name) for each in found) for name in ("duplicates", "resubmissions", "restarts")}
    print(
        f"{getattr(strategy, 'name', strategy)}, {FAULTS[fault]}, {len(found)} runs: {told or 'none'}; {beside}", end=""
    )
    print(f"; {failed} FAILED" if failed else "", flush=True)
    return found


def throughput(rounds):
    """Events per second of a burst, with nothing killed."""
    rates = {DEFAULTS: [], RECIPE: []}
    for turn in range(rounds):
        for name in sorted(rates, reverse=bool(turn % 2)):
            chosen = lab.strategy(name, workers=WORKERS)
            rates[name].append(lab.delivery(chosen, lab.cpu(MS), lab.burst(EVENTS), fault=NO_FAULT, again_s=30).rate_hz)
    for name, own in rates.items():
        print(f"{name}: {statistics.median(own):.0f}/s, rounds {', '.join(f'{one:.0f}' for one in own)}")
    shares = [recipe / defaults for defaults, recipe in zip(rates[DEFAULTS], rates[RECIPE], strict=True)]
    print(f"the recipe's share, median of {rounds} rounds: {statistics.median(shares):.0%} (asked: 85%)", flush=True)


def main():
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--times", type=int, default=20, help="runs of the recipe with each fault")
    asked.add_argument("--beside", type=int, default=5, help="runs of the defaults with each fault")
    asked.add_argument("--rounds", type=int, default=6, help="of throughput")
    asked.add_argument("--settings", action="store_true", help="instead: which of Celery's settings is why")
    asked.add_argument("--figure", help="a file for the figure")
    options = asked.parse_args()
    if options.settings:
        for changed in (
            {"task_acks_late": True},
            {"worker_prefetch_multiplier": 1},
            {"task_acks_late": True, "worker_prefetch_multiplier": 1},
            {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1},
        ):
            for fault in ("pool-child", "workers"):
                lost(with_settings(", ".join(changed), **changed), fault, options.beside)
        for fault in FAULTS:
            if fault != NO_FAULT:
                lost(lab.strategy(DEFAULTS, name="celery behind an outbox", workers=WORKERS), fault, 2, outbox=True)
                lost(lab.strategy(RECIPE, name="recipe without an outbox", workers=WORKERS), fault, 2, outbox=False)
        return
    throughput(options.rounds)
    found = []
    for fault in FAULTS:
        if fault != NO_FAULT:
            found += lost(lab.strategy(DEFAULTS, name=DEFAULTS, workers=WORKERS), fault, options.beside)
            found += lost(lab.strategy(RECIPE, name=RECIPE, workers=WORKERS), fault, options.times)
    if options.figure:
        from labkit import plots

        plots.delivery(found).savefig(options.figure)


if __name__ == "__main__":
    main()
