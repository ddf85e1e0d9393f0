"""What the page's timeline is drawn from: columns of microseconds, packed tight.

A column is written byte by byte: the lowest byte of all rows, then the next. Its high bytes are zeros as a rule, and so
deflate makes next to nothing of them. In the page 0 is "not known", and all else is one more than what it says.
"""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labkit.inside.record import UNKNOWN, Record
from labkit.inside.watched import CAUSES, Watched
from labkit.runs.stages import MISSING

#: A page holds so many events in all; beyond that, those that took longest from their arrival to their end.
EVENTS_SHOWN = 100_000

#: And so many slices of those who made others wait, the longest.
SLICES_SHOWN = 20_000

_US = 1_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """What the script gets.

    Attributes:
        data: as JSON.
        shown: events in it.
        kept: events of the record that could be placed in time.
        shorter_ms: events shorter than this may be left out; 0 where none are.
        slices_left_out: how many.
    """

    data: dict[str, Any]
    shown: int
    kept: int
    shorter_ms: float = 0.0
    slices_left_out: int = 0


def timeline(record: Record, watched: Watched | None, most: int = EVENTS_SHOWN) -> Timeline:
    """Pack a record, and a watch where there was one."""
    events = _arrays(record.events)
    came = np.where(events["read"] != MISSING, events["read"], events["dispatched"])
    came = np.where(came != MISSING, came, events["handler_start"])
    ends = np.where(events["handler_end"] != MISSING, events["handler_end"], record.taken_ns)
    chosen = np.flatnonzero(came != MISSING)
    kept, shorter_ms = len(chosen), 0.0
    if kept > most:
        took = (ends - came)[chosen]
        longest = np.argpartition(took, kept - most)[kept - most :]
        shorter_ms = float(took[longest].min()) / 1e6
        chosen = chosen[longest]
    chosen = chosen[np.argsort(came[chosen], kind="stable")]
    origin = int(came[chosen].min(initial=record.taken_ns))
    slices, left_out = _slices(watched)
    if watched is not None and len(slices["begin"]):
        origin = min(origin, int(slices["begin"].min()))
    data = {
        "names": [_shown_name(record, *pair) for pair in _pairs(record)],
        "errors": list(record.errors),
        "causes": list(CAUSES),
        "places": [] if watched is None else [[each.kind, each.name, each.where] for each in watched.places],
        "until": max(1, (record.taken_ns - origin) // _US),
        "started": (origin - record.started_ns) / 1e6,
        "events": _packed(_event_columns(record, _at(events, chosen), came[chosen], origin)),
        "slices": _packed(_slice_columns(slices, origin)),
    }
    return Timeline(data, len(chosen), kept, shorter_ms, left_out)


def _pairs(record: Record) -> list[tuple[int, int]]:
    return sorted(set(zip(record.events["name"], record.events["namespace"], strict=True)))


def _shown_name(record: Record, name: int, namespace: int) -> str:
    space = record.namespaces[namespace]
    return record.names[name] if space == "/" else f"{record.names[name]} in {space}"


def _event_columns(record: Record, events: dict[str, Ints], came: Ints, origin: int) -> dict[str, Ints]:
    pairs = {pair: at for at, pair in enumerate(_pairs(record))}
    both = zip(events["name"].tolist(), events["namespace"].tolist(), strict=True)
    at_us = (came - origin) // _US
    emitted, written = _emits(record, events["number"])
    columns = {
        "came": np.diff(at_us, prepend=0),
        "name": np.array([pairs[pair] for pair in both], np.int64),
        "number": events["number"],
        "connection": _known(events["connection"]),
        "websocket": events["transport"],
        "isRead": (events["read"] != MISSING).astype(np.int64),
        "bytes": _known(events["bytes_in"]),
        "cpu": _known(np.where(events["cpu_ns"] == UNKNOWN, UNKNOWN, events["cpu_ns"] // _US)),
        "error": _known(events["error"]),
        "unhandled": events["unhandled"],
        "emits": events["emits"],
    }
    instants = {
        "dispatched": events["dispatched"],
        "start": events["handler_start"],
        "end": events["handler_end"],
        "free": events["loop_free"],
        "answered": events["answered"],
        "answerWritten": events["answer_written"],
        "emitted": emitted,
        "emitWritten": written,
    }
    return columns | {name: _since(values, came) for name, values in instants.items()}


def _emits(record: Record, numbers: Ints) -> tuple[Ints, Ints]:
    """Of each event the first emit made in its handler, and when the last one was written."""
    emits = _arrays(record.emits)
    inside = emits["event"] != UNKNOWN
    by, at, written = (emits[name][inside] for name in ("event", "at", "last_written"))
    first, last = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
    order = np.argsort(numbers, kind="stable")
    place = np.minimum(np.searchsorted(numbers[order], by), max(0, len(numbers) - 1))
    if len(numbers) and len(by):
        there = numbers[order][place] == by
        rows, at, written = order[place[there]], at[there], written[there]
        earliest = np.full(len(numbers), np.iinfo(np.int64).max)
        np.minimum.at(earliest, rows, at)
        first = np.where(earliest == np.iinfo(np.int64).max, 0, earliest)
        np.maximum.at(last, rows, written)
    return first, last


def _slices(watched: Watched | None) -> tuple[dict[str, Ints], int]:
    if watched is None:
        return {}, 0
    slices = _arrays(watched.slices)
    longest = np.argsort(-slices["held_ns"], kind="stable")[:SLICES_SHOWN]
    chosen = longest[np.argsort(slices["begin"][longest], kind="stable")]
    return _at(slices, chosen), len(slices["begin"]) - len(chosen)


def _slice_columns(slices: dict[str, Ints], origin: int) -> dict[str, Ints]:
    if not slices:
        return {}
    at_us = (slices["begin"] - origin) // _US
    return {
        "begin": np.diff(at_us, prepend=0),
        "took": np.maximum(0, slices["end"] - slices["begin"]) // _US,
        "place": slices["place"],
        "cause": slices["cause"],
        "held": slices["held_ns"] // _US,
        "event": _known(slices["event"]),
    }


def _since(values: Ints, came: Ints) -> Ints:
    return np.where(values == MISSING, 0, np.maximum(0, values - came) // _US + 1)


def _known(values: Ints) -> Ints:
    return np.where(values == UNKNOWN, 0, values + 1)


def _packed(columns: dict[str, Ints]) -> dict[str, Any]:
    """Names and widths in bytes, the number of rows, and all bytes deflated."""
    told, parts = [], []
    for name, values in columns.items():
        low = np.maximum(values, 0).astype("<u8")
        width = max(1, (int(low.max(initial=0)).bit_length() + 7) // 8)
        told.append([name, width])
        parts.append(low.view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes())
    rows = len(next(iter(columns.values()))) if columns else 0
    return {"columns": told, "rows": rows, "bytes": base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")}


def _at(columns: dict[str, Ints], rows: Ints) -> dict[str, Ints]:
    return {name: values[rows] for name, values in columns.items()}


def _arrays(columns: Any) -> dict[str, Ints]:
    return {name: np.frombuffer(values, np.int64) for name, values in columns.items()}
