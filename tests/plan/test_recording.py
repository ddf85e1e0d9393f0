"""A recording as JSON Lines: it comes back as it was written, and what is damaged is counted."""

import contextlib
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.base.errors import UsageError
from labkit.plan import recording
from labkit.plan.recording import Recorded, of_line, read

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    Recorded,
    time_s=st.none() | st.floats(0, 1e10),
    connection=st.integers(0, 99) | TEXTS,
    namespace=TEXTS.map("/{}".format),
    event=TEXTS.filter(bool),
    arguments=st.lists(VALUES, max_size=3).map(tuple),
    ack=st.booleans(),
)


@given(EVENTS)
def test_an_event_is_read_as_it_was_written_bytes_included(event):
    line = event.line()
    assert "\n" not in line
    assert of_line(line.encode()) == event


@settings(max_examples=200)
@given(EVENTS, st.data())
def test_a_damaged_line_is_an_event_or_a_value_error(event, data):
    line = event.line().encode()
    at = data.draw(st.integers(0, len(line)))
    damaged = line[:at] + data.draw(st.binary(max_size=3)) + line[data.draw(st.integers(at, len(line))) :]
    with contextlib.suppress(ValueError, RecursionError):
        assert isinstance(of_line(damaged), Recorded)


@pytest.mark.parametrize(
    "change",
    [
        {"time_s": -1},
        {"time_s": True},
        {"time_s": "now"},
        {"connection": None},
        {"namespace": "desk"},
        {"event": ""},
        {"event": 3},
        {"arguments": "ab"},
        {"arguments": None},
        {"ack": 1},
        {"more": 1},
    ],
)
def test_what_is_no_event_is_a_value_error(change):
    good = {"time_s": 1, "connection": 0, "namespace": "/", "event": "a", "arguments": [], "ack": False}
    assert of_line(json.dumps(good).encode()).event == "a"
    with pytest.raises(ValueError, match="no event"):
        of_line(json.dumps({**good, **change}).encode())


def test_lines_that_were_cut_are_counted_and_a_newer_version_is_refused(tmp_path):
    path, left_out = tmp_path / "a.jsonl", Counter()
    lines = [Recorded(n, 0, "/", "a", (n,), False).line() for n in range(3)]
    path.write_text("\n".join([recording.head(), *lines])[:-9])
    assert [event.time_s for event in read(path, left_out)] == [0, 1]
    assert left_out == {"lines that are no events, or were cut": 1}
    path.write_text('{"labkit_recording": 2}\n')
    with pytest.raises(UsageError, match="version 2"):
        list(read(path, left_out))
