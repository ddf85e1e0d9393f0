"""A small file in which one process says what it does now, and another one reads it: no port, no lock.

Written by ``pwrite`` at its beginning and not through a memory map: where a disk is full, or somebody cuts the file
short, a write fails with an error, and a map ends the process by a signal. That there is a checksum makes a reader who
comes in the middle of a write read again.
"""

import contextlib
import os
import struct
import zlib
from pathlib import Path

from labkit.inside.recent import Recent, from_bytes

#: Beside a server's record: what it says, and the file that somebody who wants to hear it touches.
LIVE, WANTED = "live.bin", "live.wanted"

#: The file never has another size.
SIZE = 65_536

_HEAD = struct.Struct("<4sIIQ")  # what it is, checksum, length, how manieth
_MARK = b"LKL1"


class Published:
    """Writes it. Nobody else can read what is in it but who may read the folder.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LIVE
        self._file = self._open()
        self._number = 0

    def write(self, recent: Recent) -> None:
        """Say it; where there is no room for all names, for the first of them.

        Raises:
            OSError: the disk is full, say.
        """
        data = recent.to_bytes()
        while len(data) > SIZE - _HEAD.size:
            fewer = recent.events[: len(recent.events) // 2]
            left_out = recent.left_out + len(recent.events) - len(fewer)
            recent = Recent(**{**vars(recent), "events": fewer, "left_out": left_out})
            data = recent.to_bytes()
        if os.fstat(self._file).st_nlink == 0:  # somebody took it away, and somebody else listens again
            os.close(self._file)
            self._file = self._open()
        self._number += 1
        head = _HEAD.pack(_MARK, zlib.crc32(data), len(data), self._number)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, (head + data).ljust(SIZE, b"\0"))

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)


def read(folder: Path) -> tuple[int, Recent] | None:
    """The last that was said, and the how manieth it is; None where nothing was, or it is just being written.

    Raises:
        RecordError: it is of a newer labkit, or no such file.
    """
    try:
        data = (folder / LIVE).read_bytes()
    except OSError:
        return None
    if len(data) < _HEAD.size:
        return None
    mark, checksum, length, number = _HEAD.unpack_from(data)
    told = data[_HEAD.size : _HEAD.size + length]
    if mark != _MARK or len(told) != length or zlib.crc32(told) != checksum:
        return None
    return number, from_bytes(told)


def want(folder: Path) -> None:
    """Let it be known that somebody listens: for the next few seconds."""
    path = folder / WANTED
    try:
        os.utime(path)
    except FileNotFoundError:
        path.touch(mode=0o600)


def forget(folder: Path) -> None:
    """Take away the files of a process that says nothing any more."""
    with contextlib.suppress(OSError):
        for name in (LIVE, WANTED):
            (folder / name).unlink(missing_ok=True)
