"""What was seen, in Google's Trace Event Format: for ui.perfetto.dev, about:tracing and other tools that read it.

A process is one of the app's. Below it, a track a thread with the handlers that ran on it; where handlers share a
thread (green threads, an event loop), a track an event name. Beside these, tracks of their own: events that waited for
their handler, and who made somebody wait. Instants are in microseconds of labkit's clock.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labkit.base.clock import NS_PER_MS
from labkit.base.files import whole
from labkit.inside.record import OTHER, TRANSPORTS, UNKNOWN, Record
from labkit.inside.watched import CAUSES, Watched
from labkit.runs.stages import MISSING

#: Shorter waits for a handler have no slice.
WAIT_NS = NS_PER_MS

#: So many are joined into one piece of text.
_AT_ONCE = 2_000


def save(path: str | Path, seen: Iterable[tuple[int, Record, Watched | None]]) -> None:
    """Write the file.

    Args:
        path: where; it appears when it is complete.
        seen: of each process its number, its record, and what a watch has seen; None where there was none.

    Raises:
        OSError: it cannot be written.
    """
    with whole(Path(path)) as half, half.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"displayTimeUnit":"ms","traceEvents":[\n')
        encode = json.JSONEncoder(separators=(",", ":")).encode
        kept: list[str] = []
        first = True
        for each in _all(seen):
            kept.append(encode(each))
            if len(kept) == _AT_ONCE:
                file.write(("" if first else ",\n") + ",\n".join(kept))
                kept, first = [], False
        if kept:
            file.write(("" if first else ",\n") + ",\n".join(kept))
        file.write("\n]}\n")


def _all(seen: Iterable[tuple[int, Record, Watched | None]]) -> Iterator[dict[str, Any]]:
    for pid, record, watched in seen:
        yield from events(pid, record)
        if watched is not None:
            yield from _slices(pid, watched)


def events(pid: int, record: Record) -> Iterator[dict[str, Any]]:
    """A process's handlers, waits and emits, as dictionaries of the format."""
    yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": f"app {pid}"}}
    shared = _shares_threads(record)
    named: set[int] = set()
    for row in _rows(record.events):
        name, thread = _named(record.names, row["name"]), max(0, row["thread"])
        if not row["handler_start"]:
            continue
        if thread not in named:
            named.add(thread)
            yield {
                "ph": "M",
                "name": "thread_name",
                "pid": pid,
                "tid": thread,
                "args": {"name": f"thread {thread}"},
            }
        yield from _waited(pid, name, row)
        yield from _handled(pid, name, row, record, shared=shared)
    for row in _rows(record.emits):
        yield {
            "ph": "I",
            "s": "t",
            "cat": "emit",
            "name": f"emit {_named(record.names, row['name'])}",
            "pid": pid,
            "tid": max(0, row["thread"]),
            "ts": row["at"] / 1000,
            "args": {"receivers": row["receivers"], "bytes": row["bytes"]},
        }


def _waited(pid: int, name: str, row: dict[str, int]) -> Iterator[dict[str, Any]]:
    came = row["read"] or row["dispatched"]
    if came and row["handler_start"] - came >= WAIT_NS:
        yield from _spanned(pid, "wait", f"{name} waits", came, row["handler_start"], row["number"])


def _handled(pid: int, name: str, row: dict[str, int], record: Record, *, shared: bool) -> Iterator[dict[str, Any]]:
    start, end = row["handler_start"], row["handler_end"] or record.taken_ns
    args = {
        "number": row["number"],
        "connection": row["connection"],
        "transport": TRANSPORTS[row["transport"]] if 0 <= row["transport"] < len(TRANSPORTS) else "",
        "bytes": row["bytes_in"],
        "emits": row["emits"],
    }
    if row["cpu_ns"] != UNKNOWN:
        args["cpu_ms"] = row["cpu_ns"] / NS_PER_MS
    if row["error"] != UNKNOWN:
        args["error"] = _named(record.errors, row["error"])
    if row["handler_end"] == MISSING:
        args["running"] = True
    if shared:
        yield from _spanned(pid, "handler", name, start, end, row["number"], args)
        return
    yield {
        "ph": "X",
        "cat": "handler",
        "name": name,
        "pid": pid,
        "tid": max(0, row["thread"]),
        "ts": start / 1000,
        "dur": max(0, end - start) / 1000,
        "args": args,
    }


def _slices(pid: int, watched: Watched) -> Iterator[dict[str, Any]]:
    """Who made somebody wait: a track a cause."""
    for row in _rows(watched.slices):
        place, cause = watched.places[row["place"]], CAUSES[row["cause"]]
        args = {"held_ms": row["held_ns"] / NS_PER_MS, "cpu_ms": row["cpu_ns"] / NS_PER_MS, "line": place.where}
        name = f"{cause}: {place.name}"
        yield from _spanned(pid, cause, name, row["begin"], row["end"], row["number"], args)


def _spanned(
    pid: int, category: str, name: str, begin: int, end: int, number: int, args: dict[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """One that may overlap others of its track: two ends with one id."""
    for phase, at in (("b", begin), ("e", max(begin, end))):
        one: dict[str, Any] = {
            "ph": phase,
            "cat": category,
            "name": name,
            "id": number,
            "pid": pid,
            "tid": 0,
            "ts": at / 1000,
        }
        if args and phase == "b":
            one["args"] = args
        yield one


def _shares_threads(record: Record) -> bool:
    """Whether handlers are green threads or tasks of a loop: their slices on one thread would overlap."""
    return bool(record.settings.get("greenlets")) or record.settings.get("async_mode") != "threading"


def _rows(columns: dict[str, Any]) -> Iterator[dict[str, int]]:
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))


def _named(names: Sequence[str], index: int) -> str:
    return names[index] if 0 <= index < len(names) else OTHER
