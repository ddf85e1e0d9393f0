"""One process of a run, with who made whom wait in it, as far as that can be read."""

from dataclasses import dataclass

from labkit.base.errors import RecordError
from labkit.experiments import blame as blaming
from labkit.experiments.blame import Blame
from labkit.inside import watched as watches
from labkit.inside.run_folder import Served
from labkit.inside.watched import Watched


@dataclass(frozen=True)
class Looked:
    """One process, with who made whom wait in it.

    Attributes:
        served: its record.
        watched: what a watch has seen; None where there was none, or it cannot be read.
        blame: what follows from both.
        why_not: why there is no blame, a sentence; "" where there is.
    """

    served: Served
    watched: Watched | None = None
    blame: Blame | None = None
    why_not: str = ""


def looked(served: Served) -> Looked:
    """With what was watched, where it was; a file that is damaged costs what it held, and no more."""
    folder = served.folder
    try:
        if (folder / "watched.json").exists():
            watched = watches.load(folder)
            return Looked(served, watched, blaming.blame((served.record, watched)))
        if (folder / "blame.json").exists():
            return Looked(served, None, blaming.load(folder))
    except RecordError as error:
        return Looked(served, why_not=f"Who made whom wait is not known: {error}.")
    why_not = "Nobody watched who made whom wait: what follows comes from the record of events alone."
    return Looked(served, why_not=why_not)
