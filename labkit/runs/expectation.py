"""What somebody expects of a run, a line each: ``bystander.p98 < 200ms``, ``lost == 0``, ``own.p98 < 1.1 * base``.

The grammar is small, and nothing of it is executed::

    expectation  [strategy ":"] quantity operator bound
    quantity     own.p98, bystander.max, handler_blocking.mean, goodput, rate, lost, timed_out, ... (runs/quantity)
    operator     <  <=  >  >=  ==
    bound        200ms   1.5s   95%   50/s   0   base   1.1 * base

pyparsing reads it. It says at which character it stopped, and matplotlib brings it anyway.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import eq, ge, gt, le, lt
from pathlib import Path
from typing import Any

from labkit.base.errors import UsageError
from labkit.base.files import limited_text
from labkit.base.renamed import refuse_unknown
from labkit.runs.quantity import COUNT, RATE, SHARE, TIME, Quantity, quantity

#: What each operator asks.
OPERATORS = {"<=": le, ">=": ge, "==": eq, "<": lt, ">": gt}

#: For sentences.
EXAMPLES = "'bystander.p98 < 200ms', 'lost == 0', 'goodput >= 95%' or 'own.p98 < 1.1 * base'"

#: Longer than anybody writes, and a strategy's name is the longest part of it.
MOST_CHARACTERS, MOST_BYTES = 300, 100_000

#: Of each kind of quantity the units of its bound, and what one of them comes to in the quantity's own.
_UNITS: dict[str, dict[str, float]] = {
    TIME: {"ms": 1.0, "s": 1000.0},
    SHARE: {"%": 0.01},
    RATE: {"": 1.0, "/s": 1.0},
    COUNT: {"": 1.0, "%": 0.01},
}

#: The same for people.
_WRITTEN = {TIME: "200ms or 1.5s", SHARE: "95%", RATE: "50/s", COUNT: "0"}


@dataclass(frozen=True)
class Expectation:
    """One line, read.

    Attributes:
        text: as it was written, without the strategy.
        quantity: what it is about.
        operator: one of :data:`OPERATORS`.
        bound: in ms, per second, as a share or a count; where `of_base`, how many times the base's.
        of_base: the bound is a multiple of what the base came to.
        of_events: the bound is a share of all events, although the quantity is a count.
        strategy: the only one that it is about; empty for each.
    """

    text: str
    quantity: Quantity
    operator: str
    bound: float
    of_base: bool = False
    of_events: bool = False
    strategy: str = ""

    def is_met_by(self, value: float, bound: float | None = None) -> bool:
        """Whether a value is as asked; against `bound` where that is not the expectation's own."""
        return bool(OPERATORS[self.operator](value, self.bound if bound is None else bound))

    @property
    def wants_less(self) -> bool:
        """Whether smaller values are better."""
        return self.operator in ("<", "<=")

    def __str__(self) -> str:
        return f"{self.strategy}: {self.text}" if self.strategy else self.text


def parse(text: str) -> Expectation:
    """Read one line.

    Raises:
        UsageError: it is none; with the place, the unit, or the nearest name.
    """
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise UsageError(f"an expectation is a line such as {EXAMPLES}, not {str(text)[:60]!r}")
    strategy, _, line = text.rpartition(":")
    line = line.strip()
    told = _read(line)
    asked = quantity(told["quantity"])
    found = Expectation(line, asked, told["operator"], strategy=strategy.strip(), **_bound(line, asked, told))
    _require_sense(found)
    return found


def parse_all(texts: Iterable[str | Expectation]) -> tuple[Expectation, ...]:
    """Read several lines; one that was read already stays as it is."""
    return tuple(text if isinstance(text, Expectation) else parse(text) for text in texts)


def read(path: Path) -> tuple[Expectation, ...]:
    """The expectations of a TOML file: ``expect = ["bystander.p98 < 200ms", "lost == 0"]``.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    wanted = f'write expect = ["lost == 0", ...] into {path.name}'
    try:
        told: dict[str, Any] = tomllib.loads(limited_text(path, MOST_BYTES))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error) or type(error).__name__
        raise UsageError(f"{path} cannot be read as TOML ({reason}): {wanted}") from None
    refuse_unknown(told, ["expect"], f"entry in {path.name} called")
    lines = told.get("expect")
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        raise UsageError(f"{path} holds no list of expectations: {wanted}")
    try:
        return parse_all(lines)
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from None


@lru_cache
def _grammar() -> Any:
    import pyparsing as pp  # not above: who only loads runs need not wait for it

    number = pp.Regex(r"[0-9]+(\.[0-9]+)?")
    name = pp.Regex(r"[A-Za-z_][A-Za-z0-9_.]*")
    base = pp.Keyword("base")
    factor = number("number") + pp.Suppress("*") + base("base")
    plain = number("number") + pp.Optional(pp.one_of("ms s % /s")("unit"))
    return name("quantity") + pp.one_of(list(OPERATORS))("operator") + (factor | base("base") | plain)


def _read(line: str) -> dict[str, str]:
    from pyparsing import ParseException

    try:
        told: dict[str, str] = _grammar().parse_string(line, parse_all=True).as_dict()
    except ParseException as error:
        rest = line[error.loc :].strip()
        where = f"at {rest!r}" if rest else "to its end, where something is missing"
        raise UsageError(f"{line!r} cannot be read {where}: write a line such as {EXAMPLES}") from None
    return told


def _bound(line: str, asked: Quantity, told: dict[str, str]) -> dict[str, Any]:
    """What the line compares with, as the fields of an expectation."""
    number, unit = float(told.get("number", 1)), told.get("unit", "")
    if "base" in told:
        return {"bound": number, "of_base": True}
    units = _UNITS[asked.kind]
    if unit not in units:
        wrong = f"the unit {unit}" if unit else "no unit"
        raise UsageError(f"{line!r}: {asked.name} takes a bound like {_WRITTEN[asked.kind]}, and this has {wrong}")
    return {"bound": number * units[unit], "of_events": asked.kind == COUNT and unit == "%"}


def _require_sense(found: Expectation) -> None:
    asked, line = found.quantity, repr(found.text)
    if found.of_base and asked.kind == COUNT:
        raise UsageError(f"{line}: only times, rate and goodput are compared with base: give {asked.name} a number")
    if found.of_base and found.bound == 0:
        raise UsageError(f"{line}: nothing is below 0 times base: give a factor above 0")
    if found.operator == "==" and (found.of_base or asked.kind in (TIME, RATE)):
        raise UsageError(f"{line}: no two measurements are equal to the last digit: write <= or >=")
    if found.of_events and not asked.is_share_of_events:
        raise UsageError(f"{line}: {asked.name} is no share of the events: give a number without %")
    if (asked.kind == SHARE or found.of_events) and not found.of_base and found.bound > 1:
        raise UsageError(f"{line}: a share is at most 100%: lower the bound")
