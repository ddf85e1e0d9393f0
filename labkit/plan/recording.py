"""A recording: the events that clients sent to a server, as JSON Lines, to be read by people and to be replayed.

The first line says what the file is, each further one is an event::

    {"labkit_recording": 1}
    {"time_s": 0.25, "connection": 3, "namespace": "/", "event": "order", "arguments": [{"id": 7}], "ack": true}

Bytes are spelled as ``{"labkit-bytes": "00ff"}`` (:mod:`labkit.plan.wire`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import UsageError
from labkit.plan import wire

#: By which the first line is known; its value is the format's version.
MARK, VERSION = "labkit_recording", 1

#: No line is longer: a server takes no larger packet by default (1 MB, and bytes are spelled with two digits each).
LONGEST_LINE = 8_000_000


@dataclass(frozen=True)
class Recorded:
    """An event that a client sent.

    Attributes:
        time_s: when, from an instant that all events of a recording share; None where nobody knows.
        connection: whose: a number, or a text that is the same for all events of one socket.
        namespace, event: in which, and its name.
        arguments: what it carried.
        ack: whether an acknowledgement was asked for.
    """

    time_s: float | None
    connection: int | str
    namespace: str
    event: str
    arguments: tuple[Any, ...]
    ack: bool

    def line(self) -> str:
        """As a line of a recording, without its end."""
        told = {
            "time_s": self.time_s,
            "connection": self.connection,
            "namespace": self.namespace,
            "event": self.event,
            "arguments": wire.spelled(list(self.arguments)),
            "ack": self.ack,
        }
        return json.dumps(told, separators=(",", ":"))


def head(**about: Any) -> str:
    """The first line."""
    return json.dumps({MARK: VERSION, **about})


def is_head(line: bytes) -> bool:
    """Whether a line is the first of a recording, whatever its version."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and MARK in told


def of_line(line: bytes) -> Recorded:
    """The event of a line.

    Raises:
        ValueError, RecursionError: it is none.
    """
    told = json.loads(line, object_hook=wire.unspelled)
    try:
        found = Recorded(**{**told, "arguments": tuple(told["arguments"])})
    except (TypeError, LookupError) as error:
        raise ValueError(f"no event of a recording ({error})") from None
    time_s = found.time_s
    is_time = isinstance(time_s, int | float) and not isinstance(time_s, bool) and 0 <= time_s < 1e11
    if not (time_s is None or is_time) or not isinstance(told["arguments"], list) or not isinstance(found.ack, bool):
        raise ValueError("no event of a recording")
    if not isinstance(found.connection, int | str) or not found.event or not isinstance(found.event, str):
        raise ValueError("no event of a recording")
    if not isinstance(found.namespace, str) or not found.namespace.startswith("/"):
        raise ValueError("no event of a recording")
    return found


def read(path: Path, left_out: "Counter[str]") -> Iterator[Recorded]:
    """The events of a recording, one after the other.

    Args:
        path: of the file.
        left_out: counts the lines that are no events.

    Raises:
        UsageError: it is of a newer labkit.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        version = json.loads(file.readline(LONGEST_LINE))[MARK]
        if version != VERSION:
            raise UsageError(
                f"{path} is a recording of version {version!r}, and this labkit reads {VERSION}: update it"
            )
        while line := file.readline(LONGEST_LINE):
            if not line.strip():
                continue
            try:
                yield of_line(line)
            except (ValueError, RecursionError):
                left_out["lines that are no events, or were cut"] += 1
