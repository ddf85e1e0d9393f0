"""How large an event may be: each end ends a connection on which more comes, without a word to whom it cuts off."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engineio.base_server import BaseServer

from labkit.plan.modes import MODES

#: Engine.IO's setting. It counts the characters of a text frame, and the body of a polling request.
SETTING = "max_http_buffer_size"


@dataclass(frozen=True)
class Limit:
    """A limit on the size of one message.

    Attributes:
        setting: its name.
        most: so much passes, in bytes.
        remedy: how to raise it, after a colon.
    """

    setting: str
    most: int
    remedy: str


def of_server(mode: str, options: Mapping[str, Any], largest: int = 0) -> Limit:
    """The limit on what a client sends: of all that hold in this mode, with these options, the smallest.

    Args:
        largest: what is to pass, in bytes, for the remedy.
    """
    default = inspect.signature(BaseServer).parameters[SETTING].default
    own = Limit(
        SETTING,
        int(options.get(SETTING, default)),
        f'options={{"{SETTING}": {largest}}} raises it, as --option {SETTING}={largest} does',
    )
    below = [Limit(name, most, "labkit leaves it as it is") for name, most in MODES[mode].bytes_at_most.items()]
    return min((own, *below), key=lambda limit: limit.most)
