"""What events carry: values in turn, placeholders filled in, refused where Socket.IO cannot carry them."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labkit as lab
from labkit.base.errors import UsageError, WorkloadError
from labkit.plan import payloads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PLAN = lab.constant(10, events=6, connections=3)


def test_a_placeholder_alone_is_a_number_and_within_a_text_it_is_text():
    filled = payloads.filled(
        {"n": "{counter}", "who": ["client {client}", ("{client}",)], "{counter}": "{other} {counter}"},
        {"counter": 7, "client": 2},
    )
    assert filled == {"n": 7, "who": ["client 2", (2,)], "{counter}": "{other} 7"}


@given(JSON)
def test_what_has_no_placeholder_stays_as_it_is(value):
    if "{counter}" not in json.dumps(value) and "{client}" not in json.dumps(value):
        assert payloads.filled(value, {"counter": 1, "client": 2}) == value


def test_every_event_has_its_own_number_and_its_clients():
    found = payloads.for_plan(PLAN, [{"n": "{counter}", "who": "{client}"}], more=2)
    assert [one["n"] for one in found] == list(range(8))
    assert [one["who"] for one in found] == [0, 1, 2, 0, 1, 2, 0, 1]


def test_values_come_in_turn_and_a_generator_is_asked_for_no_more_than_are_needed():
    assert payloads.for_plan(PLAN, ["a", "b"]) == ["a", "b"] * 3
    endless = itertools.count()
    assert payloads.for_plan(PLAN, endless) == [0, 1, 2, 3, 4, 5]
    assert next(endless) == 6
    assert payloads.for_plan(PLAN, iter("ab")) == ["a", "b"] * 3


def test_a_tuple_is_several_arguments_and_nothing_is_none():
    assert payloads.arguments((1, [2])) == [1, [2]]
    assert payloads.arguments([1, 2]) == [[1, 2]]
    assert payloads.arguments(payloads.NOTHING) == []
    assert payloads.arguments(None) == [None]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "there is nothing to send"),
        ([object()], "cannot be sent as JSON"),
        ([float("nan")], "cannot be sent as JSON"),
        ((1 / each for each in (1, 0)), "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_sent_is_a_sentence(values, told):
    with pytest.raises(UsageError, match=told):
        payloads.for_plan(PLAN, values)


def test_a_command_line_names_json_a_file_of_lines_or_a_function(tmp_path, monkeypatch):
    (tmp_path / "orders.jsonl").write_text('{"id": 1}\n\n{"id": 2}\n')
    (tmp_path / "made_by.py").write_text("def orders():\n    yield 1\n    yield 2\n")
    monkeypatch.chdir(tmp_path)
    assert payloads.named('{"id": 1}') == [{"id": 1}]
    assert payloads.named("@orders.jsonl") == [{"id": 1}, {"id": 2}]
    assert list(payloads.chosen(payloads.NOTHING, payloads.named("made_by:orders"))) == [1, 2]
    for text in ("{id: 1}", "@nowhere", "made_by:nothing", "nowhere:orders"):
        with pytest.raises(WorkloadError):
            payloads.named(text)


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"id": 3}, "id", 3),
        ({"order": {"id": 3}}, "order.id", 3),
        ([{"id": 3}], "0.id", 3),
        ({"id": None}, "id", None),
        ({"order": 3}, "order.id", None),
        ("id", "id", None),
        ([1], "4", None),
        (3, "id", None),
    ],
)
def test_a_field_is_found_where_it_is(value, path, found):
    assert payloads.field_of(value, path) == found


@given(JSON, st.text())
def test_any_field_of_any_value_is_there_or_none(value, path):
    payloads.field_of(value, path)
