"""Tables of integers in files: a JSON file that tells what they are, and beside it the columns of each table.

::

    NAME.json               schema_version, tables (columns and rows of each), and whatever else is told
    inside-TABLE.bin        the table's columns, one after the other, 8 bytes a value, the lowest byte first
"""

import json
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from labkit.base.errors import RecordError
from labkit.base.files import MAX_COLUMNS_BYTES, record_text, whole
from labkit.base.typed import MOST

T = TypeVar("T")

Columns = dict[str, "array[int]"]


def save(folder: str | Path, name: str, version: int, tables: Mapping[str, Columns], about: Mapping[str, Any]) -> None:
    """Write the columns, and the JSON after them; the folder is made.

    Args:
        folder: where.
        name: of the JSON file.
        version: of the schema.
        tables: by name.
        about: whatever else is told.

    Raises:
        OSError: it cannot be written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for table, columns in tables.items():
        with whole(folder / f"inside-{table}.bin") as path, path.open("wb") as file:
            for column in columns.values():
                file.write(_little(column).tobytes())
        described[table] = {"columns": list(columns), "rows": _rows(columns)}
    with whole(folder / name) as path:
        path.write_text(json.dumps({"schema_version": version, "tables": described, **about}), "utf-8")


def load(
    folder: str | Path,
    name: str,
    version: int,
    tables: Mapping[str, Sequence[str]],
    build: Callable[[dict[str, Columns], dict[str, Any]], T],
) -> T:
    """Read what :func:`save` has written, however damaged.

    Args:
        folder: where it is.
        name: of the JSON file.
        version: the newest schema that is understood.
        tables: of each the columns that it must have.
        build: makes something of the tables and of what else is told.

    Raises:
        RecordError: it is missing, cut short, damaged, or of a newer schema.
    """
    folder = Path(folder)
    try:
        about = json.loads(record_text(folder / name))
        told = about.pop("schema_version")
        if told > version:
            raise RecordError(f"{folder} has schema version {told}: read it with a newer labkit than this")
        described = about.pop("tables")
        found = {table: _table(folder, table, described[table], columns) for table, columns in tables.items()}
        return build(found, about)
    except FileNotFoundError as error:
        raise RecordError(f"{folder} holds no record: {Path(error.filename).name} is missing") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RecordError(f"{folder / name} cannot be read: take it anew ({error!r})") from error


def require_within(columns: Columns, most: Mapping[str, int], *, least: int = 0) -> None:
    """Raise `ValueError` where a column points outside of its table.

    Args:
        columns: of a table.
        most: by column, how many there are of what it points to.
        least: the lowest value, such as `UNKNOWN`.
    """
    for name, length in most.items():
        column = columns[name]
        if column and not (least <= min(column) and max(column) < length):
            raise ValueError(f"the column {name} points outside of its table")


def _table(folder: Path, name: str, about: dict[str, Any], wanted: Sequence[str]) -> Columns:
    file, names, rows = folder / f"inside-{name}.bin", about["columns"], about["rows"]
    if missing := [column for column in wanted if column not in names]:
        raise ValueError(f"{file.name} has no column {missing[0]}")
    size = file.stat().st_size
    if size != 8 * rows * len(names) or size > MAX_COLUMNS_BYTES:
        raise RecordError(f"{file.name} in {folder} is cut short: take the record anew")
    columns, data = {}, file.read_bytes()
    for at, column in enumerate(names):
        values = columns[column] = _little(array("q", data[8 * rows * at : 8 * rows * (at + 1)]))
        if values and not (min(values) >= -MOST and max(values) <= MOST):
            raise ValueError(f"the column {column} holds what is no count and no instant")
    return columns


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _little(column: "array[int]") -> "array[int]":
    """The same column in the byte order of files."""
    if sys.byteorder == "little":
        return column
    turned = column[:]
    turned.byteswap()
    return turned
