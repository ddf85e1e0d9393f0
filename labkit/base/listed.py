"""One value where several can be given: people who want to know about one write one."""

from collections.abc import Iterable
from numbers import Real
from typing import TypeVar

T = TypeVar("T")


def listed(values: Iterable[T] | T) -> list[T]:
    """The values; of a single one, a list of it. A text is one value."""
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str | bytes) else [values]


def is_number(value: object) -> bool:
    """Whether it is a number that a person means as one: True is none."""
    return isinstance(value, Real) and not isinstance(value, bool)
