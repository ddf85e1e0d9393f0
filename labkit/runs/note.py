"""A reason for doubt: what was seen, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One reason for doubt.

    Attributes:
        kind: what was checked; notes of one kind are told once.
        badness: the larger, the worse, among notes of one kind.
        invalid: the figures must not be used.
        why: what was seen.
        advice: what to do about it.
    """

    kind: str
    badness: float
    invalid: bool
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{'INVALID' if self.invalid else 'caution'}: {self.why}; {self.advice}"
