"""Emits in handlers that go to everybody: meant, as a chat line is, or an answer whose ``to=`` was forgotten.

Which of the two it is, only the app's author knows. What can be counted is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.inside.record import UNKNOWN, Connection, Record
from labkit.runs.stages import MISSING

#: Of fewer clients who are connected, nothing is said: a room of two is everybody then.
FEWEST_CLIENTS = 4

#: Such a share of an emit's calls must go to everybody. While somebody comes or leaves, one doesn't.
SHARE = 0.9


@dataclass(frozen=True)
class Broadcast:
    """What the handlers of one event emit to everybody.

    Attributes:
        name: of what is emitted.
        by: the event in whose handlers.
        calls: how often.
        clients: who got each, the median.
        packets: to how many clients it was queued, in sum.
        share: of all that was emitted, in packets, 0 to 1.
    """

    name: str
    by: str
    calls: int
    clients: int
    packets: int
    share: float


def broadcasts(record: Record) -> tuple[Broadcast, ...]:
    """Those of a record, what sends most first."""
    emits = {name: np.frombuffer(column, np.int64) for name, column in record.emits.items()}
    total = int(emits["receivers"].sum())
    by = _events_of(record, emits["event"])
    present = _present(record.connections, emits["at"])
    everybody = (present >= FEWEST_CLIENTS) & (emits["receivers"] >= present)
    found = []
    for name, event in sorted(set(zip(emits["name"].tolist(), by.tolist(), strict=True))):
        chosen = (emits["name"] == name) & (by == event)
        if event == UNKNOWN or np.mean(everybody[chosen]) < SHARE:
            continue
        receivers = emits["receivers"][chosen]
        packets = int(receivers.sum())
        told = record.names[name], record.names[event], len(receivers), int(np.median(receivers))
        found.append(Broadcast(*told, packets, packets / total))
    return tuple(sorted(found, key=lambda each: -each.packets))


def told(found: Sequence[Broadcast]) -> list[str]:
    """A sentence each."""
    return [
        f"`{each.name}`, emitted in the handler of `{each.by}`, goes to everybody: "
        f"{'once' if each.calls == 1 else f'{each.calls} times'} to {each.clients} clients, {each.share:.0%} of all "
        "that was emitted. If it answers its caller, add to= and the caller's sid."
        for each in found
    ]


def _events_of(record: Record, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each emit the index of the name of the event in whose handler it was made; `UNKNOWN` where none is kept."""
    kept = np.frombuffer(record.events["number"], np.int64)
    names = np.frombuffer(record.events["name"], np.int64)
    if not len(kept):
        return np.full(len(numbers), UNKNOWN)
    order = np.argsort(kept)
    at = np.minimum(np.searchsorted(kept[order], numbers), len(kept) - 1)
    return np.where(kept[order][at] == numbers, names[order][at], UNKNOWN)


def _present(connections: Sequence[Connection], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many clients were connected at each instant."""
    opened = np.sort([each.opened_ns for each in connections])
    closed = np.sort([each.closed_ns for each in connections if each.closed_ns != MISSING])
    come, gone = np.searchsorted(opened, at, "right"), np.searchsorted(closed, at, "right")
    return (come - gone).astype(np.int64)
