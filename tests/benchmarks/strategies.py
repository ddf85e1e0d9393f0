"""Every strategy 20 times, with each kind of work: nothing lost, nothing unaccounted, every answer right."""

import sys

import labkit as lab
from labkit.strategies import names_in

REPEATS = 20


def main(*names: str) -> None:
    plan = lab.burst(events=20, every_s=0.2, times=2, connections=4)
    bad = 0
    told = {"load-shedding": "shed", "conflate": "superseded"}  # who declines, and says so
    for work in (lab.cpu(3), lab.io_wait(10)):
        result = lab.compare(names or names_in("threading"), work, plan, repeats=REPEATS)
        print(f"{work.name}, {plan.name}, {REPEATS} runs each")
        for s in result.summaries:
            declined = s.outcomes[told[s.strategy]] if s.strategy in told else 0
            wrong = s.events - s.outcomes["answered"] - declined
            bad += wrong + s.unaccounted
            print(
                f"  {s.strategy:18} events {s.events:5}, answered {s.outcomes['answered']:5}, "
                f"declined {declined}, lost {s.lost}, "
                f"unaccounted {s.unaccounted}, duplicates {s.duplicates}, strays {s.strays}"
            )
        for note in result.notes:
            print(f"  {note}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
