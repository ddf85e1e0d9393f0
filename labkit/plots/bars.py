"""One finding as small as a stamp: a few bars with their numbers, readable where a table has room for 260 pixels."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from labkit.base.errors import UsageError
from labkit.base.text import milliseconds
from labkit.plots.style import BLUE, styled

#: A little narrower than 260 pixels: a notebook adds a margin of its own.
SMALL_IN = 2.5

#: More bars than this are not read at a glance.
MOST = 4


@styled
def thumbnail(values: Mapping[str, float], *, of: str, unit: str = "ms") -> Figure:
    """Bars from 0, each with its name above it and its number behind it; the longest is dark.

    Args:
        values: by name; at most :data:`MOST`. What never came is infinite: its bar reaches as far as the longest.
        of: what the numbers are, in a few words, such as ``a bystander waits``.
        unit: behind the numbers; milliseconds have as many digits as elsewhere, other units none.

    Raises:
        UsageError: there is no value, or there are more than can be read.
    """
    known = {name: float(value) for name, value in values.items() if not math.isnan(value)}
    if not 0 < len(known) <= MOST:
        raise UsageError(f"a thumbnail shows 1 to {MOST} values, not {len(known)}: leave out what is not the finding")
    longest = max([value for value in known.values() if math.isfinite(value)], default=1.0) or 1.0
    figure, axes = plt.subplots(figsize=(SMALL_IN, 0.42 + 0.36 * len(known)))
    for row, (name, value) in enumerate(known.items()):
        reach = min(value, longest)
        axes.barh(row + 0.22, reach, height=0.36, color=BLUE, alpha=1.0 if reach == longest else 0.55)
        axes.text(0, row - 0.01, name, ha="left", va="bottom", fontsize=9)
        axes.annotate(_told(value, unit), (reach, row + 0.22), (3, 0), textcoords="offset points", va="center")
    axes.set_ylim(len(known) - 0.45, -0.42)
    axes.set_xlim(0, 1.4 * longest)  # room for the number behind the longest
    axes.axis("off")
    axes.set_title(of, fontsize=10.5, fontweight="bold")
    return figure


def _told(value: float, unit: str) -> str:
    if math.isinf(value):
        return "never"
    return f"{milliseconds(value) if unit == 'ms' else np.format_float_positional(value, 0, trim='-')} {unit}".strip()
