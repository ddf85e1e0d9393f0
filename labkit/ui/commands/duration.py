"""Times as people type them."""

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Type = click.ParamType[float]
else:  # generic since click 8.3 only
    _Type = click.ParamType


class Duration(_Type):
    """Seconds, as ``5``, ``5s`` or ``200ms``."""

    name = "S"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds, or a sentence."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min)?", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no time: write 5, 5s or 200ms", param, ctx)
        return float(found[1]) * {"ms": 1e-3, "m": 60.0, "min": 60.0}.get(found[2] or "s", 1.0)
