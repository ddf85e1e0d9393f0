"""Files that appear whole or are read within a bound, names that every file system takes, folders not used twice."""

import contextlib
import errno
import gzip
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from labkit.base.errors import RecordError, UsageError

#: Far above whatever labkit saves: a million events are about 100 MB of columns. Text is counted as it is unpacked.
MAX_TEXT_BYTES, MAX_COLUMNS_BYTES = 200_000_000, 2_000_000_000

#: Values in one JSON text, as its commas and brackets count them: each takes up to some 60 bytes of memory.
MAX_JSON_VALUES = 30_000_000


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


def limited_text(path: Path, limit_bytes: int = MAX_TEXT_BYTES, *, unpack: bool = False) -> str:
    """A text file in UTF-8, of a stranger's: it need not be what it claims.

    Args:
        path: where it is.
        limit_bytes: how large it may be, unpacked.
        unpack: whether it may be compressed by gzip.

    Raises:
        OSError: it cannot be read; with EFBIG where it is larger, or holds more values, than it may.
        EOFError, zlib.error: it is compressed, and damaged.
        UnicodeDecodeError: it is no text.
    """
    with path.open("rb") as file:
        is_packed = unpack and file.peek(2)[:2] == b"\x1f\x8b"
        data = (gzip.GzipFile(fileobj=file) if is_packed else file).read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {limit_bytes // 1_000_000} MB", str(path))
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        raise OSError(errno.EFBIG, f"it holds more than {MAX_JSON_VALUES:,} values", str(path))
    return data.decode("utf-8-sig")


def record_text(path: Path) -> str:
    """The text of something that labkit has saved; errors as of :func:`limited_text`.

    Raises:
        RecordError: it is larger than anything that labkit saves.
    """
    try:
        return limited_text(path)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise RecordError(f"{path.name} is no record of labkit's, {error.strerror}: give another file") from None


def require_small_columns(path: Path) -> None:
    """Raise `RecordError` where a file of columns would unpack to more than labkit saves; its directory is enough.

    Raises:
        RecordError: see above.
        OSError, zipfile.BadZipFile: it cannot be read, or is none.
    """
    with zipfile.ZipFile(path) as packed:
        size = sum(member.file_size for member in packed.infolist())
    if size > MAX_COLUMNS_BYTES:
        raise RecordError(f"{path.name} is no record of labkit's, it would unpack to {size / 1e9:.0f} GB: give another")


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
    import psutil  # not above: what looks into the reader's app reads this module, and may have no psutil

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
