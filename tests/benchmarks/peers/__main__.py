"""``python -m tests.benchmarks.peers``: both tests, all peers in one run, rounds interleaved in random order."""

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from labkit.base import clock
from labkit.runs import environment
from tests.benchmarks.peers import cost, install, stall, tables
from tests.benchmarks.peers.contenders import PEERS, Peer
from tests.benchmarks.peers.install import Packages
from tests.benchmarks.peers.processes import Failed

Key = TypeVar("Key")
Found = TypeVar("Found")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def interleaved(
    tasks: dict[Key, Callable[[], Found]], rounds: int, seed: int
) -> tuple[dict[Key, list[Found]], dict[Key, list[str]]]:
    """Every task once a round, in another order each round; what was found, and what failed and why."""
    order = random.Random(seed)
    found: dict[Key, list[Found]] = {key: [] for key in tasks}
    failures: dict[Key, list[str]] = {key: [] for key in tasks}
    for number in range(rounds):
        for key in order.sample(list(tasks), len(tasks)):
            try:
                found[key].append(tasks[key]())
            except (Failed, OSError, ValueError, KeyError) as error:
                failures[key].append(str(error))
            _note(f"round {number + 1} of {rounds}: {key}: {(failures[key] or ['measured'])[-1]}")
    return found, failures


def _unavailable(packages: Packages) -> Callable[[], None]:
    def fail() -> None:
        raise Failed(packages.missing)

    return fail


def _versions(packages: dict[str, Packages]) -> str:
    return "; ".join(
        f"{name}: {', '.join(f'{k} {v}' for k, v in p.versions.items())}" for name, p in packages.items() if p.versions
    )


@click.command()
@click.option("--test", type=click.Choice(["cost", "stall", "both"]), default="both", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.5), default=4.0, show_default=True, help="of a round of the cost.")
@click.option("--only", help="Names of peers, by a part of each, separated by commas.")
@click.option("--folder", type=click.Path(path_type=Path), default=install.FOLDER, help="Where packages stay.")
@click.option("--install-only", is_flag=True, help="Install the peers and measure nothing.")
@click.option("--markdown", is_flag=True, help="Tables for a README.")
@click.option("--seed", default=0, show_default=True)
def main(
    test: str,
    rounds: int,
    seconds: float,
    only: str | None,
    folder: Path,
    install_only: bool,
    markdown: bool,
    seed: int,
) -> None:
    """labkit's generator beside its peers: CPU of an acknowledged event, and whether a stall is told."""
    # `timeout` and a runner end with SIGTERM: as an exception it passes every `finally`, so nobody is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    peers = [p for p in PEERS if only is None or any(part.lower() in p.name.lower() for part in only.split(","))]
    if not peers:
        raise click.UsageError(f"--only names none of {', '.join(p.name for p in PEERS)}")
    packages = {}
    for peer in peers:
        _note(f"{peer.name}: looking for its packages")
        packages[peer.name] = peer.install(folder)
        _note(f"{peer.name}: {packages[peer.name].missing or packages[peer.name].versions}")
    if install_only:
        return
    began = clock.utc_stamp()
    if test != "stall":
        _cost(peers, packages, rounds, seconds, seed, markdown)
    if test != "cost":
        _stall(peers, packages, rounds, seed, markdown)
    print(f"\n`python -m tests.benchmarks.peers {' '.join(sys.argv[1:])}`".replace(" `", "`"), began)
    print(environment.one_line())
    print(_versions(packages))


def _cost(
    peers: list[Peer], packages: dict[str, Packages], rounds: int, seconds: float, seed: int, markdown: bool
) -> None:
    def task(peer: Peer) -> Callable[[], cost.Cost]:
        return lambda: cost.measure(peer, packages[peer.name], seconds)

    tasks = {p.name: _unavailable(packages[p.name]) if packages[p.name].missing else task(p) for p in peers}
    found, failures = interleaved(tasks, rounds, seed)
    print(
        f"\nCost: one event after the other on {cost.SOCKETS} sockets, {seconds:g} s a round, against one server "
        f"(picows, in a process of its own) that acknowledges with the event's data. Medians of {rounds} rounds.\n"
    )
    print(tables.render(tables.COST_HEADERS, tables.cost_rows(found, failures), markdown=markdown))


def _stall(peers: list[Peer], packages: dict[str, Packages], rounds: int, seed: int, markdown: bool) -> None:
    def task(peer: Peer, way: str) -> Callable[[], stall.Stall]:
        return lambda: stall.measure(peer, way, packages[peer.name])

    tasks = {
        (p.name, way): _unavailable(packages[p.name]) if packages[p.name].missing else task(p, way)
        for p in peers
        for way in p.ways
    }
    found, failures = interleaved(tasks, rounds, seed)
    print(
        f"\nStall: {stall.RATE_HZ:g} events/s for {stall.SECONDS:g} s on {stall.SOCKETS} sockets, one stall of "
        f"{stall.STALL_S[1] - stall.STALL_S[0]:.0f} s. What each client reports. Medians of {rounds} rounds.\n"
    )
    print(tables.render(tables.STALL_HEADERS, tables.stall_rows(stall.truth(), found, failures), markdown=markdown))


if __name__ == "__main__":
    main()
