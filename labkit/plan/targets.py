"""What events carry, from the command line: JSON, or a file with one JSON value a line."""

import json
from pathlib import Path
from typing import Any

from labkit.base.errors import WorkloadError


def read(data: str) -> list[Any]:
    """The payloads: those of a file, one a line, where there is one of that name; else the one that the text is.

    Raises:
        WorkloadError: neither a file nor JSON; a line that is not JSON; nothing in it.
    """
    file = Path(data)
    try:
        is_file = file.is_file()
    except (OSError, ValueError):  # too long or odd for a name
        is_file = False
    if not is_file:
        try:
            return [json.loads(data)]
        except ValueError as error:
            raise WorkloadError(f"--data is neither JSON ({error}) nor a file: quote it, or check the name") from None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{file} cannot be read ({error}): give a text file in UTF-8") from None
    payloads = [_line(file, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not payloads:
        raise WorkloadError(f"{file} is empty: give one JSON value a line")
    return payloads


def _line(file: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise WorkloadError(f"line {number} of {file} is not JSON ({error}): give one value a line") from None
