"""Chrome's trace events: what they are called, and reading those that matter from a file.

The format is Google's "Trace Event Format"
(https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU); the names are Chromium's, grouped
as in DevTools' own trace engine (``@paulirish/trace_engine``, ``models/trace/types/TraceEvents.js``).
"""

import errno
import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import TraceError
from labkit.base.files import limited_text

#: The parts of the pipeline, in the order in which a frame passes them; ``other`` is what no part claims.
PARTS = ("js", "style", "layout", "pre-paint", "paint", "layerize", "commit", "raster", "other")

#: A task of a thread. Whoever records `toplevel` gets each twice, one within the other.
TASKS = frozenset({"RunTask", "ThreadControllerImpl::RunTask"})

#: Script runs within these.
SCRIPT = frozenset(
    {
        "EvaluateModule",
        "EvaluateScript",
        "FunctionCall",
        "RunMicrotasks",
        "V8.RunMicrotasks",
        "V8Console::runTask",
        "v8.callAsConstructor",
        "v8.callFunction",
        "v8.evaluateModule",
        "v8.run",
    }
)

#: Script is called from these, which also do work of the browser's own, such as moving the focus.
CALLERS = frozenset(
    {"EventDispatch", "FireAnimationFrame", "FireIdleCallback", "TimerFire", "XHRLoad", "XHRReadyStateChange"}
)

#: Where microtasks run: the socket.io client answers its events there, under no function call.
MICROTASKS = frozenset({"RunMicrotasks", "V8.RunMicrotasks"})

STYLE, LAYOUT = frozenset({"UpdateLayoutTree", "RecalculateStyles"}), frozenset({"Layout"})

#: The part to which an event's own time belongs. What is not here counts for the event around it, so that a trace
#: with more categories is split as one with fewer.
PART_OF = (
    dict.fromkeys(TASKS, "other")
    | dict.fromkeys(SCRIPT | CALLERS | {"MajorGC", "MinorGC", "v8.compile", "v8.compileModule"}, "js")
    | dict.fromkeys(STYLE, "style")
    | dict.fromkeys(LAYOUT, "layout")
    | {"PrePaint": "pre-paint", "UpdateLayerTree": "pre-paint", "Paint": "paint", "Layerize": "layerize"}
    | {"Commit": "commit", "CompositeLayers": "commit"}
    | dict.fromkeys(("RasterTask", "Rasterize", "ImageDecodeTask"), "raster")
)

#: What says which frames there were.
FRAMES = frozenset({"BeginFrame", "DrawFrame", "DroppedFrame"})

#: What says which page a process shows.
PAGES = frozenset({"CommitLoad", "FrameCommittedInBrowser", "TracingStartedInBrowser", "navigationStart"})

#: Of JSON, unpacked. A minute of a busy page is about 100 MB; reading takes up to ten times this of memory.
MAX_BYTES = 400_000_000

_KEPT = PART_OF.keys() | FRAMES | PAGES | {"BeginMainThreadFrame", "EventTiming", "process_name", "thread_name"}
_END_OF_TIME_US = 1e18
_WITHOUT_ARGUMENTS = TASKS | FRAMES


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a trace.

    Attributes:
        name: as Chromium calls it.
        phase: ``X`` complete, ``B`` and ``E`` its two ends, ``b`` and ``e`` those of an asynchronous one, ``I`` an
            instant, ``M`` metadata.
        pid: its process.
        tid: its thread.
        ts: when it began, in microseconds of the browser's clock.
        dur: how long it took, in microseconds; 0 where its phase has none.
        id: what pairs ``b`` with ``e``.
        args: the rest.
    """

    name: str
    phase: str
    pid: int
    tid: int
    ts: float
    dur: float
    id: str
    args: dict[str, Any]


def load(path: str | Path) -> tuple[list[Event], int]:
    """The events of a trace that labkit knows, in the file's order, and how many of them made no sense.

    An object with ``traceEvents`` or a bare list, compressed or not. A bare list may lack its closing bracket, which
    the format allows to a program that was stopped.

    Raises:
        TraceError: there is no such file; it is not a trace; it is truncated. Events stand in a file by process, not
            by time, so of a truncated one nobody knows what is missing, and no part of it is read.
    """
    text = _text(Path(path))
    malformed = 0

    def keep(value: dict[str, Any]) -> Any:
        """Most of a trace is of no use here: it goes while it is parsed, before it takes up memory."""
        nonlocal malformed
        if "ph" not in value:
            return value
        name = value.get("name")
        if not isinstance(name, str) or name not in _KEPT:
            return None
        event = _event(value)
        malformed += event is None
        return event

    found = _parsed(path, text, keep)
    events = found.get("traceEvents") if isinstance(found, dict) else found
    if not isinstance(events, list) or any(e is not None and not isinstance(e, Event) for e in events):
        raise TraceError(f"{path} is not a trace of Chrome's: record one in DevTools' Performance panel and save it")
    return [e for e in events if e is not None], malformed


def _text(path: Path) -> str:
    try:
        text = limited_text(path, MAX_BYTES, unpack=True)
    except FileNotFoundError:
        raise TraceError(f"there is no file {path}: give the trace that DevTools or labkit has saved") from None
    except EOFError:
        raise TraceError(_truncated(path)) from None
    except (gzip.BadGzipFile, zlib.error):
        raise TraceError(f"{path} is a damaged gzip file: save or copy the trace again") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path} is not JSON: save the trace from DevTools, or export it as JSON") from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise TraceError(f"{path} is not read, {error.strerror}: record fewer seconds") from None
        raise TraceError(f"{path} cannot be read ({error.strerror}): give a file that can") from None
    if not text.strip():
        raise TraceError(f"{path} is empty: record the trace again")
    return text


def _truncated(path: str | Path) -> str:
    return f"{path} is truncated, and nobody knows which events are missing: record or copy the trace again"


def _parsed(path: str | Path, text: str, keep: Any) -> Any:
    try:
        return json.loads(text, object_hook=keep)
    except RecursionError:
        raise TraceError(f"{path} is not a trace of Chrome's: it is nested too deeply") from None
    except MemoryError:
        raise TraceError(f"{path} is too large for this machine's memory: record fewer seconds") from None
    except json.JSONDecodeError as error:
        if text.lstrip()[0] not in "[{":
            raise TraceError(f"{path} is not JSON: save the trace from DevTools, or export it as JSON") from None
        if not _ends_early(text, error):
            raise TraceError(f"{path} is not JSON: {error.msg.lower()} in line {error.lineno}; save it again") from None
    open_list = text.strip().removesuffix(",")
    if not (open_list.startswith("[") and open_list.endswith("}")):
        raise TraceError(_truncated(path))
    try:
        return json.loads(f"{open_list}]", object_hook=keep)
    except json.JSONDecodeError:
        raise TraceError(_truncated(path)) from None


def _ends_early(text: str, error: json.JSONDecodeError) -> bool:
    """Whether nothing is wrong but that the text stops: at its end, or within a word, a number or a string."""
    rest = text[error.pos :].strip()
    if any(word.startswith(rest) for word in ("true", "false", "null", "-", ".", "e-", "e+", "E-", "E+")):
        return True
    return error.msg.startswith("Unterminated string") or (error.msg.startswith("Invalid") and len(rest) < 8)


def _event(value: dict[str, Any]) -> Event | None:
    """None for one that is not as the format has it."""
    name, pid, tid = value["name"], value.get("pid"), value.get("tid")
    ts, dur, args = value.get("ts", 0), value.get("dur", 0), value.get("args")
    if not isinstance(pid, int) or not isinstance(tid, int) or not _is_time(ts) or not _is_time(dur):
        return None
    if not isinstance(args, dict) or name in _WITHOUT_ARGUMENTS:
        args = {}
    return Event(name, str(value["ph"]), pid, tid, ts, dur, str(value.get("id", value.get("id2", ""))), args)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < _END_OF_TIME_US
