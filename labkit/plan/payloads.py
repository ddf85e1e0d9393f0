"""What the events of a plan carry, where it is no work of the lab's: values in turn, with placeholders filled in.

``{counter}`` is the event's number in the plan, ``{client}`` its client's, both from 0. A string that is a placeholder
and nothing else becomes the number; within a longer one it becomes text. Other braces stay as they are.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from labkit.base.errors import UsageError
from labkit.base.text import one_line, told
from labkit.plan import targets, wire
from labkit.plan.schedules import Schedule

#: In place of a payload: the event carries no argument at all.
NOTHING = ()

_PLACE = re.compile(r"\{(counter|client)\}")


def filled(value: Any, numbers: Mapping[str, int]) -> Any:
    """A value with its placeholders filled in, wherever they stand in lists and dictionaries, keys excepted."""
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        if whole:
            return numbers.get(whole[1], value)
        return _PLACE.sub(lambda found: str(numbers.get(found[1], found[0])), value)
    if isinstance(value, list):
        return [filled(one, numbers) for one in value]
    if isinstance(value, tuple):
        return tuple(filled(one, numbers) for one in value)
    if isinstance(value, dict):
        return {key: filled(one, numbers) for key, one in value.items()}
    return value


def arguments(payload: Any) -> list[Any]:
    """The arguments of an event: a tuple is several of them, as python-socketio has it; anything else is one."""
    return list(payload) if isinstance(payload, tuple) else [payload]


def for_plan(plan: Schedule, values: Iterable[Any], more: int = 0) -> list[Any]:
    """What each event of a plan carries, then what `more` events before it carry.

    Args:
        plan: what is fired.
        values: in turn, again from the first where they are fewer; a generator is asked for as many as are needed.
        more: so many events are sent before the plan; their counters follow the plan's.

    Raises:
        UsageError: there is no value, one cannot be sent, or what makes them fails.
    """
    count = len(plan) + more
    clients = [*plan.connection.tolist(), *(number % plan.connections for number in range(more))]
    drawn = list(itertools.islice(_made(values), count))
    if not drawn:
        raise UsageError("there is nothing to send: give one payload at least, or leave payloads out")
    for value in drawn:
        _require_sendable(value)
    turn = itertools.islice(itertools.cycle(drawn), count)
    numbers = zip(itertools.count(), clients, turn)
    return [filled(value, {"counter": counter, "client": client}) for counter, client, value in numbers]


def _made(values: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from values
    except Exception as error:  # whatever the reader's generator raises
        raise UsageError(f"what makes the payloads failed ({one_line(told(error))}): mend it") from error


def _require_sendable(value: Any) -> None:
    try:
        wire.require(arguments(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"a payload cannot be sent as JSON ({one_line(str(error))}): give dicts, lists, strings, numbers, bytes"
        ) from None


def chosen(payload: Any, payloads: Any) -> Iterable[Any]:
    """The values of the two ways to name them: one for all events, or several in turn.

    Raises:
        UsageError: both are given, or `payloads` is no list, generator or function that returns one.
    """
    if payloads is None:
        return [payload]
    if payload is not NOTHING:
        raise UsageError("payload is one value for all events, payloads are several in turn: give one of them")
    if callable(payloads):
        try:
            payloads = payloads()
        except Exception as error:
            raise UsageError(f"what makes the payloads failed ({one_line(told(error))}): mend it") from error
    if not isinstance(payloads, Iterable) or isinstance(payloads, str | bytes | Mapping):
        raise UsageError(f"payloads is a list, a generator or a function that returns one, not {payloads!r:.80}")
    return payloads


def named(data: str) -> Any:
    """What a command line names with --data: JSON for all events, ``@FILE`` of JSON Lines in turn, ``module:function``.

    Returns:
        What ``payloads=`` of :func:`labkit.fire` takes.

    Raises:
        WorkloadError: it is none of these.
    """
    if data.startswith("@"):
        return targets.read_lines(data[1:])
    function = re.fullmatch(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)", data)
    return targets.imported(*function.groups()) if function else targets.read(data)


def field_of(value: Any, path: str) -> Any:
    """The field of a value, ``order.id`` within a field; numbers count in lists. None where it is not there."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes) and name.isdigit():
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value
