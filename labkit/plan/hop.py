"""What handling costs beside the work, and what theory makes of it: two stations in a row.

Every event takes a turn of the server's one GIL. A strategy that works in other processes then hands it to one of so
many workers, which take events one at a time; any other works under that GIL as well. What the hop costs is the figure
of a calibration without load: theory is told nothing of the runs that it predicts.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from labkit.base.errors import RecordError
from labkit.plan import queueing


@dataclass(frozen=True)
class Hop:
    """One event that costs no work, alone.

    Attributes:
        path_ms: from the intended start to the answer, the median.
        server_ms: CPU time of the server's process an event, for which it holds the GIL.
        worker_ms: CPU time of the other processes an event, for which a worker is taken (its broker's part included).
    """

    path_ms: float
    server_ms: float
    worker_ms: float = 0.0

    @property
    def rest_ms(self) -> float:
        """What is neither: wires, wake-ups, the client."""
        return max(0.0, self.path_ms - self.server_ms - self.worker_ms)

    def latencies_s(self, due_s: NDArray[np.float64], service_s: float, workers: int = 0) -> NDArray[np.float64]:
        """From arrival to answer of each event, in seconds.

        In the server, all handlers share the GIL (M/D/1 with processor sharing). Elsewhere, events share it for the
        server's own part, and are then served first in, first out (M/D/c).

        Args:
            due_s: arrivals, shape (events,).
            service_s: of the work alone, in seconds.
            workers: processes that take events; 0 where the server itself works.
        """
        if workers:
            handed_s = queueing.sharing(due_s, self.server_ms / 1000).ends_s
            ends_s = queueing.fifo(handed_s, service_s + self.worker_ms / 1000, workers).ends_s
        else:
            ends_s = queueing.sharing(due_s, service_s + self.server_ms / 1000).ends_s
        beside_ms = self.rest_ms if workers else max(0.0, self.path_ms - self.server_ms)
        latencies_s: NDArray[np.float64] = ends_s - due_s + beside_ms / 1000
        return latencies_s

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {"path_ms": self.path_ms, "server_ms": self.server_ms, "worker_ms": self.worker_ms}

    @classmethod
    def from_dict(cls, told: Any) -> Self:
        """What :meth:`to_dict` wrote.

        Raises:
            RecordError: it is not that.
        """
        try:
            path_ms, server_ms, worker_ms = (float(told[name]) for name in ("path_ms", "server_ms", "worker_ms"))
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"what a hop costs is damaged ({type(error).__name__})") from error
        if not all(0 <= ms < math.inf for ms in (path_ms, server_ms, worker_ms)):
            raise RecordError("what a hop costs is damaged: times are 0 or more")
        return cls(path_ms, server_ms, worker_ms)
