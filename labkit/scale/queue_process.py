"""The workers of a queue: processes that take what waits there and calculate, and that end with their parent."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from labkit.base.errors import LabError, NotPicklable, ServerError
from labkit.base.processes import OrderedProcess

#: How long they may take until they take tasks, in seconds.
START_S = 20.0


class QueueProcess(OrderedProcess):
    """One group of workers: ``with QueueProcess(...) as workers: workers.begin()``.

    Args:
        work: what the strategy has them do: :attr:`labkit.strategies.Strategy.work`.
        calculation: its first argument.
        parameters: its others, the queue among them.
    """

    def __init__(
        self, work: Callable[..., object], calculation: Callable[[Any], Any], parameters: Mapping[str, Any]
    ) -> None:
        self._what = work, calculation, dict(parameters)
        super().__init__("from labkit.scale.queue_worker import main; main()", own_group=True, marked=True)

    def begin(self) -> int:
        """Start them, and wait until they take tasks; the process that leads them.

        Raises:
            NotPicklable: the work cannot be sent to another process.
            ServerError: they did not start, with their own last line.
        """
        import cloudpickle

        try:
            pickled = cloudpickle.dumps(self._what)
        except Exception as error:
            raise NotPicklable(
                f"the work cannot be sent to a worker ({error}): open files, locks and connections inside the function"
            ) from error
        late = ServerError(f"the workers have not begun within {START_S:g} s: see whether Redis answers")
        with self.time_limit(START_S, late):
            pid: int = self.order("work", list(sys.path), pickled)
        return pid

    def ended(self, last_words: str) -> LabError:
        """What to raise where they have ended."""
        return ServerError(f"the workers have ended ({last_words}): see what their work does")
