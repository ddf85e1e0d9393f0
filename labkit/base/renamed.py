"""Names of arguments: whoever writes an old or a misspelt one is told the right one."""

import difflib
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


def refuse_unknown(names: Iterable[str], known: Iterable[str], what: str = "setting") -> None:
    """Raise `UsageError` where a name is not among the known: with the nearest of them, or all."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UsageError(f"there is no {what} {name!r}: " + (f"{near[0]}?" if near else ", ".join(known)))


def refusing_old_names(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which refuses the old names of its arguments with a sentence."""

    @functools.wraps(function)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        refuse_old(kwargs)
        return function(*args, **kwargs)

    return refusing
