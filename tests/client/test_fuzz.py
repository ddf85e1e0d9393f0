"""Whatever a server sends, the client's reader keeps its head: no error, and no answer where there is none."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picows import WSMsgType

from labkit.client import packets
from labkit.client.connection import Connection
from labkit.client.inbox import Inbox
from labkit.runs.stages import Outcome
from tests.support.fuzzed import texts, values

_answers = st.fixed_dictionaries(
    {"id": st.integers(-3, 3) | st.integers() | values},
    optional=dict.fromkeys(("result", "error", "busy", "superseded", "start_ns", "end_ns", "cpu_ns"), values),
)
_bodies = _answers | st.lists(_answers, max_size=3) | values

#: What a server may send, and what it may not.
frames = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=20),
    _bodies.map(lambda body: b"42" + json.dumps(["response", body]).encode()),
    st.tuples(st.sampled_from([b"43", b"42", b"437", b"427"]), values.map(json.dumps)).map(
        lambda parts: parts[0] + parts[1].encode()
    ),
)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(frames, max_size=20))
def test_whatever_comes_is_a_delivery_or_nothing(received):
    inbox = Inbox(np.array([0, 1]), [1, 2], bystander=2, pings=2)
    for connection in range(3):
        inbox.take(connection, list(enumerate(received, 1)))
    columns, _ = inbox.ordered()
    assert set(columns["status"].tolist()) <= {int(outcome) for outcome in Outcome}
    assert all(-1 <= event < 2 for event in columns["event"].tolist())


@pytest.mark.parametrize("body", ['{"id":0,"result":%s}', '{"id":0,"error":%s}', '[{"id":%s}]', "%s"])
def test_an_answer_nearly_too_deep_to_be_read_is_no_error(body):
    """What can just be read cannot always be compared, or shown: each takes a little more of the stack."""
    inbox = Inbox(np.array([0]), [[]], bystander=-1, pings=0)
    depths = (*range(700, 1010), 5000, 100_000)
    for depth in depths:
        nested = "[" * depth + "]" * depth
        inbox.take(0, [(1, f'42["response",{body % nested}]'.encode()), (1, f"430{nested}".encode())])
    assert len(inbox) >= len(depths)


class FakeTransport:
    """Takes what is sent; closes when asked to."""

    is_close_frame_sent = False
    close_handshake = None

    def __init__(self):
        self.sent = []

    def send(self, kind, data):
        self.sent.append(data)

    def disconnect(self):
        pass


class FakeFrame:
    def __init__(self, kind, data):
        self.msg_type, self.data = kind, data

    def get_payload_as_bytes(self):
        return self.data


_kinds = st.sampled_from([WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG])


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.lists(st.tuples(_kinds, frames | st.sampled_from([b'0{"sid":"a"}', b'40{"sid":"b"}', b"2", b"41"])), max_size=20)
)
def test_a_connection_bears_whatever_frames_come(received):
    async def bear():
        connection, transport = Connection(), FakeTransport()
        connection.on_ws_connected(transport)
        for kind, data in received:
            connection.on_ws_frame(transport, FakeFrame(kind, data))
        connection.on_ws_disconnected(transport)
        assert connection.ready.done()
        connection.ready.exception()
        return connection, transport

    connection, transport = asyncio.run(bear())
    assert len(connection.frames) <= len(received)
    for owed in transport.sent:
        assert owed in (packets.CONNECT, packets.HEARTBEAT_ANSWER) or packets.acknowledged(owed) >= 0


@settings(max_examples=100, deadline=None, database=None)
@given(frames)
def test_a_handshake_tells_a_heartbeat_or_none(handshake):
    assert all(isinstance(each, int) for each in packets.heartbeat_told_ns(handshake))
