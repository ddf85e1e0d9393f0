"""JSON as a page reads it: Python's reader takes NaN and Infinity, and JavaScript's ``JSON.parse`` does not.

What a page cannot read costs it more than the one event: socket.io's client reports a parse error and closes the
connection (``Manager.ondata`` in socket.io-client). What ``JSON.parse`` takes and changes is no error, so it must be
counted to be seen: of a whole number beyond 2**53 the last digits are lost. Halves of surrogate pairs, keys that come
twice and deep nesting it takes as they are.
"""

import json
import re
from typing import Any, NoReturn

import socketio.packet

#: JavaScript's ``Number.MAX_SAFE_INTEGER``: a page's numbers are doubles, and not every larger one is one of them.
MAX_SAFE_INTEGER = 2**53 - 1

#: As many digits as the smallest number beyond that has; where there are none, there is nothing to look for.
_LONG = re.compile(rb"\d{16}")

_AND_THEN = "socket.io's client reports a parse error and closes the connection"


class Unreadable(ValueError):
    """No page can read a frame: as a sentence, with what a page does then."""

    def __init__(self, why: str, then: str = _AND_THEN) -> None:
        super().__init__(f"no page can read it: {why}; {then}")


def _refuse(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON")


#: As ``json.JSONDecoder().raw_decode``, but it raises :class:`Unreadable` at what Python takes and a page does not.
read = json.JSONDecoder(parse_constant=_refuse).raw_decode


class _Strict:
    """In place of the module ``json``, for python-socketio."""

    loads = json.JSONDecoder(parse_constant=_refuse).decode
    dumps = json.dumps


class Packet(socketio.packet.Packet):  # type: ignore[misc]
    """python-socketio's own, which reads JSON as a page does."""

    json = _Strict


def no_utf8() -> Unreadable:
    """What to raise where a text frame is no UTF-8 (RFC 6455, 8.1)."""
    return Unreadable("it is no UTF-8", "a browser closes the connection with the code 1007")


def has_long_digits(frame: bytes) -> bool:
    """Whether a frame can carry a number that loses digits; a quick look, so that few have to be searched."""
    return _LONG.search(frame) is not None


def rounded(value: Any) -> int | None:
    """A whole number in a value out of JSON that loses digits in a page; None where there is none."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int) and abs(one) > MAX_SAFE_INTEGER:
            return one
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
    return None
