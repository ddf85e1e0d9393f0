"""A fault that was made to happen, what it lost, and what was lost with its remedy."""

from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["fault", "remedy", "also"]


@dataclass(frozen=True)
class Seen:
    """What was lost under one setting.

    Attributes:
        role: ``fault``, ``remedy``, or ``also``: a further version or setting, of which neither is expected.
        setting: what was set.
        lost: messages (or sessions) that failed.
        of: of how many.
        told: what else was seen, a clause.
    """

    role: Role
    setting: str
    lost: int
    of: int
    told: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"role": self.role, "setting": self.setting, "lost": self.lost, "of": self.of, "told": self.told}


@dataclass(frozen=True)
class Fault:
    """One fault as it was seen here.

    Attributes:
        name: in short.
        bites: when it does, a sentence.
        remedy: what to set, a sentence.
        source: where people met it.
        seen: each setting that was tried.
    """

    name: str
    bites: str
    remedy: str
    source: str
    seen: tuple[Seen, ...]

    def of(self, role: str) -> list[Seen]:
        """Those of a role."""
        return [each for each in self.seen if each.role == role]

    @property
    def happened(self) -> bool:
        """Whether the fault was seen: something was lost under each of its settings."""
        return all(each.lost > 0 for each in self.of("fault"))

    @property
    def helped(self) -> bool | None:
        """Whether the remedy helped: a smaller share was lost; None where there was no fault."""
        if not self.happened:
            return None
        worst = max(each.lost / each.of for each in self.of("fault"))
        return all(each.lost / each.of < worst for each in self.of("remedy"))

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.happened:
            return "did not happen here"
        if not self.helped:
            return "happened; the remedy did not help"
        left = sum(each.lost for each in self.of("remedy"))
        return "happened; the remedy helped" + (f", {left} still lost" if left else ": nothing lost")

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.verdict}.", f"  It bites {self.bites}", f"  Remedy: {self.remedy}"]
        lines += [
            f"  {each.role}: {each.setting}: {each.lost} of {each.of} lost{f', {each.told}' if each.told else ''}"
            for each in self.seen
        ]
        return "\n".join([*lines, f"  Source: {self.source}"])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "happened": self.happened,
            "helped": self.helped,
            "bites": self.bites,
            "remedy": self.remedy,
            "source": self.source,
            "seen": [each.to_dict() for each in self.seen],
        }
