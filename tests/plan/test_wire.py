"""Values with bytes in them, held to what python-socketio's own packets make of them."""

import pytest
import socketio.packet
from hypothesis import given
from hypothesis import strategies as st

from labkit.plan import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def received(value):
    """As the other end has it, by python-socketio."""
    encoded = socketio.packet.Packet(socketio.packet.EVENT, data=["name", value]).encode()
    text, *attachments = encoded if isinstance(encoded, list) else [encoded]
    packet = socketio.packet.Packet(encoded_packet=text)
    for attachment in attachments:
        packet.add_attachment(attachment)
    return packet.data[1]


@given(VALUES)
def test_a_value_is_read_as_python_socketio_reads_it(value):
    wire.require(value)
    assert wire.as_received(value) == received(value) == value


@given(VALUES, VALUES)
def test_the_same_value_has_the_same_text_and_another_has_another(one, other):
    assert wire.text(one) == wire.text(wire.as_received(one))
    if one != other:
        assert wire.text(one) != wire.text(other)


def test_keys_and_tuples_are_read_as_json_has_them():
    assert wire.as_received({1: (2, b"3"[:0].decode()), "b": b"4"}) == {"1": [2, ""], "b": b"4"}


@pytest.mark.parametrize("value", [(b"in a tuple",), {"deep": [{1, 2}, b""]}, {b"key": 1}, object()])
def test_what_socketio_cannot_carry_is_refused(value):
    with pytest.raises(TypeError):
        received(value)
    for read in (wire.require, wire.text, wire.as_received):
        with pytest.raises(TypeError):
            read(value)
