"""The command ``labkit selftest``: does labkit read what is true?"""

import sys

import click

from labkit.ui.commands.session import INVALID, MEASURED


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Fire all cases so often.")
def selftest(repeats: int) -> None:
    """Fire at queues whose answers are known: does labkit read what is true?

    There are four cases, which take about half a minute: a stall, a serial server under a burst, two kinds of service
    time, random arrivals. All figures are in ms. A case is right if every percentile is within 5% or 2 ms, and, in the
    last two, if 95% of the events are within 2 ms.

    Exit code: 0 all right, 1 one is not (on a busy machine, look at what else it does).
    """
    from labkit.experiments import selftest as bench

    right: dict[str, int] = {}
    for _ in range(repeats):
        for found in bench.readings():
            click.echo(f"{found}\n")
            right[found.case] = right.get(found.case, 0) + found.is_right
    if repeats > 1:
        for case, count in right.items():
            click.echo(f"right {count} of {repeats}: {case}")
    sys.exit(MEASURED if min(right.values()) == repeats else INVALID)
