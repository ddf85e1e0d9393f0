"""What one client can hold, in every mode: whatever it sends, nothing stays, and others are served."""

import contextlib
import http.client
import json
import socket

import pytest

from labkit.plan.modes import MODES
from labkit.plan.work import io_wait
from labkit.server.hosts import bounds
from labkit.server.hosts.bounds import BoundedPacket
from labkit.server.serving import serve
from labkit.strategies import names_in
from tests.support.helpers import RawClient, wait_until

POLLING = "/socket.io/?EIO=4&transport=polling"

#: What no client may send, or no server can read; over polling, each as the body of one POST.
BAD = (
    "2",
    "0",
    "6",
    "7",
    "x",
    "",
    "4",
    "42[",
    "4x",
    "bzzz",
    "d=",
    "\x1e" * 20,
    "44{}",
    "45999-[]",
    "4" + "x" * 1_000_001,
)


def asked(port, method="GET", path=POLLING, body=None, **headers):
    """Status and body; 0 where the server closed instead of answering."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (http.client.BadStatusLine, ConnectionError):
        return 0, ""
    finally:
        connection.close()


def greeted(port):
    """A polling session that is connected: the address of its own."""
    own = f"{POLLING}&sid={json.loads(asked(port)[1][1:])['sid']}"
    assert asked(port, "POST", own, "40") == (200, "OK")
    return own


def upgrade(port, **headers):
    """The status of a websocket's handshake."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    given = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    given |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} | headers
    try:
        connection.request("GET", "/socket.io/?EIO=4&transport=websocket", headers=given)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.measured
@pytest.mark.parametrize("mode", MODES)
def test_nobody_is_let_in_and_nothing_stays_in_any_mode(mode):
    """One server a mode for all of it: starting them is what costs."""
    with serve(names_in(mode)[0], io_wait(1), mode=mode) as serving, RawClient(serving.server.port) as other:
        port = serving.server.port
        for body in BAD:
            assert asked(port, "POST", greeted(port), body)[0] in (200, 400), body[:20]
        for text in ("", "x", "9", "4", "45999-[]", "4" + "x" * 1_000_001):
            with RawClient(port) as bad:
                bad.send(text)
        own, foreign = f"http://127.0.0.1:{port}", "http://evil.example"
        assert upgrade(port, Host=f"localhost:{port}") == 101
        assert upgrade(port, Origin=own) == 101
        assert upgrade(port, Origin=foreign) in (400, 403)
        assert upgrade(port, Origin=foreign, Host="evil.example") == 403  # as a page whose name was rebound sends it
        assert asked(port, Origin=foreign, Host="evil.example")[0] == 403
        assert asked(port, Origin=foreign)[0] == 400
        assert asked(port, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
        assert other.ask('42["message",{"id":0,"payload":7}]').startswith('42["response"')


@pytest.mark.measured
def test_a_bad_packet_over_polling_leaves_no_thread():
    with serve("inline", io_wait(1)) as serving:
        threads = serving.server._threads
        for body in BAD * 2:
            asked(serving.server.port, "POST", greeted(serving.server.port), body)
        # Of those sessions that were not closed for it, engine.io's heartbeat has a thread each.
        sessions = serving.server.socketio.server.eio.sockets
        assert wait_until(lambda: len(threads.started) <= 1 + len([s for s in sessions.values() if not s.closed]))
        assert len(sessions) < 2 * len(BAD)
    assert threads.started == set()


@pytest.mark.measured
def test_polls_at_once_all_end_with_their_session():
    with serve("inline", io_wait(1)) as serving, contextlib.ExitStack() as polls:
        own, threads = greeted(serving.server.port), serving.server._threads
        asked(serving.server.port, path=own)  # takes what is there; the next ones wait
        for _ in range(3):
            poll = polls.enter_context(socket.create_connection(("127.0.0.1", serving.server.port)))
            poll.sendall(f"GET {own} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert wait_until(lambda: len([t for t in threads.started if "request" in t.name]) == 3)
        asked(serving.server.port, "POST", own, "1")  # it leaves
        polls.close()
        assert wait_until(lambda: not any("request" in thread.name for thread in threads.started))


def test_attachments_are_bounded(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_ATTACHED_BYTES", 10)
    packet = BoundedPacket(encoded_packet='52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    assert not packet.add_attachment(b"12345678")
    with pytest.raises(ValueError, match="too large"):
        packet.add_attachment(b"123")
    with pytest.raises(ValueError, match="too many"):
        BoundedPacket(encoded_packet="599999-[]")
    packet = BoundedPacket(encoded_packet='51-["a",{"_placeholder":true,"num":0}]')
    assert packet.add_attachment(b"1234567890")
    assert packet.data == ["a", b"1234567890"]
