"""What was measured as Markdown, for the summary of a step in CI: a table, the verdicts, every reason for doubt."""

from pathlib import Path

from labkit.base.errors import UsageError
from labkit.runs import table as tables
from labkit.runs.comparison import Comparison
from labkit.runs.diff import Diff
from labkit.runs.gate import Judgement
from labkit.runs.verdicts import State, Verdicts


def of_comparison(title: str, result: Comparison, found: Verdicts | None) -> str:
    """A comparison: verdicts first where something was expected, then the table, then the reasons for doubt."""
    parts = ["## labkit", _line(title)]
    if found is not None:
        mark = {State.HOLDS: "as expected", State.BROKEN: "not as expected", State.UNKNOWN: "nobody can tell"}
        table = found.table()
        parts += [f"**{mark[found.state].capitalize()}.** {found.headline}", table.github(), _listed(table.notes)]
    parts += [tables.of_summaries(result.summaries).github(), _listed(result.notes)]
    return _joined(parts)


def of_diff(title: str, found: Diff) -> str:
    """Two sets of runs side by side: what may explain a difference, the sentences, the table."""
    parts = ["## labkit diff", _line(title), _listed(found.cautions)]
    parts += [_listed([f"**{sentence}**" for sentence in map(_line, found.sentences)], escape=False)]
    return _joined([*parts, found.table().github() if found.changes else "", _listed(found.left_out)])


def of_gate(verdict: str, title: str, judged: Judgement, found: Verdicts | None, notes: list[str]) -> str:
    """Two versions of an app: the verdict, the sentences, the table, and what to know of both."""
    parts = [f"## labkit gate: {_line(verdict)}", _line(title)]
    parts += [_listed([f"**{sentence}**" for sentence in map(_line, judged.sentences)], escape=False)]
    if found is not None:
        table = found.table()
        parts += [_line(found.headline), table.github(), _listed(table.notes)]
    both = judged.found
    return _joined([*parts, both.table().github() if both.changes else "", _listed((*notes, *both.notes))])


def append(path: Path, text: str) -> None:
    """Append to a file, which is made where it is not there.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file") from error


def _listed(lines: "tuple[str, ...] | list[str]", escape: bool = True) -> str:
    return "\n".join(f"- {_line(line) if escape else line}" for line in lines)


def _line(text: str) -> str:
    """A text as one line that is no markup."""
    flat = " ".join(text.split())
    for character in "\\`*_<>[]#|":
        flat = flat.replace(character, f"\\{character}")
    return flat


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n\n"
