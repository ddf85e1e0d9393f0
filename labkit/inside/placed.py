"""Hooks in front of an instance's own methods, and how they go back. Never on a class: others stay as they are."""

from typing import Any

_ABSENT = object()


class Placed:
    """The hooks that were put on some instances."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def put(self, owner: Any, name: str, hook: Any) -> None:
        """Set an attribute, or an entry of a dictionary, and remember what was there."""
        where = owner if isinstance(owner, dict) else vars(owner)
        before = where.get(name, _ABSENT)
        if isinstance(owner, dict):
            owner[name] = hook
        else:
            setattr(owner, name, hook)
        self._undo.append((owner, name, before, hook))

    def take_off(self, only: str | None = None) -> bool:
        """Put back what was there: everything, or the hooks of one name.

        Returns:
            False where somebody has put a hook of their own in front of one of these, which therefore stays.
        """
        stay = []
        for entry in reversed(self._undo):
            owner, name, before, hook = entry
            if only is not None and name != only:
                stay.append(entry)
                continue
            where = owner if isinstance(owner, dict) else vars(owner)
            if where.get(name, _ABSENT) is not hook:
                stay.append(entry)
            elif before is not _ABSENT:
                if isinstance(owner, dict):
                    owner[name] = before
                else:
                    setattr(owner, name, before)
            elif isinstance(owner, dict):
                del owner[name]
            else:
                delattr(owner, name)
        left = stay if only is None else [entry for entry in stay if entry[1] == only]
        self._undo = [] if only is None else [entry for entry in reversed(stay) if entry[1] != only]
        return not left
