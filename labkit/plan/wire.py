"""Values as Socket.IO carries them: JSON, and bytes beside it, which may stand anywhere in lists and dictionaries.

Bytes travel as attachments of their own (https://socket.io/docs/v4/socket-io-protocol/). Here they are spelled, so that
values with bytes in them can be checked, compared and copied as JSON is.
"""

import json
from typing import Any

_BYTES = "labkit-bytes"


def require(value: Any, *, allow_nan: bool = True) -> None:
    """Raise `TypeError`, `ValueError` or `RecursionError` where Socket.IO cannot carry a value.

    Args:
        value: which.
        allow_nan: also NaN and the infinities, which Python writes and no page reads.
    """
    try:
        json.dumps(value, allow_nan=allow_nan)
    except TypeError:
        json.dumps(spelled(value), allow_nan=allow_nan)


def text(value: Any) -> str:
    """A value as JSON, the same for the same value; bytes are spelled.

    Raises:
        TypeError, ValueError, RecursionError: Socket.IO cannot carry it.
    """
    try:
        return json.dumps(value, sort_keys=True)
    except TypeError:
        return json.dumps(spelled(value), sort_keys=True)


def as_received(value: Any) -> Any:
    """A value as the other end reads it: a tuple is a list, a key a string, bytes are bytes.

    Raises:
        TypeError, ValueError, RecursionError: Socket.IO cannot carry it.
    """
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return json.loads(json.dumps(spelled(value)), object_hook=unspelled)


def spelled(value: Any) -> Any:
    """Bytes as text where Socket.IO looks for them: in lists and dictionaries, and not in tuples."""
    if isinstance(value, bytes | bytearray):
        return {_BYTES: value.hex()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    return value


def unspelled(value: dict[str, Any]) -> Any:
    """Bytes where :func:`spelled` has put text; for ``object_hook`` of :mod:`json`. ValueError where it is none."""
    return bytes.fromhex(value[_BYTES]) if value.keys() == {_BYTES} else value
