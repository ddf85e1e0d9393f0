"""The command ``labkit capacity``: a bracket for each strategy, and the curve."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from labkit.base import errors

MEASURED, UNCONFIRMED = 0, 1


@click.command()
@click.argument("strategies", nargs=-1)
@click.option("--work", "target", default="prices", show_default=True, help="Of an event; as of labkit compare.")
@click.option("--bound", type=float, default=200, show_default=True, help="On p98 of caller and bystander.")
@click.option("--seconds", type=float, default=60, show_default=True, help="At most, for each strategy.")
@click.option("--poisson", is_flag=True, help="Random arrivals instead of evenly spaced ones.")
@click.option("--connections", type=int, default=1, show_default=True, help="Clients that send, in turn.")
@click.option("--app", metavar="PKG.MODULE:CREATE_APP", help="Run a function of yours inside this Flask app's context.")
@click.option("--data", metavar="JSON|FILE", help="What events carry: JSON, or a file with one value a line.")
@click.option("--mode", default="threading", show_default=True, help="What serves; as of labkit compare.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of payloads and arrivals.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file for the figure, such as curve.png."
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")
def capacity(
    strategies: tuple[str, ...],
    target: str,
    bound: float,
    seconds: float,
    poisson: bool,
    connections: int,
    app: str | None,
    data: str | None,
    mode: str,
    seed: int,
    out: Path | None,
    json_: bool,
) -> None:
    """How many events a second a strategy takes within a bound on latency, as a bracket.

    STRATEGIES are names (see labkit list); the mode's inline and process-pool where none is given. Each is overloaded
    once to see what it can do at most, then fired at with 0.9 and 1.1 times of that; where these do not show it, the
    search goes on by halving. Exit code: 0 every bracket is confirmed at both ends, 1 one is not, 2 wrong usage.
    """
    from labkit.experiments.capacity import Trial
    from labkit.experiments.capacity_search import capacity as find
    from labkit.plan import flask_app, targets
    from labkit.plan import work as workloads
    from labkit.strategies import default_in, strategy

    if not 0 < seconds < 86_400:
        raise errors.UsageError(f"--seconds must be above 0 and less than a day, not {seconds:g}")
    usual = [name for name in default_in(mode) if name.endswith(("inline", "process-pool"))]
    chosen = [strategy(name) for name in strategies or usual]
    for s in chosen:
        s.require_mode(mode)
    work = workloads.parse(target, None if data is None else targets.read(data))
    if app is not None:
        work = flask_app.in_app(work, app)
    asked: dict[str, Any] = {"bound_ms": bound, "random": poisson, "connections": connections, "limit_s": seconds}
    found = []
    for s in chosen:

        def told(trial: Trial, name: str = s.name) -> None:
            click.echo(f"{name}, {trial.rate_hz:.4g} a second: {trial.verdict}", err=True)

        found.append(find(s, work, mode=mode, seed=seed, progress=told, **asked))
        if not json_:
            click.echo(found[-1])
    if json_:
        click.echo(json.dumps([one.to_dict() for one in found], indent=2, allow_nan=False))
    if out is not None:
        import matplotlib as mpl

        mpl.use("Agg")
        from labkit.plots import capacity as capacity_plots

        capacity_plots.capacity_curve(*found).savefig(out)
        click.echo(f"Figure: {out}", err=json_)
    sys.exit(MEASURED if all(one.is_confirmed for one in found) else UNCONFIRMED)
