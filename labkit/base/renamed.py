"""Arguments that had another name in an earlier version: whoever writes the old one is told the new one."""

import functools
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from labkit.base.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")

#: The old names, with those of today.
RENAMED = {"exhibit": "strategy", "exhibits": "strategies"}


def refuse_old(names: Iterable[str]) -> None:
    """Raise `UsageError` where one of the names is an old one."""
    for name in names:
        if name in RENAMED:
            raise UsageError(f"{name} is called {RENAMED[name]} now: write that")


def refusing_old_names(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which refuses the old names of its arguments with a sentence."""

    @functools.wraps(function)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        refuse_old(kwargs)
        return function(*args, **kwargs)

    return refusing
