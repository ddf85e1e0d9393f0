"""A trace in Google's format: what it must have to be read by tools that others made, and by labkit's own reader."""

import json
from collections import Counter

import numpy as np

from labkit.browser.trace.events import load
from labkit.inside import trace_file
from tests.support import reported

MARKUP = '</script>"\n\\'


def saved(path, record, watched=None):
    trace_file.save(path, [(4711, record, watched)])
    return json.loads(path.read_text("utf-8"))["traceEvents"]


def test_each_handler_is_a_slice_of_its_thread_and_each_wait_one_beside(tmp_path):
    record, watched = reported.crowded(3_000, names=("chat", MARKUP, "export", "query"))
    events = saved(tmp_path / "trace.json", record, watched)
    kinds = Counter((each["ph"], each.get("cat")) for each in events)
    columns = record.events
    waits = np.subtract(columns["handler_start"], columns["read"])
    waited = np.count_nonzero(waits >= trace_file.WAIT_NS)
    assert kinds["X", "handler"] == 3_000
    assert kinds["b", "wait"] == kinds["e", "wait"] == waited > 0
    assert kinds["I", "emit"] == len(record.emits["number"])
    assert sum(kinds["b", cause] for cause in ("held the GIL", "held a lock", "no free core")) == len(watched)
    first = next(each for each in events if each["ph"] == "X")
    assert first["tid"] == columns["thread"][0]
    assert first["ts"] * 1000 == columns["handler_start"][0]
    assert round(first["dur"] * 1000) == columns["handler_end"][0] - columns["handler_start"][0]
    assert {each["name"] for each in events if each["ph"] == "X"} == {"chat", MARKUP, "export", "query"}


def test_handlers_that_share_a_thread_are_slices_that_may_overlap(tmp_path):
    record, _ = reported.crowded(100, settings={"async_mode": "asgi"})
    events = saved(tmp_path / "trace.json", record)
    assert not [each for each in events if each["ph"] == "X"]
    assert Counter(each["ph"] for each in events if each.get("cat") == "handler") == {"b": 100, "e": 100}


def test_labkits_own_reader_takes_it_as_a_trace(tmp_path):
    record, watched = reported.crowded(50)
    saved(tmp_path / "trace.json", record, watched)
    events, malformed = load(tmp_path / "trace.json")
    assert malformed == 0
    assert {each.phase for each in events} == {"M"}  # the rest is of no page of a browser's
