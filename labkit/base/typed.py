"""Dataclasses out of JSON that need not be what it claims: every value has the annotated type, or is refused.

The annotations must be types, not text: a module that imports annotations from ``__future__`` has none of these.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

T = TypeVar("T")

#: Larger integers have no room in a column, and are no count and no instant of anything.
MOST = 2**60


def built(kind: type[T], told: Any, **given: Any) -> T:
    """A dataclass of what JSON says.

    Args:
        kind: the dataclass.
        told: a dictionary by the names of its fields.
        given: fields that are not taken from it.

    Raises:
        ValueError: something is missing, is too much, or has another type.
    """
    if not isinstance(told, dict):
        raise ValueError(f"{kind.__name__} is {_shown(told)}")
    types = {each.name: each.type for each in fields(kind) if each.name not in given}  # type: ignore[arg-type]
    if unknown := [name for name in told if name not in types]:
        raise ValueError(f"{kind.__name__} has no {unknown[0]!r}")
    values = {}
    for name, value in told.items():
        try:
            values[name] = typed(types[name], value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    try:
        return kind(**values, **given)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} is not complete: {error}") from error


def typed(kind: Any, told: Any) -> Any:
    """What JSON says, as a value of that type.

    Lone halves of surrogate pairs, which text may have and no file in UTF-8, are written out.

    Args:
        kind: ``str``, ``int``, ``float``, ``bool``, ``None``, ``Any``, a dataclass; ``list[...]``,
            ``tuple[..., ...]``, ``dict[str, ...]`` and unions of these.
        told: a value from JSON.

    Raises:
        ValueError: it is of another type, or an integer beyond `MOST`.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return _clean(told)
    if is_dataclass(kind):
        return built(kind, told)  # type: ignore[arg-type]
    if origin is UnionType:
        for each in arguments:
            try:
                return typed(each, told)
            except ValueError:
                continue
    elif origin in (list, tuple) and isinstance(told, list):
        return origin(typed(arguments[0], each) for each in told)
    elif origin in (dict, Mapping) and isinstance(told, dict):
        return {_text(name): typed(arguments[1], value) for name, value in told.items()}
    elif kind is str and isinstance(told, str):
        return _text(told)
    elif _is_plain(kind, told):
        return told
    raise ValueError(f"{_shown(told)} where {getattr(kind, '__name__', kind)} is expected")


def require_above_0(*values: float, below: float) -> None:
    """ValueError where one of them is not above 0, or is not below the other bound; not a number is neither."""
    for value in values:
        if not 0 < value < below:
            raise ValueError(f"{_shown(value)} is not above 0 and below {below:g}")


def _is_plain(kind: Any, told: Any) -> bool:
    if kind in (None, NoneType):
        return told is None
    if kind is bool:
        return isinstance(told, bool)
    if kind is float and isinstance(told, float):
        return True
    return kind in (int, float) and type(told) is int and abs(told) <= MOST


def _clean(told: Any) -> Any:
    if isinstance(told, str):
        return _text(told)
    if isinstance(told, list):
        return [_clean(each) for each in told]
    if isinstance(told, dict):
        return {_text(name): _clean(value) for name, value in told.items()}
    return told


def _text(told: str) -> str:
    return told if told.isascii() else told.encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(told: Any) -> str:
    text = repr(told)
    return text if len(text) <= 40 else f"{text[:37]}..."
