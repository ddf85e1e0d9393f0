"""A table without lines, for the terminal: the look that all commands share."""

from collections.abc import Sequence

from rich.console import JustifyMethod
from rich.table import Table


def grid(headers: Sequence[str], *, right: Sequence[int] = (), wrap: bool = True) -> Table:
    """An empty table.

    Args:
        headers: one per column.
        right: the columns of figures, which stand at the right.
        wrap: break cells that are too wide into lines; where not, no cell may be too wide.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for column, header in enumerate(headers):
        justify: JustifyMethod = "right" if column in right else "left"
        shown.add_column(header, justify=justify, no_wrap=not wrap, overflow="fold" if wrap else "ellipsis")
    return shown
