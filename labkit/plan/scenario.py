"""What each client does before the load: a list of emits and waits, as joining a room is.

As TOML::

    [[step]]
    emit = "join"
    data = {room = "lobby", who = "{client}"}
    wait = "ack"          # or the name of an event, or a number of seconds
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import UsageError
from labkit.base.files import limited_text
from labkit.plan import payloads, wire
from labkit.plan.payloads import NOTHING

#: What `wait` says where an emit's acknowledgement is waited for.
ACK = "ack"

_KEYS = ("emit", "data", "wait")

#: Longer than this nobody means to wait for a client to be ready.
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        emit: the event that is sent; empty for none.
        data: what it carries; ``{client}`` in it is the client's number.
        wait: what is waited for then: ``ack``, the name of an event, or so many seconds; None for nothing.
    """

    emit: str = ""
    data: Any = NOTHING
    wait: str | float | None = None

    def __str__(self) -> str:
        parts = [f"emit {self.emit!r}"] if self.emit else []
        if self.wait is not None:
            parts.append(f"wait for {self.wait!r}" if isinstance(self.wait, str) else f"wait {self.wait:g} s")
        return ", ".join(parts)


def of(given: Any) -> tuple[Step, ...]:
    """The steps that are given: a list of dictionaries, the name of a TOML file, or a function that returns a list.

    Raises:
        UsageError: one makes no sense.
    """
    if given is None:
        return ()
    if callable(given):
        given = given()
    if isinstance(given, str | Path):
        return _read(Path(given))
    if isinstance(given, Mapping) or not isinstance(given, Sequence):
        raise UsageError(f"a scenario is a list of steps or a file of TOML, not {given!r:.80}")
    return tuple(_step(number, one) for number, one in enumerate(given, 1))


def _read(file: Path) -> tuple[Step, ...]:
    try:
        told = tomllib.loads(limited_text(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}): give a file of TOML in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file} is no TOML ({error}): write each step as [[step]] and its lines") from None
    steps = told.get("step")
    if set(told) != {"step"} or not isinstance(steps, list):
        raise UsageError(f"{file} has steps and nothing else: write each as [[step]] and its lines")
    return tuple(_step(number, one) for number, one in enumerate(steps, 1))


def _step(number: int, given: Any) -> Step:
    if isinstance(given, Step):
        return given
    if not isinstance(given, Mapping) or not given or set(given) - set(_KEYS):
        raise UsageError(f"step {number} of the scenario has emit, data and wait, and not {given!r:.80}")
    step = Step(given.get("emit", ""), given.get("data", NOTHING), given.get("wait"))
    if not isinstance(step.emit, str) or ("emit" in given and not step.emit):
        raise UsageError(f"step {number} of the scenario emits {step.emit!r}, which is no name of an event")
    if not step.emit and (step.data is not NOTHING or step.wait is None or step.wait == ACK):
        raise UsageError(f"step {number} of the scenario has data or waits for an ack, but emits nothing: give emit")
    is_time = isinstance(step.wait, int | float) and not isinstance(step.wait, bool) and 0 <= step.wait <= MOST_SECONDS
    if not (step.wait is None or is_time or (isinstance(step.wait, str) and step.wait)):
        raise UsageError(
            f"step {number} of the scenario waits for {step.wait!r}: give 'ack', the name of an event, or seconds"
        )
    try:
        wire.require(payloads.arguments(step.data), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:  # a date is TOML and no JSON
        raise UsageError(f"the data of step {number} cannot be sent as JSON ({error})") from None
    return step
