"""Files that appear whole, names that every file system takes, and folders that are not used twice."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from labkit.base.errors import UsageError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file that appears under its name only when it is complete: write to the path that this gives."""
    half = path.with_name(path.name + ".part")
    try:
        yield half
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """The text as a part of a file's name: letters, digits, hyphens and underscores stay, all else is a hyphen."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text)


def unused_folder(folder: Path, pattern: str, holds: str) -> Path:
    """The folder, where it is not there yet or holds no file of this kind.

    Args:
        folder: which.
        pattern: of the files that must not be there, such as ``run-*.json``.
        holds: what such files are, for the error's sentence.

    Raises:
        UsageError: it is a file, or holds such files.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder")
    if any(folder.glob(pattern)):
        raise UsageError(f"{folder} holds {holds}: name another folder")
    return folder


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder of this name, or of the name with a number where somebody else has just made it.

    Two commands that begin in one second write into two folders.

    Raises:
        UsageError: the folder cannot be made.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = parent / (name if number == 1 else f"{name}_{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise UsageError(f"{parent} cannot be written to ({error.strerror}): name a folder with --out") from error
    raise UsageError(f"{parent} has no free name like {name}: name a folder with --out")
