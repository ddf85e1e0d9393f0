"""A server in another process: what it does, that process is ordered to do."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labkit.server.contract import Served
from labkit.server.setup import Setup
from labkit.server.stamps import Stamps
from labkit.server.steady import Held


class ServedByOrder(Served):
    """The parent's end; a subclass says how an order gets there, and what starts and stops."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._events = 0
        self._errors: list[str] = []

    @abstractmethod
    def _order(self, name: str, *args: Any) -> Any:
        """Give an order and wait for its answer."""

    @property
    def errors(self) -> list[str]:
        """Tracebacks of handlers that raised, up to the last :meth:`collect`."""
        return self._errors

    def handlers(self) -> Mapping[str, tuple[str, ...]] | None:
        """Of each namespace the events that have a handler; None where the mode's app does not show it."""
        told: Mapping[str, tuple[str, ...]] | None = self._order("handlers")
        return told

    def record(self, events: int) -> None:
        """From now on stamp this many events."""
        self._events = events
        self._order("record", events)

    def collect(self) -> Stamps:
        """Stop stamping; the stamps since :meth:`record`, all of them missing where there are no hooks."""
        columns, self._errors, self.log = self._order("collect")
        stamps = Stamps(self._events)
        for name, column in columns.items():
            setattr(stamps, name, column)
        return stamps

    @contextmanager
    def held_still(self, switch_interval_s: float | None, freeze_gc: bool) -> Iterator[Held]:
        """Hold still what is known to change results, in the process that serves."""
        now_s = self._order("hold", switch_interval_s, freeze_gc)
        try:
            yield Held(now_s, lambda: int(self._order("full_collections")))
        finally:
            if self.is_running:
                self._order("release")
