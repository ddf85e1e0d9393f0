"""What ``--option NAME=VALUE`` says: an argument of ``SocketIO(...)``."""

import json
from collections.abc import Iterable
from typing import Any

from labkit.base.errors import UsageError
from labkit.server.hosts.parts import FLASK_SOCKETIO_OPTIONS, check_options


def parsed(texts: Iterable[str]) -> dict[str, Any]:
    """The options by name; a value is JSON, Python's True, False or None, or else text.

    Raises:
        UsageError: there is no such option, or it is not ``NAME=VALUE``.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--option is NAME=VALUE, such as max_http_buffer_size=5000000, not {text!r}")
        found[name.strip()] = _value(value.strip())
    check_options(found, FLASK_SOCKETIO_OPTIONS)
    return found


def _value(text: str) -> Any:
    known = {"True": True, "False": False, "None": None}
    if text in known:
        return known[text]
    try:
        return json.loads(text)
    except ValueError:
        return text
