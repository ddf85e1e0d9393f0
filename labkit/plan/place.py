"""A process other than this one, in which a work's function was imported; what a work knows of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Place(Protocol):
    """Where a function is that was not imported here.

    Attributes:
        is_renewed: start each server in a process that has just imported everything anew, since the work keeps state.
    """

    is_renewed: bool

    def run(self, job: Callable[Concatenate[Any, P], T], work: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``job(work, *args)`` returns, or raises, there; `job` is a function of a module of labkit."""

    def server(self, strategy: Any, calculation: Callable[[Any], Any], **settings: Any) -> Any:
        """A server on a thread of that process: a :class:`labkit.server.contract.Served`."""

    def keep_output(self, path: Path) -> int:
        """Keep what was printed there in a file, where anything was; how many lines."""
