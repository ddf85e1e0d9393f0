"""What was seen inside an app for a while: its record, and who made whom wait. It is what claims and figures take."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labkit.base.clock import NS_PER_MS, NS_PER_S
from labkit.experiments import inside_summary
from labkit.experiments.blame import Blame
from labkit.experiments.blame_matrix import matrix
from labkit.experiments.inside_shown import events_table, html, paragraphs
from labkit.inside.record import UNKNOWN, Record
from labkit.runs.stages import MISSING


@dataclass(frozen=True, repr=False)
class Seen:
    """A while of an app, seen from inside. Its repr is what it comes to, in words.

    Attributes:
        record: events, emits, connections.
        blame: who made whom wait, and at which line.
    """

    record: Record
    blame: Blame

    def __repr__(self) -> str:
        rows = inside_summary.events(self.record)
        tables = [events_table(rows)] if rows else []
        tables += [matrix(self.blame).table()] if self.blame.rows else []
        return "\n\n".join([*paragraphs(self.record, self.blame), *map(str, tables)])

    def _repr_html_(self) -> str:
        return html(self.record, self.blame)

    def took_ms(self, event: str) -> NDArray[np.float64]:
        """How long each handled event of that name took inside the server, in ms, in the order of their coming.

        From its inbox (where that can be seen, else from the receive loop) until its acknowledgement was written to
        the socket; of one that is not acknowledged, until its handler's end.
        """
        get, chosen = self.column, self._handled(event)
        took_ns = np.maximum(get("answer_written"), get("handler_end")) - self._came_ns()
        return took_ns[chosen] / NS_PER_MS

    def came_s(self, event: str) -> NDArray[np.float64]:
        """When these events came, in s since the first one of all."""
        return self.since_s(self._came_ns()[self._handled(event)])

    def ran_s(self, event: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When handlers of that name started and ended, in s since the first event of all."""
        chosen = self._handled(event)
        return self.since_s(self.column("handler_start")[chosen]), self.since_s(self.column("handler_end")[chosen])

    def receivers(self, emitted: str) -> tuple[int, ...]:
        """Of each emit of that name, made in a handler or elsewhere, how many clients got it."""
        return tuple(
            count
            for name, count in zip(self.record.emits["name"], self.record.emits["receivers"], strict=True)
            if self.record.names[name] == emitted
        )

    @property
    def unsent_most(self) -> int:
        """The most messages that waited for one client at once."""
        return max((each.unsent_most for each in self.record.connections), default=0)

    def column(self, name: str) -> NDArray[np.int64]:
        """A column of the record's events."""
        return np.frombuffer(self.record.events[name], np.int64)

    def since_s(self, instants_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Instants in s since the first event of all."""
        first_ns = int(self.column("dispatched").min(initial=self.record.taken_ns))
        since: NDArray[np.float64] = (instants_ns - first_ns) / NS_PER_S
        return since

    def _came_ns(self) -> NDArray[np.int64]:
        return np.where(self.column("read") != MISSING, self.column("read"), self.column("dispatched"))

    def _handled(self, event: str) -> NDArray[np.bool_]:
        names = self.record.names
        index = names.index(event) if event in names else UNKNOWN
        chosen: NDArray[np.bool_] = (self.column("name") == index) & (self.column("handler_end") != MISSING)
        return chosen
