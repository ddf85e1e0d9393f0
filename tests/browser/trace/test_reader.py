"""The trace reader: exact on traces made by hand, and on one that a real browser recorded as the page did things."""

import functools
import gzip
import inspect
import json
import math
import os
import re
import shutil
import subprocess
import sys
import warnings

import matplotlib as mpl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from labkit.base.errors import TraceError
from labkit.browser.trace import events, interactions, reader
from labkit.browser.trace.events import PARTS
from labkit.browser.trace.interactions import Interaction, inp_ms
from labkit.browser.trace.nesting import Span, nest
from labkit.plots import trace
from labkit.ui.commands.main import main

mpl.use("Agg")

PID, TID, PAGE = 7, 1, "http://127.0.0.1:5000/"


def event(name, start_ms, dur_ms=0.0, *, pid=PID, tid=TID, ph="X", **rest):
    """A trace event whose times are given in ms."""
    return {"name": name, "ph": ph, "pid": pid, "tid": tid, "ts": start_ms * 1000, "dur": dur_ms * 1000, **rest}


def call(function, start_ms, dur_ms, line=3, url=f"{PAGE}page.js"):
    data = {"functionName": function, "url": url, "lineNumber": line}
    return event("FunctionCall", start_ms, dur_ms, args={"data": data})


def timing(id_, type_, start_ms, dur_ms, *, delay_ms=1.0, handler_ms=2.0, key=None, pid=PID):
    """An EventTiming's two events."""
    handled = start_ms + delay_ms
    data = {"interactionId": id_, "type": type_, "timeStamp": start_ms, "processingStart": handled}
    data |= {"processingEnd": handled + handler_ms, "duration": dur_ms}
    key = f"{type_}{id_}@{start_ms}" if key is None else key
    begin = event("EventTiming", start_ms, ph="b", id=key, pid=pid, args={"data": data})
    return [begin, event("EventTiming", start_ms + dur_ms, ph="e", id=key, pid=pid, args={})]


def renderer(pid=PID, url=PAGE, tid=TID):
    """The metadata of a page's process."""
    named = event("thread_name", 0, ph="M", pid=pid, tid=tid, args={"name": "CrRendererMain"})
    loaded = event("CommitLoad", 1, ph="I", pid=pid, tid=tid, args={"data": {"url": url}})
    return [named, loaded]


@pytest.fixture
def read(tmp_path):
    """Reads events as from a file."""

    def reading(*events, url=None, metadata=True):
        path = tmp_path / "trace.json"
        path.write_text(json.dumps({"traceEvents": [*(renderer() if metadata else []), *events]}))
        return reader.read(path, url=url)

    return reading


# --- self time ---


def parts(found):
    return {part: ms for part, ms in found.self_ms.items() if ms}


def test_self_time_is_that_of_an_event_without_what_ran_within_it(read):
    found = read(
        event("RunTask", 10, 20),
        call("onMessage", 11, 10),
        event("UpdateLayoutTree", 12, 2),
        event("Layout", 14, 3),
        event("RunTask", 40, 10),
        event("PrePaint", 41, 1),
        event("Paint", 42, 2),
        event("Layerize", 44, 0.5),
        event("Commit", 45, 1.5),
    )
    assert list(found.self_ms) == list(PARTS)
    assert parts(found) == {
        "js": 5, "style": 2, "layout": 3, "pre-paint": 1, "paint": 2, "layerize": 0.5, "commit": 1.5, "other": 15
    }  # fmt: skip
    assert {name: n for name, n in found.counts.items() if n} == {
        "task": 2, "style": 1, "layout": 1, "pre-paint": 1, "paint": 1, "layerize": 1, "commit": 1
    }  # fmt: skip


def test_more_categories_do_not_change_the_split(read):
    plain = [event("RunTask", 10, 20), call("f", 11, 10), event("Layout", 14, 3)]
    more = [
        event("ThreadControllerImpl::RunTask", 10.1, 19.8),
        event("LocalFrameView::layout", 13.9, 3.2),
        event("InlineNode::ShapeTextIncludingFirstLine", 15, 1),
    ]
    a, b = read(*plain), read(*plain, *more)
    assert a.self_ms == pytest.approx(b.self_ms)
    assert (a.counts, a.long_tasks) == (b.counts, b.long_tasks)


def test_raster_counts_on_every_thread_of_the_renderer_and_nested_raster_once(read):
    found = read(
        event("RunTask", 10, 5),
        event("RasterTask", 10, 4, tid=2),
        event("ImageDecodeTask", 11, 1, tid=2),
        event("RasterTask", 10, 3, tid=3),
        event("RasterTask", 10, 100, pid=8, tid=3),
    )
    assert found.self_ms["raster"] == 7
    assert found.counts["raster"] == 3


def test_two_ends_are_one_event_and_what_never_ended_ends_with_the_recording(read):
    found = read(
        event("RunTask", 10, ph="B"),
        event("Layout", 11, 2),
        event("RunTask", 20, ph="E"),
        event("RunTask", 30, ph="B"),
        event("Layout", 31, 4),
    )
    assert parts(found) == {"layout": 6, "other": 8 + 1}


def test_the_order_in_the_file_does_not_matter(read):
    events = [event("RunTask", 10, 20), call("f", 11, 10), event("Layout", 14, 3), *timing(5, "click", 9, 30)]
    assert read(*events) == read(*reversed(events))


@st.composite
def trees(draw, start=0, room=1000, depth=0):
    """Spans of whole microseconds, properly nested, with gaps."""
    spans, at, end = [], start, start + room
    while at < end and len(spans) < 40:
        at += draw(st.integers(0, 50))
        width = draw(st.integers(1, 200))
        if at + width > end:
            break
        spans.append(Span("RunTask", at, at + width))
        if depth < 3:
            spans += draw(trees(at, width, depth + 1))
        at += width
    return spans


@given(trees(), st.randoms())
def test_self_times_sum_up_to_the_time_that_is_covered(spans, random):
    covered = len({us for span in spans for us in range(round(span.start_us), round(span.end_us))})
    random.shuffle(spans)
    found = nest(spans)
    assert sum(span.self_us for span in found) == covered
    assert all(span.self_us >= 0 for span in found)
    for index, span in enumerate(found):
        assert span.parent < index
        around = found[span.parent] if span.parent >= 0 else None
        assert span.depth == (around.depth + 1 if around else 0)
        assert around is None or around.start_us <= span.start_us <= span.end_us <= around.end_us


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=30))
def test_self_times_sum_up_even_where_spans_overlap(intervals):
    found = nest(Span("RunTask", start, start + width) for start, width in intervals)
    outermost = sum(span.duration_us for span in found if span.parent < 0)
    assert sum(span.self_us for span in found) == outermost
    assert all(0 <= span.self_us <= span.duration_us for span in found)


# --- forced layouts ---

MICROTASK = event("RunMicrotasks", 900, 1)


@pytest.mark.parametrize("name", ["FunctionCall", "RunMicrotasks", "EvaluateScript", "v8.callFunction"])
def test_a_layout_within_script_is_forced(read, name):
    found = read(event("RunTask", 10, 9), event(name, 11, 5), event("UpdateLayoutTree", 12, 1), event("Layout", 13, 1))
    assert (found.forced_layouts, found.forced_styles) == (1, 1)


def test_a_layout_of_a_frame_is_not_forced(read):
    begun = event("BeginMainThreadFrame", 11, ph="I")
    read_in_a_frame = [event("FireAnimationFrame", 12, 3), call("onFrame", 12, 3), event("Layout", 13, 1)]
    found = read(event("RunTask", 10, 9), begun, *read_in_a_frame, event("Layout", 16, 1), MICROTASK)
    assert (found.forced_layouts, found.counts["layout"], found.layouts_elsewhere) == (1, 2, 0)


@pytest.mark.parametrize("name", ["EventDispatch", "TimerFire", "FireAnimationFrame"])
def test_dispatch_alone_is_script_only_where_microtasks_were_not_recorded(read, name):
    events = [event("RunTask", 10, 9), event(name, 11, 5, args={"data": {"type": "focus"}}), event("Layout", 12, 1)]
    assert read(*events).forced_layouts == 1
    assert read(*events, MICROTASK).forced_layouts == 0


def test_a_stack_tells_of_script_that_no_event_shows(read):
    stack = [{"functionName": "measure", "url": f"{PAGE}page.js?v=1", "lineNumber": 8}]
    begun = event("BeginMainThreadFrame", 5, ph="I")
    found = read(
        begun, event("RunTask", 10, 9), event("Layout", 12, 1, args={"beginData": {"stackTrace": stack}}), MICROTASK
    )
    assert found.forced_layouts == 1
    assert found.forced_by == {"measure (page.js:8)": 1}
    assert found.layouts_elsewhere == 0


def test_what_is_neither_in_a_frame_nor_within_script_is_told_apart(read):
    begun = [event("RunTask", 1, 2), event("BeginMainThreadFrame", 2, ph="I")]
    found = read(*begun, event("RunTask", 10, 9), event("Layout", 12, 1), MICROTASK)
    assert (found.forced_layouts, found.layouts_elsewhere) == (0, 1)
    assert "1 more layouts came neither" in found.report()
    assert any("timeline.stack" in note for note in found.notes)


def test_layouts_are_told_by_the_function_that_was_called(read):
    events = [event("RunTask", 10, 90)]
    for at in (20, 30, 40):
        events += [call("onMessage", at, 5, line=12), event("Layout", at + 1, 1)]
    events += [event("RunMicrotasks", 60, 5), event("Layout", 61, 1)]
    assert read(*events).forced_by == {"onMessage (page.js:12)": 3, "microtasks": 1}


# --- long tasks ---


def test_a_long_task_says_what_was_in_it(read):
    found = read(
        event("RunTask", 10, 50),
        event("RunTask", 100, 80),
        event("EventDispatch", 101, 70, args={"data": {"type": "click"}}),
        call("onClick", 102, 60, line=9),
        event("UpdateLayoutTree", 110, 1),
        event("Layout", 111, 4),
        call("helper", 120, 10, line=2),
        event("RunMicrotasks", 165, 5),
    )
    (task,) = found.long_tasks
    assert found.worst_task == task
    assert (task.start_ms, task.duration_ms, task.cause) == (99, 80, "click event")
    assert task.self_ms == {"other": 10, "js": 65, "style": 1, "layout": 4}
    assert (task.forced_layouts, task.forced_styles) == (1, 1)
    assert {str(script): script.js_ms for script in task.scripts} == {
        "onClick (page.js:9)": 45, "helper (page.js:2)": 10, "microtasks": 5, "script without a name": 5
    }  # fmt: skip
    assert [span.name for span in task.spans][:3] == ["RunTask", "EventDispatch", "FunctionCall"]


def test_fifty_ms_are_not_long(read):
    assert read(event("RunTask", 10, 50)).long_tasks == ()
    assert len(read(event("RunTask", 10, 50.001)).long_tasks) == 1


@pytest.mark.parametrize(
    ("name", "cause"),
    [("TimerFire", "timer"), ("FireAnimationFrame", "animation frame"), ("RunMicrotasks", "microtasks"),
     ("EvaluateScript", "script"), ("Layout", "")],
)  # fmt: skip
def test_a_long_task_says_what_set_it_off(read, name, cause):
    (task,) = read(event("RunTask", 10, 80), event(name, 11, 70), event("FunctionCall", 12, 60)).long_tasks
    assert task.cause == (cause if name != "Layout" else "script")
    (task,) = read(event("RunTask", 10, 80), event(name, 11, 70)).long_tasks
    assert task.cause == cause


# --- interactions and INP ---


def test_events_of_one_interaction_are_one_interaction_as_long_as_the_longest(read):
    found = read(
        event("Layout", 1, 1),
        *timing(0, "pointerover", 90, 300),
        *timing(11, "pointerdown", 100, 40, handler_ms=0),
        *timing(11, "pointerup", 120, 20, handler_ms=0),
        *timing(11, "click", 120, 20, handler_ms=15),
        *timing(12, "keydown", 200, 8),
    )
    click, key = found.interactions
    assert (click.id, click.type, click.duration_ms, click.events) == (11, "click", 40, 3)
    # From the first handler, that of pointerdown at 101, to the end of click's at 136.
    assert (click.input_delay_ms, click.processing_ms, click.presentation_delay_ms) == (1, 35, 4)
    assert (key.type, key.duration_ms) == ("keydown", 8)
    assert found.inp_ms == 40


def test_handlers_of_another_paint_are_not_the_longest_events(read):
    found = read(
        event("Layout", 1, 1),
        *timing(11, "pointerdown", 100, 40, handler_ms=30),
        *timing(11, "click", 300, 10, handler_ms=1),
    )
    (click,) = found.interactions
    assert (click.type, click.duration_ms, click.processing_ms) == ("pointerdown", 40, 30)


def test_events_are_paired_by_id_even_where_ids_are_used_again(read):
    found = read(
        event("Layout", 1, 1),
        *timing(1, "keydown", 10, 20, key="0x1"),
        *timing(2, "keydown", 50, 30, key="0x1"),
    )
    assert [i.duration_ms for i in found.interactions] == [20, 30]


def test_an_interaction_of_another_process_or_never_painted_is_not_counted(read):
    begun, _ = timing(3, "click", 50, 10)
    _, ended = timing(4, "click", 5, 10)
    found = read(event("Layout", 1, 1), *timing(1, "click", 10, 20), *timing(2, "click", 10, 99, pid=9), begun, ended)
    assert [i.id for i in found.interactions] == [1]
    assert any(note.startswith("1 events of interactions were not painted") for note in found.notes)


@pytest.mark.parametrize(("count", "rank"), [(1, 0), (49, 0), (50, 1), (99, 1), (100, 2), (600, 9)])
def test_inp_ignores_one_interaction_in_fifty(count, rank):
    made = [Interaction(i, "click", i, (i * 7919) % 1009, 0, 0, 0, 1) for i in range(1, count + 1)]
    assert inp_ms(made) == sorted((i.duration_ms for i in made), reverse=True)[rank]


def interacted(*durations_ms):
    return [Interaction(i, "click", 0, ms, 0, 0, 0, 1) for i, ms in enumerate(durations_ms)]


def to_the_page(*durations_ms):
    """What a page is told of the same; one that is None is kept back."""
    return [{"id": i, "duration_ms": ms} for i, ms in enumerate(durations_ms) if ms is not None]


def test_what_a_page_is_told_leaves_open_what_was_rounded():
    assert interactions.error_ms(to_the_page(64), interacted(65)) == (-5, 3)
    # What rounds down and what rounds up leave less than either alone.
    assert interactions.error_ms(to_the_page(64, 72), interacted(67.5, 68.5)) == (-0.5, 0.5)
    assert interactions.error_ms(to_the_page(None, 72), interacted(4, 72)) == (-4, 4)
    assert interactions.error_ms(to_the_page(None), interacted(4)) is None
    assert interactions.error_ms(to_the_page(64), ()) is None


@given(st.floats(-20, 20), st.lists(st.floats(20, 500), min_size=1))
def test_the_error_of_a_page_is_between_its_bounds(error_ms, durations_ms):
    rounded = [math.floor((ms + error_ms) / 8 + 0.5) * 8 for ms in durations_ms]
    low, high = interactions.error_ms(to_the_page(*rounded), interacted(*durations_ms))
    assert low - 1e-9 <= error_ms <= high + 1e-9


def test_durations_spread_over_the_rounding_narrow_the_error_down():
    durations_ms = [60 + 0.4 * i for i in range(20)]
    low, high = interactions.error_ms(
        to_the_page(*(round((ms + 1.5) / 8) * 8 for ms in durations_ms)), interacted(*durations_ms)
    )
    assert 1 < low <= 1.5 <= high < 2


def test_without_interactions_there_is_no_inp(read):
    assert inp_ms(()) is None
    found = read(event("Layout", 1, 1))
    assert found.inp_ms is None
    assert "INP: none" in found.report()
    assert interactions.find((), origin_us=0) == ((), 0)


# --- frames ---


def test_dropped_frames_are_those_of_the_page_and_unknown_where_no_frame_was_recorded(read):
    frames = [event("BeginFrame", 5, ph="I", tid=2), event("DroppedFrame", 6, ph="I", tid=2)]
    assert read(event("Layout", 1, 1), *frames, event("DroppedFrame", 6, ph="I", pid=9, tid=2)).frames_dropped == 1
    assert read(event("Layout", 1, 1), frames[0]).frames_dropped == 0
    assert read(event("Layout", 1, 1)).frames_dropped is None


# --- which page ---


def test_of_several_pages_the_one_that_is_asked_for_is_read(read):
    others = [*renderer(8, "http://127.0.0.1:50001/"), *renderer(9, "chrome://newtab/")]
    work = [event("Layout", 5, 1), *[event("Layout", at, 1, pid=8) for at in (5, 7)]]
    work += [event("Layout", at, 1, pid=9) for at in (5, 7, 9)]
    found = read(*others, *work, url=PAGE.rstrip("/"))
    assert (found.url, found.counts["layout"]) == (PAGE, 1)
    assert read(*others, *work, url="http://127.0.0.1:50001").counts["layout"] == 2
    # Without an address, the busiest; never one of the browser's own.
    busiest = read(*others, *work)
    assert (busiest.pid, busiest.counts["layout"]) == (8, 2)
    assert any("1 more pages" in note for note in busiest.notes)


def test_the_page_that_devtools_inspected_goes_before_a_busier_one(read):
    frames = [{"frame": "A", "url": "about:blank", "processId": 1}, {"frame": "B", "parent": "A", "processId": 8}]
    started = event("TracingStartedInBrowser", 1, ph="I", pid=1, args={"data": {"frames": frames}})
    moved = {"frame": "A", "url": PAGE, "processId": PID}
    committed = event("FrameCommittedInBrowser", 2, ph="I", pid=1, args={"data": moved})
    busy = [event("Layout", at, 1, pid=8) for at in (5, 7)]
    found = read(*renderer(8, "https://busy.example/"), started, committed, event("Layout", 5, 1), *busy)
    assert found.url == PAGE


def test_a_page_is_known_by_its_scripts_where_nothing_else_tells(read):
    named = event("thread_name", 0, ph="M", args={"name": "CrRendererMain"})
    events = [named, event("RunTask", 1, 9), call("f", 2, 3, url="https://lab.example:8443/static/page.js")]
    assert read(*events, metadata=False).url == "https://lab.example:8443/"
    assert read(*events, url="https://lab.example:8443", metadata=False).pid == PID


def test_an_address_that_was_not_recorded_is_refused_with_those_that_were(read):
    with pytest.raises(TraceError, match=re.escape(f"no page of http://x/: it has {PAGE}")):
        read(event("Layout", 5, 1), url="http://x/")
    with pytest.raises(TraceError, match=re.escape("no page of http://127.0.0.1:500:")):
        read(event("Layout", 5, 1), url="http://127.0.0.1:500")


def test_a_trace_without_a_renderer_is_refused(read):
    with pytest.raises(TraceError, match="no page in it"):
        read(event("RunTask", 1, 1), event("thread_name", 0, ph="M", args={"name": "CrBrowserMain"}), metadata=False)


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [event("BeginMainThreadFrame", 5, ph="I")],
        [event("RasterTask", 5, 3, tid=2)],
        timing(1, "click", 10, 30),
    ],
)
def test_a_trace_with_nothing_on_its_main_thread_is_read_and_told(read, rest):
    found = read(*renderer(), *rest)
    assert found.duration_ms == 0
    assert found.long_tasks == ()
    assert found.layouts_elsewhere is None
    assert "nothing was recorded of what the page's main thread did" in " ".join(found.report().split())


def test_a_trace_without_metadata_is_read_from_the_thread_that_lays_out(read):
    found = read(event("RunTask", 1, 3, tid=5), event("Layout", 1, 2), event("RunTask", 0.5, 4), metadata=False)
    assert parts(found) == {"layout": 2, "other": 2}
    assert "whose address the trace does not tell" in found.report()


# --- files ---

GOOD = json.dumps([*renderer(), event("RunTask", 10, 60), event("Layout", 12, 1)])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_both_forms_are_read_compressed_or_not(tmp_path, zipped, wrapped):
    text = f'{{"metadata": {{"source": "DevTools"}}, "traceEvents": {GOOD}}}' if wrapped else GOOD
    path = tmp_path / "trace"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert reader.read(path).counts["layout"] == 1


@pytest.mark.parametrize("end", ["", ",", ",\n"])
def test_a_list_may_lack_its_closing_bracket(tmp_path, end):
    path = tmp_path / "trace.json"
    path.write_text(GOOD[:-1] + end)
    assert reader.read(path).counts["layout"] == 1


OBJECT = f'{{"m": [true, null, -1.5e3, "\\u00e9\\n"], "traceEvents": {GOOD}}}'

BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is not JSON"),
    "binary": (b"\x0a\xff\xfe\x00", "is not JSON"),
    "broken": (b'{"traceEvents": [} ]}', "is not JSON"),
    "no trace": (b'{"log": {"entries": []}}', "is not a trace of Chrome's"),
    "no list": (b'{"traceEvents": 3}', "is not a trace of Chrome's"),
    "a number": (b"3", "is not a trace of Chrome's"),
    "numbers": (b"[1, 2]", "is not a trace of Chrome's"),
    "no events": (b"[]", "no page in it"),
    "too deep": (b"[" * 100_000, "nested too deeply|truncated"),
    "damaged gzip": (gzip.compress(OBJECT.encode())[:40] + b"\0" * 40, "damaged gzip|truncated"),
    "truncated gzip": (gzip.compress(OBJECT.encode())[:-20], "is truncated"),
    "a list cut within an event": (GOOD[:-5].encode(), "is truncated"),
    "an object cut between events": (OBJECT[: OBJECT.rindex("{") - 2].encode(), "is truncated"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_whole_trace_is_refused_in_one_sentence(tmp_path, name):
    data, message = BAD[name]
    path = tmp_path / "trace.json"
    path.write_bytes(data)
    with pytest.raises(TraceError, match=message) as raised:
        reader.read(path)
    assert "\n" not in str(raised.value)


def test_an_object_cut_anywhere_is_truncated(tmp_path):
    path = tmp_path / "trace.json"
    for length in range(1, len(OBJECT)):
        path.write_text(OBJECT[:length])
        with pytest.raises(TraceError, match="truncated"):
            reader.read(path)


@given(st.binary(max_size=60) | st.text('[]{},:"0 ehpX-.\\', max_size=30).map(str.encode))
def test_any_other_bytes_are_refused_by_no_other_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(TraceError):
        reader.read(path)


def test_a_trace_that_fills_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "MAX_BYTES", 2_000_000)
    path = tmp_path / "trace.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 3_000_000))
    with pytest.raises(TraceError, match="is larger than 2 MB: record fewer seconds"):
        reader.read(path)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    with pytest.raises(TraceError, match="there is no file"):
        reader.read(tmp_path / "none.json")
    with pytest.raises(TraceError, match="cannot be read"):
        reader.read(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"ts": "soon"}, {"ts": float("nan")}, {"dur": -1}, {"pid": None}, {"tid": "main"}, {"dur": 10**400}]
)
def test_an_event_that_makes_no_sense_is_left_out_and_told(read, wrong):
    found = read(event("Layout", 5, 1), event("Layout", 7, 1) | wrong)
    assert found.counts["layout"] == 1
    assert any(note.startswith("1 events were not as the format has them") for note in found.notes)


@pytest.mark.parametrize("args", [None, 3, {"data": 3}, {"beginData": 3}, {"beginData": {"stackTrace": [3]}}])
def test_arguments_of_another_shape_tell_nothing(read, args):
    names = ("Layout", "FunctionCall", "EventDispatch", "TracingStartedInBrowser", "EventTiming")
    found = read(event("RunTask", 1, 90), *[event(name, 5, 1, args=args) for name in names])
    assert found.counts["layout"] == 1


def test_what_has_no_name_is_no_event(read):
    assert read(event("Layout", 5, 1), event(["Layout"], 5, 1), {"ph": "X"}).counts["layout"] == 1


# --- what is shown ---


@pytest.fixture
def told(read):
    return read(
        event("RunTask", 10, 100),
        event("EventDispatch", 11, 90, args={"data": {"type": "click"}}),
        call("onClick <b>", 12, 80, line=9),
        event("UpdateLayoutTree", 20, 1),
        event("Layout", 21, 4),
        *timing(11, "click", 9, 120, handler_ms=80),
        event("BeginFrame", 5, ph="I", tid=2),
    )


def test_the_report_says_what_to_look_for(told):
    text = " ".join(told.report().split())
    assert text.startswith(PAGE)
    assert "Long tasks (over 50 ms): 1, 100 ms in all" in text
    assert "100.0 ms at 0.009 s, set off by click event: js 85.0 ms, other 10.0 ms, layout 4.0 ms" in text
    assert "in onClick <b> (page.js:9) 75.0 ms" in text
    assert "Forced layouts: 1 of 1; forced style recalculations: 1 of 1." in text
    assert "INP: 120.0 ms (good) from 1 interactions" in text
    assert "Dropped frames: 0." in text
    assert repr(told) == told.report()
    assert max(map(len, told.report().splitlines())) <= 110


def test_html_takes_no_markup_from_the_trace(told):
    assert "onClick &lt;b&gt;" in told._repr_html_()


@pytest.mark.parametrize(("duration", "verdict"), [(200, "good"), (200.5, "needs work"), (501, "poor")])
def test_inp_is_judged_by_its_bounds(read, duration, verdict):
    assert f"ms ({verdict})" in read(event("Layout", 1, 1), *timing(1, "click", 5, duration)).report()


@pytest.mark.parametrize("with_task", [True, False])
def test_the_figure_is_drawn_without_a_warning_and_fits_a_readme(told, read, with_task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = trace.pipeline(told if with_task else read(event("RunTask", 1, 2)))
        figure.canvas.draw()
    try:
        assert figure.get_size_inches()[0] * figure.dpi <= 880
        title = figure.get_suptitle().replace("\n", " ")
        assert title == ("JavaScript took longest: 85% of the main thread's time; script forced 1 of 1 layouts."
                         if with_task else "Nothing of the pipeline ran while this was recorded.")  # fmt: skip
        assert [bar.get_width() for bar in figure.axes[0].patches][:3] == ([85, 1, 4] if with_task else [0, 0, 0])
        # What there is not is said, and no empty panel is drawn.
        assert [len(axes.patches) for axes in figure.axes[1:]] == ([5] if with_task else [])
        said = [text.get_text() for text in figure.texts if "there is no long task to draw" in text.get_text()]
        assert len(said) == (0 if with_task else 1)
        assert all(re.search(r"\bms\b", axes.get_xlabel()) for axes in figure.axes)
    finally:
        plt.close(figure)


def test_where_most_of_the_time_was_none_of_the_parts_the_title_says_so(read):
    figure = trace.pipeline(read(event("RunTask", 1, 40), event("FunctionCall", 2, 10), event("Layout", 13, 1)))
    try:
        title = figure.get_suptitle().replace("\n", " ")
        assert title == (
            "Most of the main thread's time, 72%, was none of the pipeline's parts; "
            "of those, JavaScript took longest, 25%."
        )
    finally:
        plt.close(figure)


# --- the command ---


def labkit(*arguments):
    separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**separate).invoke(main, [str(a) for a in arguments], prog_name="labkit")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(GOOD)
    return path


def test_the_command_prints_the_report_and_draws_the_figure(file):
    picture = file.with_suffix(".png")
    done = labkit("trace", file, "--figure", picture)
    assert done.exit_code == 0
    assert done.stdout == f"{reader.read(file).report()}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_json_has_every_attribute(file):
    found = json.loads(labkit("trace", file, "--json").stdout)
    assert found["self_ms"]["other"] == 59
    assert found["inp_ms"] is None
    assert found["long_tasks"][0]["duration_ms"] == 60
    assert {"forced_layouts", "counts", "interactions", "frames_dropped", "url", "notes"} <= found.keys()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["none.json"], 1), (["trace.json", "--url", "http://x/"], 1), (["trace.json", "--figure", "no/folder.png"], 2),
     (["trace.json", "--figure", "picture.xyz"], 2)],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(file, monkeypatch, arguments, code):
    monkeypatch.chdir(file.parent)
    done = labkit("trace", *arguments)
    assert done.exit_code == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("labkit: ")


# --- a real browser ---

#: Run as a process of its own: Playwright's synchronous interface needs a thread without an event loop.
RECORD = '''
import sys
from playwright.sync_api import sync_playwright

PAGE = """<!doctype html><button id=go>go</button><ul id=list></ul><script>
const list = document.getElementById("list");
function add() { const row = document.createElement("li"); row.textContent = "x"; list.append(row); }
function block(ms) { const end = performance.now() + ms; while (performance.now() < end); }
function readEach(n) { for (let i = 0; i < n; i++) { add(); list.offsetHeight; } }
const after = ms => new Promise(done => setTimeout(done, ms));
document.getElementById("go").addEventListener("click", function onGo() { block(120); add(); });
setTimeout(async function start() {
  await after(100);
  await Promise.resolve().then(() => readEach(20));                  // forced, in a microtask
  await after(50);
  requestAnimationFrame(function onFrame() { readEach(5); });         // forced, in a frame
  await after(50);
  for (let i = 0; i < 30; i++) add();                                 // not forced
  await after(50);
  setTimeout(function heavy() { block(90); add(); document.title = "done"; }, 0);
}, 500);
</script>"""

with sync_playwright() as playwright:
    path = sys.argv[2] or None
    browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    page.route("http://lab.test/", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    categories = ["toplevel", "v8.execute", "devtools.timeline", "disabled-by-default-devtools.timeline"]
    categories += [f"disabled-by-default-devtools.timeline.{name}" for name in ("frame", "stack")]
    page.goto("http://lab.test/")
    browser.start_tracing(page=page, path=sys.argv[1], categories=categories)
    page.wait_for_function("document.title === 'done'", polling=50)
    for _ in range(3):
        page.mouse.click(20, 20)
        page.wait_for_timeout(250)
    browser.stop_tracing()
    browser.close()
'''


@functools.cache
def browser():
    """A Chromium, and whether Playwright is there to drive it; else the test is skipped, in CI it fails."""
    missing = ""
    found = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), "")
    try:
        from playwright.sync_api import sync_playwright  # noqa: F401
    except ImportError:
        missing = "Playwright is absent: pip install playwright"
    if not found and not missing:
        missing = "no Chromium: install one, such as Debian's chromium-headless-shell"
    if missing and os.environ.get("LABKIT_NO_SKIP") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "trace.json"
    command = [sys.executable, "-c", RECORD, str(path), browser()]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return reader.read(path, url="http://lab.test")


@pytest.mark.measured
def test_a_real_trace_has_exactly_the_layouts_that_the_page_forced(recorded):
    assert recorded.forced_layouts == 25
    assert sum(n for where, n in recorded.forced_by.items() if where.startswith("readEach")) == 25
    # What nobody read is laid out by frames: far fewer than the 30 rows that were added.
    assert 25 < recorded.counts["layout"] < 25 + 30


@pytest.mark.measured
def test_a_real_traces_long_tasks_are_the_pages_own(recorded):
    causes = [task.cause for task in recorded.long_tasks if task.self_ms["js"] > 80]
    assert causes[0] == "timer"
    assert len(causes) == 4
    functions = [task.scripts[0].function for task in recorded.long_tasks if task.self_ms["js"] > 80]
    assert functions == ["heavy", "onGo", "onGo", "onGo"]


@pytest.mark.measured
def test_a_real_traces_clicks_are_its_interactions(recorded):
    assert [i.type for i in recorded.interactions] == ["click"] * 3
    assert all(i.processing_ms >= 120 for i in recorded.interactions)
    assert recorded.inp_ms == max(i.duration_ms for i in recorded.interactions)
    assert recorded.url == "http://lab.test/"


@pytest.mark.measured
def test_a_real_traces_self_times_sum_up_to_its_tasks(recorded):
    on_main = sum(ms for part, ms in recorded.self_ms.items() if part != "raster")
    assert 0 < on_main <= recorded.duration_ms
    assert recorded.self_ms["js"] > 3 * 120 + 90
    assert all(recorded.self_ms[part] > 0 for part in PARTS)
    assert recorded.frames_dropped is not None
