"""A table without lines, for the terminal: the look that all commands share."""

from collections.abc import Sequence
from typing import Any

from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text


class PlainTable(Table):
    """A table whose cells are text: a name such as ``[red]`` or ``[/]`` is shown, and never obeyed."""

    def add_row(self, *cells: RenderableType | None, **style: Any) -> None:
        """As rich's, but that text is no markup."""
        super().add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), **style)


def grid(headers: Sequence[str], *, right: Sequence[int] = (), wrap: bool = True) -> Table:
    """An empty table.

    Args:
        headers: one per column.
        right: the columns of figures, which stand at the right.
        wrap: break cells that are too wide into lines; where not, no cell may be too wide.
    """
    shown = PlainTable(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for column, header in enumerate(headers):
        justify: JustifyMethod = "right" if column in right else "left"
        shown.add_column(Text(header), justify=justify, no_wrap=not wrap, overflow="fold" if wrap else "ellipsis")
    return shown
