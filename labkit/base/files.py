"""Files that appear whole, names that every file system takes, and folders that are not used twice."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from labkit.base.errors import UsageError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file that appears under its name only when it is complete: write to the path that this gives.

    Raises:
        UsageError: under that name is something that must not be replaced, such as a device.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file: name one")
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


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, made where it is not there, and nobody else's within the block; taken away again if it stays empty.

    A file in it says whose it is. What was left by a process that is gone claims nothing.

    Raises:
        UsageError: another process works there now, or the folder cannot be made.
    """
    mark = folder / _IN_USE
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_claim(mark)
    except OSError as error:
        _remove_empty(made)
        raise UsageError(f"{folder} cannot be written to ({error.strerror}): name another folder") from error
    try:
        yield folder
    finally:
        mark.unlink(missing_ok=True)
        _remove_empty(made)


#: Holds the number of the process that writes into a folder.
_IN_USE = "in-use"


def _write_claim(mark: Path) -> None:
    """Make the file, as the only one who does.

    Somebody has made it and not yet written into it: that is a claim, too.
    """
    for _ in range(2):
        try:
            _write_new(mark, str(os.getpid()))
        except FileExistsError:
            owner = mark.read_text(encoding="ascii", errors="replace")
            if not owner.isdecimal() or psutil.pid_exists(int(owner)):
                break
            mark.unlink(missing_ok=True)
        else:
            return
    raise UsageError(
        f"another command writes into {mark.parent} now: name another folder (if none does, delete {mark})"
    )


def _write_new(path: Path, text: str) -> None:
    with path.open("x", encoding="ascii") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _remove_empty(folders: Iterable[Path]) -> None:
    with contextlib.suppress(OSError):  # it holds something, as it should
        for folder in folders:
            folder.rmdir()


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
