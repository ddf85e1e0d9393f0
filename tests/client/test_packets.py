"""Frames, round trip by python-socketio's own packets, and what cannot be one."""

import contextlib
import json
import math
import pickle

import engineio.packet
import pytest
import socketio.packet
from hypothesis import given
from hypothesis import strategies as st

from labkit.client import packets
from labkit.client.packets import acknowledged, answers, same
from labkit.runs.stages import Outcome


def values(numbers):
    """Whatever can be nested, with these numbers."""
    return st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )


#: What Python's JSON writes and reads; what a page reads of it.
JSON, PAGE_JSON = values(st.floats(allow_nan=False)), values(st.floats(allow_nan=False, allow_infinity=False))
NUMBERS = st.integers(0, 10**6)
STAMPS = st.integers(0, 2**63 - 1)


def decoded(frame):
    """As the server reads it: Engine.IO, then Socket.IO."""
    outer = engineio.packet.Packet(encoded_packet=frame.decode())
    assert outer.packet_type == engineio.packet.MESSAGE
    return socketio.packet.Packet(encoded_packet=outer.data)


def response(*bodies, name="response"):
    packet = socketio.packet.Packet(socketio.packet.EVENT, data=[name, *bodies])
    return b"4" + packet.encode().encode()


# python-socketio's own packet, to which all is held


@given(st.lists(JSON, min_size=1, max_size=3), st.none() | NUMBERS)
def test_a_frame_is_what_python_socketio_would_send(data, number):
    theirs = socketio.packet.Packet(socketio.packet.EVENT, data=data, id=number).encode()
    assert packets.message(data, number) == b"4" + theirs.encode()


def by_packet(frame):
    """Number and data as python-socketio reads them; None where it refuses the frame."""
    try:
        packet = socketio.packet.Packet(encoded_packet=frame[1:].decode())
    except (ValueError, RecursionError):
        return None
    return packet.id, packet.data


def by_us(frame):
    try:
        return packets._parsed(frame)
    except (ValueError, RecursionError):
        return None


KINDS = st.sampled_from([b"42", b"43"])
#: A number or what could be taken for one, a namespace, attachments.
HEADS = st.sampled_from(
    [b"", b"0", b"7", b"007", b"-1", b"1-", b"2-7", b"/a,", b"/a,7", b"/a?b,", b" ", b"7 ", b"\xd9\xa3"]
)


@given(KINDS, NUMBERS.map(lambda number: b"%d" % number) | HEADS, JSON.map(lambda body: json.dumps([body]).encode()))
def test_a_frame_is_read_as_python_socketio_reads_it(kind, head, body):
    frame = kind + head + body
    assert by_us(frame) == by_packet(frame)


@given(KINDS, HEADS, st.binary() | st.text().map(str.encode))
def test_what_python_socketio_refuses_is_refused(kind, head, tail):
    frame = kind + head + tail
    assert repr(by_us(frame)) == repr(by_packet(frame))  # as text: NaN is not equal to itself


@pytest.mark.parametrize(
    "body", [b"[NaN]", b"[1e400]", b"[123456789012345678901234567890]", b'["\\ud800"]', b'[{"a":1,"a":2}]']
)
def test_numbers_and_texts_at_the_edge_of_json_are_read_alike(body):
    assert repr(by_us(b"42" + body)) == repr(by_packet(b"42" + body))


# Events and pings


@given(NUMBERS, JSON)
def test_an_event_arrives_as_it_was_sent(number, payload):
    packet = decoded(packets.event(number, payload))
    assert packet.packet_type == socketio.packet.EVENT
    assert packet.data == ["message", {"id": number, "payload": payload}]
    assert packet.id is None


@given(NUMBERS, st.text(min_size=1))
def test_a_ping_carries_its_number_and_no_data(number, name):
    packet = decoded(packets.ping(number, name))
    assert (packet.packet_type, packet.id, packet.data) == (socketio.packet.EVENT, number, [name])


def test_an_event_can_have_another_name():
    assert decoded(packets.event(1, 2, name="other")).data[0] == "other"


# Acknowledgements


@given(NUMBERS, JSON)
def test_an_event_asks_for_an_acknowledgement_by_its_own_number(number, payload):
    packet = decoded(packets.event(number, payload, acknowledge=True))
    assert (packet.id, packet.data) == (number, ["message", {"id": number, "payload": payload}])


@given(NUMBERS, JSON)
def test_what_a_client_owes_names_the_number_of_the_event(number, body):
    asks = socketio.packet.Packet(socketio.packet.EVENT, data=["response", body], id=number)
    owed = decoded(packets.acknowledgement(b"4" + asks.encode().encode()))
    assert (owed.packet_type, owed.id, owed.data) == (socketio.packet.ACK, number, [])


@given(st.one_of(JSON.map(response), st.binary()))
def test_no_bytes_make_what_is_owed_raise(frame):
    assert packets.acknowledgement(frame) is None or frame.startswith(b"42")


def test_nothing_is_owed_to_what_has_no_number_or_no_data():
    assert [packets.acknowledgement(frame) for frame in (b'42["a"]', b"4212", b"42", b"", b"431[]")] == [None] * 5


@given(NUMBERS, st.lists(PAGE_JSON, max_size=3))
def test_an_acknowledgement_names_its_ping(number, data):
    packet = socketio.packet.Packet(socketio.packet.ACK, id=number, data=data)
    assert acknowledged(b"4" + packet.encode().encode()) == number


@pytest.mark.parametrize("frame", [b"", b"43", b"43[]", b"42[1]", b"2", b"43x", b"43\xff", b"437[", b"43/x,[]"])
def test_what_is_no_acknowledgement_names_none(frame):
    assert acknowledged(frame) == -1


@given(st.binary())
def test_no_bytes_make_an_acknowledgement_raise(tail):
    assert acknowledged(b"43" + tail) >= -1


# Answers


@given(NUMBERS, PAGE_JSON, STAMPS, STAMPS, STAMPS)
def test_a_result_arrives_with_the_stamps_of_the_work(number, result, start, end, cpu):
    body = {"id": number, "result": result, "start_ns": start, "end_ns": end, "cpu_ns": cpu}
    (answer,) = answers(response(body))
    assert (answer.event, answer.status, answer.result) == (number, Outcome.ANSWERED, result)
    assert (answer.start_ns, answer.end_ns, answer.cpu_ns) == (start, end, cpu)


@given(st.lists(NUMBERS, max_size=5))
def test_a_batch_is_as_many_answers(numbers):
    batch = [{"id": number, "result": None} for number in numbers]
    assert [answer.event for answer in answers(response(batch))] == numbers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": 3, "result": None}, Outcome.ANSWERED),
        ({"id": 3, "error": "ValueError: no"}, Outcome.FAILED),
        ({"id": 3, "busy": True}, Outcome.SHED),
        ({"id": 3, "superseded": True}, Outcome.SUPERSEDED),
    ],
)
def test_each_kind_of_answer(body, status):
    (answer,) = answers(response(body))
    assert (answer.event, answer.status) == (3, status)


def test_an_error_says_what_happened_and_not_more_than_fits():
    (answer,) = answers(response({"id": 0, "error": "x" * 10_000}))
    assert answer.message == "x" * 500


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        "text",
        {},
        {"result": 1},
        {"id": None, "result": 1},
        {"id": True, "result": 1},
        {"id": "3", "result": 1},
        {"id": 3.0, "result": 1},
        {"id": 3},
        {"id": 3, "busy": False},
        {"id": 3, "result": 1, "start_ns": "soon"},
        {"id": 3, "result": 1, "end_ns": None},
        {"id": 3, "result": 1, "cpu_ns": 0.5},
        {"id": 3, "result": 1, "start_ns": True},
    ],
)
def test_a_malformed_answer_is_garbled_and_says_why(body):
    (answer,) = answers(response(body))
    assert answer.status == Outcome.GARBLED
    assert answer.message


@pytest.mark.parametrize("column", ["start_ns", "end_ns", "cpu_ns"])
@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_a_stamp_that_no_record_can_hold_is_garbled(column, value):
    (answer,) = answers(response({"id": 3, "result": 1, column: value}))
    assert answer.status == Outcome.GARBLED
    assert answer.message


def test_an_answer_without_a_body_is_garbled():
    (answer,) = answers(response())
    assert (answer.event, answer.status) == (-1, Outcome.GARBLED)


@pytest.mark.parametrize("frame", [b"42", b"42[]", b"42[", b"42null", b"421", b'42["response",{"id":', b"42\xff\xfe"])
def test_a_broken_packet_is_garbled_and_says_why(frame):
    (answer,) = answers(frame)
    assert (answer.event, answer.status) == (-1, Outcome.GARBLED)
    assert answer.message


@pytest.mark.parametrize("frame", [b"", b"2", b"3", b"40", b"41", b"431[]", b"\xff", response({"id": 1}, name="news")])
def test_other_frames_are_no_answers(frame):
    assert answers(frame) == []


@given(st.binary() | JSON.map(lambda body: json.dumps(body).encode()))
def test_no_bytes_make_an_answer_raise(tail):
    for answer in answers(b"42" + tail):
        assert answer.status != Outcome.GARBLED or answer.message


@given(JSON)
def test_no_body_makes_an_answer_raise(body):
    for answer in answers(response(body)):
        assert answer.status != Outcome.GARBLED or answer.message


def test_deep_nesting_does_not_raise():
    (answer,) = answers(b'42["response",' + b"[" * 100_000)
    assert answer.status == Outcome.GARBLED
    assert acknowledged(b"431" + b"[" * 100_000) == -1


# Comparison


@given(JSON)
def test_a_result_is_the_same_after_a_round_trip(value):
    assert same(json.loads(json.dumps(value)), value)


def test_nan_is_the_same_as_nan():
    assert same({"a": [float("nan")]}, {"a": [float("nan")]})
    assert not same(float("nan"), 0.0)


def test_the_order_of_keys_does_not_matter():
    assert same({"a": 1, "b": float("nan")}, {"b": float("nan"), "a": 1})


@pytest.mark.parametrize(("result", "expected"), [(1, 2), (None, 0), ([1, 2], [2, 1]), ({"a": 1}, {}), ("1", 1)])
def test_what_differs_is_not_the_same(result, expected):
    assert not same(result, expected)


# As a page reads them


@given(NUMBERS, st.sampled_from([math.nan, math.inf, -math.inf]), PAGE_JSON)
def test_an_answer_that_no_page_can_read_is_unreadable_and_names_what_it_cannot(number, bad, beside):
    (answer,) = answers(response({"id": number, "result": [beside, {"deep": [bad]}], "start_ns": 7}))
    assert (answer.event, answer.status, answer.result, answer.start_ns) == (number, Outcome.UNREADABLE, None, 7)
    assert f"{json.dumps(bad)} is no JSON" in answer.message


def test_one_unreadable_answer_spoils_its_whole_batch():
    found = answers(response([{"id": 1, "result": 1}, {"id": 2, "result": math.nan}, {"id": 3, "busy": True}]))
    assert [(one.event, one.status) for one in found] == [(1, Outcome.UNREADABLE), (2, 9), (3, 9)]


def test_another_event_that_no_page_can_read_costs_it_its_connection_too():
    (answer,) = answers(response(math.nan, name="progress"))
    assert (answer.event, answer.status) == (-1, Outcome.UNREADABLE)
    assert "closes the connection" in answer.message


def test_a_number_that_is_none_is_found_in_a_packet_with_a_namespace():
    (answer,) = answers(b'42/desk,["response",{"id":4,"result":NaN}]')
    assert (answer.event, answer.status) == (4, Outcome.UNREADABLE)


def test_a_frame_that_is_no_utf8_is_unreadable_and_still_tells_its_event():
    (answer,) = answers(b'42["response",{"id":5,"result":"\xff\xfe"}]')
    assert (answer.event, answer.status) == (5, Outcome.UNREADABLE)
    assert answer.message == "no page can read it: it is no UTF-8; a browser closes the connection with the code 1007"


@pytest.mark.parametrize("body", [b"[NaN]", b'[{"a":-Infinity}]', b'["\xff"]'])
def test_an_acknowledgement_that_no_page_can_read_acknowledges_nothing(body):
    assert (acknowledged(b"437[1]"), acknowledged(b"437" + body)) == (7, -1)


@given(KINDS, HEADS, st.binary())
def test_no_bytes_make_the_page_s_reading_raise_anything_else(kind, head, tail):
    with contextlib.suppress(ValueError, RecursionError):
        packets.parsed(kind + head + tail)


# Namespaces and bytes: whatever python-socketio sends is read, and what is sent is what it would send

NAMESPACES = st.sampled_from(["/", "/desk", "/a/b", "/été"])
BYTES = st.recursive(
    PAGE_JSON | st.binary(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=6
)


def sent_by_socketio(kind, data, namespace, number):
    """The frame that python-socketio sends, with the binary ones behind it."""
    encoded = socketio.packet.Packet(kind, data=data, namespace=namespace, id=number).encode()
    text, *attachments = encoded if isinstance(encoded, list) else [encoded]
    frame = b"4" + text.encode()
    return packets.WithBytes.of(frame, attachments) if attachments else frame


def parts(frame):
    return bytes(frame), getattr(frame, "attachments", ())


@given(BYTES, NAMESPACES, st.none() | NUMBERS)
def test_an_event_with_bytes_in_a_namespace_is_what_python_socketio_would_send(body, namespace, number):
    frame = packets.message(["name", body], number, packets.where(namespace))
    assert parts(frame) == parts(sent_by_socketio(socketio.packet.EVENT, ["name", body], namespace, number))
    assert packets.attachments_of(frame) == len(parts(frame)[1])


@given(NUMBERS, BYTES, NAMESPACES)
def test_an_answer_with_bytes_in_a_namespace_is_read(number, body, namespace):
    data = ["priced", {"id": number, "result": body}]
    frame = packets.plain(sent_by_socketio(socketio.packet.EVENT, data, namespace, None), packets.where(namespace))
    (answer,) = answers(frame, "priced")
    assert (answer.event, answer.status) == (number, Outcome.ANSWERED)
    assert same(answer.result, body)
    assert answers(frame) == []  # another event than the one that was asked for


@given(NUMBERS, st.lists(BYTES, max_size=2), NAMESPACES)
def test_an_acknowledgement_with_bytes_in_a_namespace_is_read(number, data, namespace):
    place = packets.where(namespace)
    frame = sent_by_socketio(socketio.packet.ACK, data, namespace, number)
    assert packets.acknowledged_with(packets.plain(frame, place))[:2] == (number, data)


@given(NUMBERS, BYTES, NAMESPACES)
def test_what_a_client_owes_is_owed_in_the_namespace(number, body, namespace):
    place = packets.where(namespace)
    frame = sent_by_socketio(socketio.packet.EVENT, ["response", body], namespace, number)
    owed = decoded(packets.acknowledgement(frame, place))
    assert (owed.packet_type, owed.id, owed.data) == (socketio.packet.ACK, number, [])
    assert (owed.namespace or "/") == namespace
    assert packets.acknowledgement(sent_by_socketio(socketio.packet.EVENT, ["r", body], namespace, None), place) is None


@given(st.binary(max_size=30), st.lists(st.binary(max_size=3), max_size=3))
def test_no_bytes_make_a_frame_with_attachments_raise(tail, attachments):
    for kind in (b"45", b"46"):
        frame = packets.WithBytes.of(kind + tail, attachments)
        answers(frame)
        packets.acknowledged_with(frame)
        packets.attachments_of(frame)


@pytest.mark.parametrize(
    "text", [b'451-["response",{"_placeholder":true,"num":7}]', b'451-["response",{"_placeholder":true,"num":"x"}]']
)
def test_a_placeholder_without_its_attachment_is_garbled(text):
    (answer,) = answers(packets.WithBytes.of(text, [b"one"]))
    assert answer.status == Outcome.GARBLED


def test_a_packet_whose_bytes_did_not_follow_is_garbled():
    (answer,) = answers(b'451-["response",{"_placeholder":true,"num":0}]')
    assert (answer.status, answer.event) == (Outcome.GARBLED, -1)
    assert "did not follow" in answer.message


def test_a_frame_with_attachments_goes_to_another_process_whole():
    frame = pickle.loads(pickle.dumps(packets.message(["name", b"one", b"two"])))
    assert parts(frame)[1] == (b"one", b"two")


# Answers by acknowledgement


@given(NUMBERS, JSON)
def test_what_the_work_answered_is_read_out_of_an_acknowledgement(number, result):
    answer = packets.answer_in(number, [{"id": number, "result": result, "start_ns": 1, "end_ns": 2, "cpu_ns": 1}])
    assert (answer.event, answer.status, answer.start_ns, answer.end_ns) == (number, Outcome.ANSWERED, 1, 2)
    assert same(answer.result, result)


def test_a_failure_and_a_refusal_are_read_out_of_an_acknowledgement():
    assert packets.answer_in(3, [{"id": 3, "error": "no"}]).status == Outcome.FAILED
    assert packets.answer_in(3, [{"id": 3, "busy": True}]).status == Outcome.SHED


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ([5], 5),
        ([None], None),
        ([1, 2], [1, 2]),
        ([{"total": 3}], {"total": 3}),
        ([{"id": 9, "result": 1}], {"id": 9, "result": 1}),
    ],
)
def test_a_result_alone_is_the_answer_to_the_event_that_it_acknowledges(values, result):
    answer = packets.answer_in(3, values)
    assert (answer.event, answer.status, answer.result) == (3, Outcome.ANSWERED, result)


@pytest.mark.parametrize("values", [[], None, {}, "x"])
def test_an_acknowledgement_without_a_value_is_no_answer(values):
    assert packets.answer_in(3, values).status == Outcome.GARBLED
