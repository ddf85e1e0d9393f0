"""The command ``labkit worker``: the other end of a queue, on this machine or on others."""

import click

from labkit.base.errors import StrategyError
from labkit.scale.redis_server import VARIABLE


@click.command()
@click.argument("target")
@click.option(
    "--broker",
    metavar="URL",
    envvar=VARIABLE,
    required=True,
    help=f"A Redis: redis://:password@host:6379/0. [default: the variable {VARIABLE}]",
)
@click.option("--queue", default="labkit", show_default=True, help="Whose tasks, as the server's strategy names it.")
@click.option("--strategy", "name", default="celery", show_default=True, help="A strategy with a queue.")
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one less than there are cores]")
def worker(target: str, broker: str, queue: str, name: str, workers: int | None) -> None:
    """Calculate what a strategy with a queue asks for, until Ctrl-C.

    TARGET is what labkit compare takes: cpu:100ms, prices, package.module:function.

    \b
    labkit worker mypkg.jobs:price --broker redis://:secret@10.0.0.5:6379/0
        on each machine that is to calculate, and then in a notebook on the machine that serves,
        which has the same variable LABKIT_REDIS_URL:
        lab.measure(lab.strategy("celery", workers=0, queue="labkit"), work, lab.burst(10))

    lab.measure("celery", ...) and labkit compare start workers of their own, on this machine.
    On another machine the work's own times are left out: its clock is another.

    Exit code: 0 ended, 1 no Redis answers or a package is missing, 2 wrong usage.
    """
    from labkit.plan import targets
    from labkit.plan.work import Calculation
    from labkit.scale import redis_server
    from labkit.strategies import strategy

    chosen = strategy(name) if workers is None else strategy(name, workers=workers)
    if chosen.work is None:
        raise StrategyError(f"{name} has no workers: name a strategy with a queue, such as celery")
    calculation = Calculation(targets.parse(target).function, elsewhere=not redis_server.is_on_this_machine(broker))
    redis_server.require_answer(broker)
    at_queue = chosen.at(broker, queue)
    chosen.work(calculation, **at_queue.parameters_of(chosen.work))
