"""A network that runs: bytes arrive, late and whole; it never holds more than it may, and ends with its parent."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

import labkit as lab
from labkit.base.errors import UsageError
from labkit.runs.run import Run
from labkit.scale import network as networks
from labkit.scale.delay_line import MOST_BYTES
from tests.support.helpers import gone, nothing_left_behind, wait_until

#: Both ends have buffers of the kernel's, which grow by themselves to some MB.
KERNEL_BYTES = 32 * 2**20


@contextlib.contextmanager
def answering(handle):
    """A TCP server whose connections are handled by a function, as a URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def connected(net):
    return socket.create_connection(("127.0.0.1", int(net.url.rpartition(":")[2])), timeout=10)


def everything(sock):
    """What comes until the other side has said all."""
    found = bytearray()
    while data := sock.recv(65536):
        found += data
    return bytes(found)


def echo(sock):
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.mark.measured
def test_each_way_takes_the_delay_and_a_new_connection_a_round_trip_more():
    with nothing_left_behind(), answering(echo) as url, lab.network(url, delay_ms=50) as net:
        began = time.perf_counter()
        with connected(net) as sock:
            sock.sendall(b"first")
            sock.recv(10)
            first_ms = 1000 * (time.perf_counter() - began)
            again_ms = []
            for _ in range(5):
                began = time.perf_counter()
                sock.sendall(b"again")
                sock.recv(10)
                again_ms.append(1000 * (time.perf_counter() - began))
    assert first_ms >= 200
    assert all(each >= 100 for each in again_ms)
    assert min(again_ms) < 150


@pytest.mark.measured
def test_every_byte_arrives_in_order_under_jitter_and_loss_and_a_half_closed_connection_goes_on():
    """The server reads to the end first, and answers into a connection of which only its half is open."""
    received = []

    def answer(sock):
        received.append(hashlib.sha256(said := everything(sock)).hexdigest())
        sock.sendall(said[::-1])

    sent = random.Random(0).randbytes(300_000)
    with (
        nothing_left_behind(),
        answering(answer) as url,
        lab.network(url, delay_ms=4, jitter_ms=4, loss=0.02, seed=1) as net,
        connected(net) as sock,
    ):
        for start in range(0, len(sent), 50_000):
            sock.sendall(sent[start : start + 50_000])
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == sent[::-1]
    assert received == [hashlib.sha256(sent).hexdigest()]


@pytest.mark.measured
def test_who_does_not_read_stops_who_writes_and_fills_no_memory():
    """A relay without a bound would take all of the 256 MB."""
    reads = threading.Event()

    def wait(sock):
        reads.wait(20)
        everything(sock)

    with answering(wait) as url, lab.network(url, delay_ms=1) as net, connected(net) as sock:
        sock.settimeout(0.5)
        sent, piece = 0, bytes(2**20)
        with contextlib.suppress(TimeoutError):
            while sent < 256 * 2**20:
                sent += sock.send(piece)
        rss = psutil.Process(net.pid).memory_info().rss
        reads.set()
    assert sent < KERNEL_BYTES + 4 * MOST_BYTES
    assert rss < 150 * 2**20


@pytest.mark.measured
def test_many_connections_each_have_their_own():
    with answering(echo) as url, lab.network(url, delay_ms=20, jitter_ms=5) as net, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(net)) for _ in range(100)]
        for number, sock in enumerate(socks):
            sock.sendall(b"%03d" % number)
        assert [sock.recv(10) for sock in socks] == [b"%03d" % number for number in range(100)]


@pytest.mark.measured
def test_who_breaks_off_is_seen_at_the_other_end():
    ended = threading.Event()

    def until_reset(sock):
        sock.sendall(b"hello")
        with contextlib.suppress(OSError):
            while sock.recv(100):
                pass
        ended.set()

    with answering(until_reset) as url, lab.network(url, delay_ms=5) as net:
        sock = connected(net)
        assert sock.recv(10) == b"hello"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        sock.close()
        assert ended.wait(5)


@pytest.mark.measured
def test_a_server_that_is_not_there_lets_nobody_in():
    with lab.network("http://127.0.0.1:1") as net, connected(net) as sock, contextlib.suppress(ConnectionResetError):
        assert sock.recv(10) == b""


@pytest.mark.measured
def test_it_shows_itself_and_stops_and_is_forgotten():
    with nothing_left_behind():
        net = lab.network("http://localhost:1", delay_ms=40, jitter_ms=10, loss=0.02)
        assert net.url.startswith("http://localhost:")
        assert repr(net) == f"<Network at {net.url} to http://localhost:1: 40 ± 10 ms one way, 2% loss>"
        assert networks.running(net.url) is net
        pid, url = net.pid, net.url
        net.stop()
        net.stop()
        assert "stopped" in net._repr_html_()
        assert networks.running(url) is None
        assert gone(pid)


@pytest.mark.measured
def test_one_that_nobody_refers_to_any_more_ends():
    pid = lab.network("http://127.0.0.1:1").pid
    assert wait_until(lambda: gone(pid))


@pytest.mark.measured
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_it_goes_with_a_parent_that_is_killed():
    code = "import labkit\nnet = labkit.network('http://127.0.0.1:1')\nprint(net.pid, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: gone(pid))


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (8000, "a network leads to a URL"),
        ("ftp://x", "no URL of a Socket.IO server"),
        ("http://192.0.2.1:5000", "a network of its own lies between already"),
    ],
)
def test_what_it_cannot_lead_to_is_a_sentence(server, told):
    with pytest.raises(UsageError, match=told):
        lab.network(server)


@pytest.mark.measured
def test_a_firing_over_it_is_slower_by_the_round_trip_and_says_what_lay_between(client, tmp_path):
    """Own answers and a bystander's both have two ways to go; the stages are the server's, so they stay known."""
    plan = lab.constant(50, events=20)
    with lab.serve("inline", lab.io_wait(2)) as server:
        near, far = (lab.fire(server, plan, client=client, network=network, window_s=0.4) for network in (None, "40ms"))
    for run in (near, far):
        assert run.outcomes["answered"] == 20
        assert np.isfinite(run.handler_blocking_ms).all()
    added_ms = np.median(far.own_ms) - np.median(near.own_ms)
    assert far.own_ms.min() >= 80
    assert far.bystander_ms.min() >= 80
    assert 60 < added_ms < 160
    assert (near.conditions.link, far.conditions.link) == (None, lab.Link(40))
    assert Run.load(far.save(tmp_path / "far")).conditions == far.conditions


@pytest.mark.measured
def test_at_the_url_of_a_network_the_books_are_of_the_server_behind_it(client):
    with lab.serve("inline", lab.io_wait(2)) as server, lab.network(server, delay_ms=30) as net:
        run = lab.fire(net.url, lab.burst(3), response="none", client=client, window_s=0.1)
        with pytest.raises(UsageError, match="there is a network already"):
            lab.fire(net.url, lab.burst(3), network="1ms", client=client)
        assert (run.conditions.url, run.conditions.link) == (server.url, lab.Link(30))
        assert run.connect_ms.min() >= 3 * 60  # TCP's round trip, the websocket's, and Socket.IO's


def test_a_network_on_the_way_to_another_machine_is_refused_before_anything_is_connected():
    with pytest.raises(UsageError, match="a network of its own lies between already"):
        lab.fire("http://192.0.2.1:5", lab.burst(2), network="1ms", i_own_this_server=True, client=object())


def test_a_setting_that_is_no_network_is_refused():
    with pytest.raises(UsageError, match="40ms,10ms,2%"):
        lab.compare("inline", lab.io_wait(1), lab.burst(2), network="fast")
