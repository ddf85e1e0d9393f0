"""Bursts with random strategies, modes and faults for minutes: what is held after each, and whether it grows.

Exit code 1 where something grows, or an event is unaccounted for.
"""

import argparse
import sys

from tests.support.soaked import HELD, soak


def tell(number, case, run, held) -> None:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items() if count)
    now = ", ".join(f"{name} {value:.0f}" for name, value in held.items())
    print(f"{number:4} {case.mode:16} {case.strategy:18} {case.fault:18} {outcomes}; {now}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="a line after each burst")
    asked = parser.parse_args()
    found = soak(60 * asked.minutes, asked.seed, told=tell if asked.each else None)
    faults = ", ".join(f"{fault} {count}" for fault, count in found.faults.items())
    print(f"{found.bursts} bursts, {found.events} events, {found.unaccounted} unaccounted; faults: {faults}")
    print(f"{'held':14} {'first':>8} {'last':>8}  {'per burst':>10}  95% interval")
    for trend in found.trends:
        unit, _ = HELD[trend.name]
        print(
            f"{trend.name:14} {trend.first:8.1f} {trend.last:8.1f}  {trend.slope:+10.4f}  "
            f"{trend.low:+.4f} to {trend.high:+.4f}{unit}{'  GROWS' if trend.grows else ''}"
        )
    return int(found.unaccounted > 0 or any(trend.grows for trend in found.trends))


if __name__ == "__main__":
    sys.exit(main())
