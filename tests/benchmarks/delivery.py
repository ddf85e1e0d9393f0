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

KILLED = [fault for fault in FAULTS if fault != NO_FAULT]

#: What is counted beside what is lost.
BESIDE = ("duplicates", "resubmissions", "restarts")


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


def kill(strategy, fault, **settings):
    """The books of one run; None where it failed, which is told."""
    plan = lab.constant(RATE_HZ, events=EVENTS)
    try:
        found = lab.delivery(strategy, lab.cpu(MS), plan, fault=fault, patience_s=PATIENCE_S, **settings)
    except LabError as error:
        print(f"{strategy.name}, {FAULTS[fault]}, failed: {error}", flush=True)
        return None
    print(found, flush=True)
    return found


def told(found):
    """A line for each fault and strategy: how often how many were lost."""
    for fault in FAULTS:
        for name in dict.fromkeys(each.strategy for each in found):
            own = [each for each in found if (each.fault, each.strategy) == (fault, name)]
            if own:
                lost = ", ".join(
                    f"{n} lost in {runs}" for n, runs in sorted(Counter(each.lost for each in own).items())
                )
                beside = (f"{sum(getattr(each, what) for each in own)} {what}" for what in BESIDE)
                print(f"{FAULTS[fault]}, {name}, {len(own)} runs: {lost}; {', '.join(beside)}", flush=True)


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
    if options.rounds and not options.settings:
        throughput(options.rounds)
    found = []
    try:
        for strategy, fault, settings in runs_of_settings(options) if options.settings else runs(options):
            if one := kill(strategy, fault, **settings):
                found.append(one)
    except KeyboardInterrupt:
        print("Interrupted.")
    told(found)
    if options.figure and found:
        from labkit import plots

        plots.delivery(found).savefig(options.figure)


def runs(options):
    """The recipe and the defaults, interleaved: a round is one run with each fault."""
    for turn in range(options.times):
        for fault in KILLED:
            yield lab.strategy(RECIPE, name=RECIPE, workers=WORKERS), fault, {}
            if turn < options.beside:
                yield lab.strategy(DEFAULTS, name=DEFAULTS, workers=WORKERS), fault, {}


def runs_of_settings(options):
    """One thing changed at a time."""
    changes = [
        {"task_acks_late": True},
        {"worker_prefetch_multiplier": 1},
        {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1},
    ]
    for _ in range(options.beside):
        for changed in changes:
            for fault in ("pool-child", "workers"):
                yield with_settings("celery, " + ", ".join(changed), **changed), fault, {}
        for fault in KILLED:
            yield lab.strategy(DEFAULTS, name="celery behind an outbox", workers=WORKERS), fault, {"outbox": True}
            yield lab.strategy(RECIPE, name="recipe without an outbox", workers=WORKERS), fault, {"outbox": False}


if __name__ == "__main__":
    main()
