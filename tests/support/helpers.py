"""What several test modules share: leak checks, a server around a `register` function, clients made by hand."""

import contextlib
import functools
import gc
import json
import signal
import socket
import struct
import threading
import time
import weakref

import numpy as np
import psutil
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request, TextMessage

from labkit.base.clock import NS_PER_MS
from labkit.client.firing import Job
from labkit.server.contract import PING_EVENT
from labkit.server.in_process import Server
from labkit.strategies import Strategy


def wait_until(condition, timeout_s=5.0):
    """Whether `condition()` became true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def swallowed(error):
    """Raise it in a weakref's callback, where Python prints it and goes on."""

    class Thing:
        pass

    def callback(reference):
        raise error

    thing = Thing()
    reference = weakref.ref(thing, callback)
    del thing
    return reference


def gone(pid):
    """Whether a process, of whomever, has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def descriptors():
    process = psutil.Process()
    return process.num_fds() if hasattr(process, "num_fds") else process.num_handles()


@contextlib.contextmanager
def nothing_left_behind(timeout_s=2.0):
    """After the block: the threads, descriptors and child processes of before it, and no others."""
    threads = set(threading.enumerate())
    opened = descriptors()
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    yield

    def new_threads():
        return [thread.name for thread in threading.enumerate() if thread not in threads]

    def new_children():
        return [child for child in psutil.Process().children(recursive=True) if child.pid not in children]

    if not wait_until(lambda: not new_threads() and descriptors() <= opened and not new_children(), timeout_s):
        # A client that resets its request makes Werkzeug (serving.py, run_wsgi's execute) drop an open selector in a
        # reference cycle: garbage, and closed whenever the interpreter collects next.
        gc.collect()
    assert new_threads() == []
    assert descriptors() <= opened
    assert new_children() == []


@contextlib.contextmanager
def taking_interrupts():
    """Processes that are started within take SIGINT, also where the tests were started from a shell that ignores it.

    A shell without job control does so for what it starts in the background, and an ignored signal is inherited.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def no_thread_dies():
    """Within the block no thread ends by an exception that Python would print (SystemExit it does not)."""
    died = []
    before = threading.excepthook
    threading.excepthook = lambda args: args.exc_type is SystemExit or died.append(args.exc_value)
    try:
        yield
    finally:
        threading.excepthook = before
    assert died == []


def ends_within(seconds):
    """A test that fails where it would otherwise wait for ever."""

    def decorate(test):
        @functools.wraps(test)
        def run(*args, **kwargs):
            outcome = []

            def work():
                try:
                    outcome.append(test(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 (raised again below)
                    outcome.append(error)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            thread.join(seconds)
            assert outcome, f"still at work after {seconds} s"
            if isinstance(outcome[0], BaseException):
                raise outcome[0]

        return run

    return decorate


def echo(data):
    """A calculation that costs nothing."""
    return {"id": data["id"], "result": data["payload"], "start_ns": 1, "end_ns": 2, "cpu_ns": 1}


def answer_inline(socketio, complex_calculation):
    """The simplest strategy: each event is answered in its handler."""
    from flask_socketio import emit

    @socketio.on("message")
    def handle_message(data):
        emit("response", complex_calculation(data))


def make_server(register=answer_inline, calculation=echo, **arguments):
    """A server around a `register` function, not yet started."""
    return Server(Strategy("tested", register), calculation, **arguments)


def make_job(
    events=4, *, every_ms=2.0, senders=1, timeout_ms=5000, pings=0, payloads=None, expected="payloads", lead_ms=20
):
    """A plan whose events go out on the senders in turn."""
    payloads = list(range(events)) if payloads is None else payloads
    return Job(
        intended_ns=np.arange(events, dtype=np.int64) * round(every_ms * NS_PER_MS),
        connection=np.arange(events, dtype=np.int64) % senders,
        payloads=payloads,
        expected=payloads if expected == "payloads" else expected,
        ping_ns=np.arange(pings, dtype=np.int64) * round(every_ms * NS_PER_MS),
        ping_event=PING_EVENT,
        timeout_ns=round(timeout_ms * NS_PER_MS),
        lead_ns=round(lead_ms * NS_PER_MS),
    )


class RawClient:
    """A Socket.IO client on a blocking socket: it reads only when told to."""

    def __init__(self, port, *, receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.texts = []
        self.part = ""
        self.closed = False
        target = "/socket.io/?EIO=4&transport=websocket"
        self.sock.sendall(self.ws.send(Request(host=f"127.0.0.1:{port}", target=target)))
        assert self.receive().startswith("0")
        self.send("40")
        answer = self.receive()
        assert answer.startswith("40")
        self.sid = json.loads(answer[2:])["sid"]

    def send(self, text):
        self.sock.sendall(self.ws.send(TextMessage(data=text)))

    def receive(self):
        """The next text; None once the server has closed."""
        while not self.texts and not self.closed:
            data = self.sock.recv(65536)
            self.ws.receive_data(data or None)
            for event in self.ws.events():
                if isinstance(event, TextMessage):
                    self.part += event.data
                    if event.message_finished:
                        self.texts.append(self.part)
                        self.part = ""
                elif isinstance(event, CloseConnection):
                    self.closed = True
                else:
                    assert isinstance(event, AcceptConnection | BytesMessage)
        return self.texts.pop(0) if self.texts else None

    def ask(self, text):
        """Send, and take the next text that is no heartbeat."""
        self.send(text)
        answer = self.receive()
        return self.receive() if answer == "2" else answer

    def leave(self):
        """Close as a browser does, and wait until the server has closed too; the seconds that it took."""
        before = time.monotonic()
        self.sock.sendall(self.ws.send(CloseConnection(code=1000)))
        while self.sock.recv(65536):
            pass
        return time.monotonic() - before

    def abort(self):
        """Reset the connection, as a machine that loses its power."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
