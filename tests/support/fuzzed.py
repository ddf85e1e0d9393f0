"""Strangers who send whatever frames they like, as a hypothesis state machine, and the server that bears them."""

import contextlib
import gc
import json
import socket
import struct

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, Ping, Request, TextMessage

from labkit.plan.work import io_wait
from labkit.server.contract import PING_EVENT
from labkit.server.serving import serve
from tests.support.helpers import RawClient, descriptors, wait_until

#: Values that JSON can carry, and those that only Python's reader takes.
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

_names = st.sampled_from(["message", "response", PING_EVENT, "connect", "disconnect", ""]) | st.text(max_size=5)
_events = st.tuples(_names, st.dictionaries(st.sampled_from(["id", "payload", "_placeholder", "num"]), values)).map(
    list
)

#: Engine.IO's type, Socket.IO's, attachments, a namespace, a number, data: each as it should be, left out, or odd.
_structured = st.tuples(
    st.sampled_from(["4"] * 8 + list("0123567899b") + [""]),
    st.sampled_from([*list("2222234567890"), ""]),
    st.sampled_from(["", "", "", "1-", "2-", "99999999999-", "-"]),
    st.sampled_from(["", "", "/,", "/a,", "/a?b=c,", "/"]),
    st.sampled_from(["", "", "0", "7", "9" * 101, "٣"]),
    st.one_of(_events, values).map(json.dumps)
    | st.sampled_from(["", "[", "[" * 3000, "{", "[]", "null", '["message"', "NaN"]),
).map("".join)

#: What is sent over a websocket or by polling.
texts = _structured | st.text(max_size=20) | st.sampled_from(["2probe", "5", "40", "41", "1", "3", "4" + "x" * 3000])

MAX_MESSAGE_BYTES = 2000


class Stranger:
    """One connection to the server that need not keep to any protocol."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.port = port

    def upgrade(self, sid=""):
        """Ask for a websocket; wait until there is one, or none."""
        target = f"/socket.io/?EIO=4&transport=websocket{sid and '&sid='}{sid}"
        self.raw(self.ws.send(Request(host=f"127.0.0.1:{self.port}", target=target)))
        with contextlib.suppress(Exception):  # of whatever kind: the server may well have refused
            self.ws.receive_data(self.sock.recv(65536))
            list(self.ws.events())

    def say(self, event):
        """A websocket's message, if it is one."""
        with contextlib.suppress(Exception):  # wsproto's: it keeps to the protocol
            self.raw(self.ws.send(event))

    def raw(self, data):
        """Whatever bytes."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def close(self, *, abort=False):
        """Leave, as a program or as a machine that loses its power."""
        if abort:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Arena:
    """A server, who is served by it, and what there was before any stranger came.

    Attributes:
        frames: how many were sent.
    """

    def __init__(self, serving):
        self.serving = serving
        self.port = serving.server.port
        self.frames = 0
        with RawClient(self.port) as first:  # the service task begins with it
            first.ask(f'420["{PING_EVENT}"]')
        assert wait_until(lambda: len(self.threads) == 1)
        self.opened = descriptors()

    @property
    def threads(self):
        return self.serving.server._threads.started

    @property
    def sessions(self):
        return self.serving.server.socketio.server.eio.sockets

    def post(self, sid, body):
        """One POST; the rest of the connection is nobody's concern."""
        data = body.encode("utf-8", "surrogatepass")
        request = (
            f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            sock.sendall(f"{request}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            while sock.recv(65536):
                pass

    def poll(self, sid=""):
        """One GET: its answer, where one comes at once."""
        target = f"/socket.io/?EIO=4&transport=polling{sid and '&sid='}{sid}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.02) as sock:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return sock.recv(65536)
        return b""

    def session(self):
        """The id of a new polling session."""
        body = self.poll().partition(b"\r\n\r\n")[2]
        start = body.find(b'"sid":"') + 7
        return body[start : body.find(b'"', start)].decode() if start > 6 else "none"

    def is_as_before(self):
        """Nobody but the service task is there, once the strangers' sessions are closed."""

        def settled():
            # Polling sessions live until their heartbeat runs out; half a request may open one when its client leaves.
            for session in list(self.sessions.values()):
                session.close(wait=False, abort=True)
            return len(self.threads) == 1 and descriptors() <= self.opened

        if not wait_until(settled, 0.3):
            gc.collect()  # Werkzeug may leave an open selector in a reference cycle
            wait_until(settled)
        left = sorted(thread.name for thread in self.threads)
        assert len(left) == 1, left
        assert descriptors() <= self.opened
        self.sessions.clear()


class Strangers(RuleBasedStateMachine):
    """They connect, send, and leave, in any order; somebody else is served all the time.

    Attributes:
        arena: set by :func:`bear`.
    """

    arena: Arena
    sockets = Bundle("sockets")
    sessions = Bundle("sessions")

    def __init__(self):
        super().__init__()
        self.other = RawClient(self.arena.port)
        self.open = []

    def _come(self):
        self.open.append(Stranger(self.arena.port))
        return self.open[-1]

    @rule(target=sockets)
    def connect(self):
        stranger = self._come()
        stranger.upgrade()
        stranger.say(TextMessage(data="40"))
        return stranger

    @rule(target=sessions)
    def connect_by_polling(self):
        sid = self.arena.session()
        self.arena.post(sid, "40")
        return sid

    @rule(target=sockets, sid=sessions)
    def go_over_to_a_websocket(self, sid):
        stranger = self._come()
        stranger.upgrade(sid)
        return stranger

    @rule(stranger=sockets, sent=st.lists(texts, min_size=1, max_size=10))
    def send_texts(self, stranger, sent):
        for text in sent:
            stranger.say(TextMessage(data=text))
        self.arena.frames += len(sent)

    @rule(stranger=sockets, data=st.binary(max_size=40))
    def send_bytes(self, stranger, data):
        stranger.say(BytesMessage(data=data))
        self.arena.frames += 1

    @rule(stranger=sockets, data=st.binary(max_size=125))
    def send_a_ping(self, stranger, data):
        stranger.say(Ping(payload=data))
        self.arena.frames += 1

    @rule(stranger=sockets, first=st.integers(0, 255), second=st.integers(0, 255), rest=st.binary(max_size=30))
    def send_no_frame(self, stranger, first, second, rest):
        stranger.raw(bytes([first, second]) + rest)
        self.arena.frames += 1

    @rule(sid=sessions, body=st.lists(texts, max_size=4).map("\x1e".join))
    def post(self, sid, body):
        self.arena.post(sid, body)
        self.arena.frames += 1

    @rule(sid=sessions)
    def poll(self, sid):
        self.arena.poll(sid)

    @rule(
        data=st.binary(max_size=60),
        path=st.sampled_from([b"", b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: localhost\r\n"]),
    )
    def send_no_request(self, path, data):
        self._come().raw(path + data)
        self.arena.frames += 1

    @rule(stranger=consumes(sockets), abort=st.booleans())
    def leave(self, stranger, abort):
        stranger.close(abort=abort)

    def teardown(self):
        """The other client is served still, and when all have left, nothing of them is."""
        try:
            number = self.arena.frames + 1
            self.other.sock.settimeout(5)
            assert self.other.ask(f'42{number}["{PING_EVENT}"]') == f"43{number}[]"
        finally:
            self.other.close()
            for stranger in self.open:
                stranger.close()
        self.arena.is_as_before()


def bear(examples, *, frames=0, steps=30):
    """Let strangers come; how many frames they sent.

    Args:
        examples: how many sequences; as many times as it takes where `frames` is given.
        frames: at least so many.
        steps: of one sequence, at most.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking a case takes minutes: each try waits for what is left behind
    )
    with serve("inline", io_wait(1), options={"max_http_buffer_size": MAX_MESSAGE_BYTES}) as serving:
        Strangers.arena = arena = Arena(serving)
        run_state_machine_as_test(Strangers, settings=chosen)
        while arena.frames < frames:
            run_state_machine_as_test(Strangers, settings=chosen)
    return arena.frames
