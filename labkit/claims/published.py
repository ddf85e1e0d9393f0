"""The recorded verdicts: what several runs of the set said on a machine that is named, and how often they agreed."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from labkit.base import clock
from labkit.base.errors import RecordError, UsageError
from labkit.base.files import whole
from labkit.claims.claim import HOLDS, NOT_TESTABLE, Verdict
from labkit.claims.line import LineVerdict

#: The layout of the file. One that is newer than this is refused.
SCHEMA_VERSION = 1

#: Part of the package: what was published with this version.
FILE = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True)
class RecordedLine:
    """A line's verdict: the one that all runs agreed on, or None; and how many runs said so, at most."""

    status: str | None
    reproduced: int


@dataclass(frozen=True)
class RecordedClaim:
    """A claim's verdict.

    Attributes:
        status: the one that all runs agreed on; None where they did not.
        held, judged: in how many runs it held, of how many that could judge it.
        smallest_headroom: of these runs; None for exact counts, and where none could judge it.
    """

    status: str | None
    held: int
    judged: int
    smallest_headroom: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Recorded:
    """Several runs of the set.

    Attributes:
        runs: how many.
        date: when the last of them ended; ISO 8601, UTC.
        command: what made it.
        environment: machine and versions; JSON.
        lines, claims: by number and by slug.
    """

    runs: int
    date: str
    command: str
    environment: Mapping[str, Any]
    lines: Mapping[int, RecordedLine]
    claims: Mapping[str, RecordedClaim]

    def differences(self, lines: Iterable[LineVerdict]) -> tuple[str, ...]:
        """Where these verdicts are others than the recorded ones: a sentence each.

        A line of which something could not be tested is not compared: its verdict may be another for want of that.
        """
        lines = tuple(lines)
        said = []
        for each in lines:
            known = self.lines.get(each.line.number)
            if each.complete and known is not None and known.status not in (None, each.status, NOT_TESTABLE):
                said.append(f"Line {each.line.number}: {each.status}, recorded as {known.status}.")
        for slug, verdict in {s: v for each in lines for s, v in each.verdicts.items()}.items():
            earlier = self.claims.get(slug)
            compared = earlier is not None and NOT_TESTABLE not in (verdict.status, earlier.status)
            if compared and earlier is not None and earlier.status not in (None, verdict.status):
                said.append(f"{slug}: {verdict.status}, recorded as {earlier.status}.")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "runs": self.runs,
            "date": self.date,
            "command": self.command,
            "environment": dict(self.environment),
            "lines": {str(number): asdict(line) for number, line in self.lines.items()},
            "claims": {slug: each.to_dict() for slug, each in self.claims.items()},
        }

    def save(self, path: Path | None = None) -> Path:
        """Write it, whole or not at all; the file of the package where no path is given."""
        path = FILE if path is None else path
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        try:
            with whole(path) as half:
                half.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error}): record from a clone of the repository") from error
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RecordError: it is not there, is damaged, or was written by a newer labkit.
        """
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["schema_version"] > SCHEMA_VERSION:
                raise RecordError(f"{path.name} has a newer schema than this labkit: read it with a newer one")
            return cls(
                runs=int(about["runs"]),
                date=str(about["date"]),
                command=str(about["command"]),
                environment=dict(about["environment"]),
                lines={int(number): RecordedLine(**line) for number, line in about["lines"].items()},
                claims={str(slug): RecordedClaim(**each) for slug, each in about["claims"].items()},
            )
        except FileNotFoundError as error:
            raise RecordError(f"there are no recorded verdicts at {path}: labkit claims --record makes them") from error
        except (AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
            raise RecordError(
                f"{path.name} holds no recorded verdicts, or is damaged ({type(error).__name__})"
            ) from error


def recorded() -> Recorded | None:
    """The verdicts that were published with this version of labkit; None where none were."""
    return Recorded.load(FILE) if FILE.exists() else None


def summarised(runs: Sequence[Sequence[LineVerdict]], environment: Mapping[str, Any], command: str) -> Recorded:
    """What several runs of the set have in common; `runs` holds the line verdicts of each."""
    if not runs:
        raise UsageError("there is no run to summarise: measure at least one")
    by_line: dict[int, list[str]] = {}
    by_claim: dict[str, list[Verdict]] = {}
    for lines in runs:
        for each in lines:
            by_line.setdefault(each.line.number, []).append(each.status)
        for slug, verdict in {s: v for each in lines for s, v in each.verdicts.items()}.items():
            by_claim.setdefault(slug, []).append(verdict)
    return Recorded(
        runs=len(runs),
        date=clock.utc_stamp(),
        command=command,
        environment=environment,
        lines={number: RecordedLine(*_common(said)) for number, said in sorted(by_line.items())},
        claims={slug: _claim(verdicts) for slug, verdicts in by_claim.items()},
    )


def _common(said: Sequence[str]) -> tuple[str | None, int]:
    most = max(said.count(status) for status in said)
    return (said[0] if most == len(said) else None), most


def _claim(verdicts: Sequence[Verdict]) -> RecordedClaim:
    judged = [v for v in verdicts if v.status != NOT_TESTABLE]
    margins = [v.margin for v in judged if v.margin is not None]
    smallest = min(margins, default=math.nan)
    return RecordedClaim(
        status=_common([v.status for v in verdicts])[0],
        held=sum(v.status == HOLDS for v in judged),
        judged=len(judged),
        smallest_headroom=round(smallest, 3) if math.isfinite(smallest) else None,
    )
