"""How clients introduce themselves, each by its number; nothing of it can break a request, and none of it is shown."""

import json

import pytest

from labkit.base.errors import UsageError
from labkit.plan.handshake import PLAIN, Handshake


def test_of_who_says_nothing_there_is_nothing():
    assert PLAIN.address("http://127.0.0.1:5000", "websocket", 3) == (
        "http://127.0.0.1:5000/socket.io/?EIO=4&transport=websocket"
    )
    assert (PLAIN.headers_of(3), PLAIN.auth_of(3)) == ([], b"")


def test_each_client_says_its_number():
    hello = Handshake(
        path="/ws",
        query={"room": "r {client}&"},
        headers={"X-Key": "k{client}"},
        cookies={"a": "1", "seat": "{client}"},
        auth={"token": ["t{client}", "{client}"]},
    )
    assert hello.address("http://h", "polling", 7) == "http://h/ws/?EIO=4&transport=polling&room=r+7%26"
    assert hello.headers_of(7) == [("X-Key", "k7"), ("Cookie", "a=1; seat=7")]
    assert json.loads(hello.auth_of(7)) == {"token": ["t7", 7]}


def test_secrets_are_in_no_repr():
    hello = Handshake(query={"a": "secret"}, headers={"B": "secret"}, cookies={"c": "secret"}, auth="secret")
    assert "secret" not in repr(hello)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"path": "socket.io"}, "path is where Socket.IO is served"),
        ({"headers": {"X": 3}}, "headers are names and values"),
        ({"query": "a=b"}, "query are names and values"),
        ({"headers": {"X": "a\nb"}}, "line break"),
        ({"cookies": {"X\r": "a"}}, "line break"),
        ({"headers": {"cookie": "a=b"}}, "client's own to write"),
        ({"auth": b"bytes"}, "auth cannot be sent as JSON"),
        ({"auth": float("nan")}, "auth cannot be sent as JSON"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(settings, told):
    with pytest.raises(UsageError, match=told):
        Handshake(**settings)
