"""How a notebook shows what was seen."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.inside.record import Record
    from labkit.inside.watched import Watched


def shown(record: "Record", watched: "Watched | None" = None) -> str:
    """The verdict, a table, and who waited for whom, as HTML without script.

    What says that stands above this room and takes numpy. So it is imported by its name, and only where a notebook
    asks: an app that is looked into stays as light as it is.
    """
    blame = None if watched is None else import_module("labkit.experiments.blame").blame((record, watched))
    told: str = import_module("labkit.experiments.inside_shown").html(record, blame)
    return told
