"""The commands ``labkit list`` and ``labkit show``: which strategies there are, and the code of one."""

import click

from labkit.base.errors import UsageError
from labkit.plan.modes import MODES


@click.command("list")
def list_() -> None:
    """Say which strategies there are: a line each, and the modes in which they can run.

    A strategy is a way to handle an event. labkit show NAME prints the code of one.
    """
    from labkit.strategies import NAMES, strategy

    for name in NAMES:
        click.echo(f"{name:18} {strategy(name).about}")
    click.echo(f"\nModes: {', '.join(MODES)}. (eventlet is deprecated upstream, and not measured.)")


@click.command()
@click.argument("name")
@click.option("--alone", is_flag=True, help="The strategy alone, without an app around it.")
@click.option("--exhibit", is_flag=True, hidden=True, help="The earlier name of --alone.")
def show(name: str, alone: bool, exhibit: bool) -> None:
    """Print a strategy as a complete Flask-SocketIO app.

    \b
    labkit show process-pool > app.py
    labkit show process-pool --alone       to paste into an app of yours
    """
    from labkit import strategies

    if exhibit:
        raise UsageError("--exhibit is called --alone now: write that")
    click.echo(strategies.show(name) if alone else strategies.runnable(name))
