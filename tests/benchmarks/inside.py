"""What looking inside costs, and whether what it tells adds up.

``python tests/benchmarks/inside.py``: the stages of an event, read inside, against what the client saw.

``python tests/benchmarks/inside.py --overhead``: the throughput of a null handler, and the CPU time that an event costs
the server, without hooks, with labkit's, and with python-socketio's own ``instrument()`` for its Admin UI, in turn.
"""

import contextlib
import http.client
import itertools
import json
import re
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

EVENTS, ROUNDS = 3_000, 9
VARIANTS = ("none", "labkit", "blame", "admin")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["--ask"]:
        ask(*map(int, sys.argv[2:]))
    elif "--overhead" in sys.argv:
        overhead()
    else:
        exactness()


# Overhead


def overhead() -> None:
    for handlers in ("threads", "serial"):
        servers = {name: Served(name, handlers) for name in VARIANTS}
        told = {name: [] for name in VARIANTS}
        try:
            for served in servers.values():
                served.round()  # to warm up
            for number in range(ROUNDS):
                turn = VARIANTS[number % len(VARIANTS) :] + VARIANTS[: number % len(VARIANTS)]
                for name in turn:
                    told[name].append(servers[name].round())
        finally:
            for served in servers.values():
                served.close()
        print(f"\nasync_handlers={handlers == 'threads'}: {EVENTS} events a round, median of {ROUNDS} rounds in turn")
        print("hooks     events/s   of none      CPU us/event   beyond none")
        base_rate, base_us = (statistics.median(column) for column in zip(*told["none"], strict=True))
        for name in VARIANTS:
            rate, cpu_us = (statistics.median(column) for column in zip(*told[name], strict=True))
            # Round by round, since the machine's speed changes from one to the next.
            shares = [mine[0] / none[0] for mine, none in zip(told[name], told["none"], strict=True)]
            extra_us = [mine[1] - none[1] for mine, none in zip(told[name], told["none"], strict=True)]
            print(
                f"{name:8}{rate:10.0f}{statistics.median(shares):10.1%}{cpu_us:18.1f}{statistics.median(extra_us):14.1f}"
            )
        print(f"(none: {base_rate:.0f}/s, {base_us:.1f} us)")


class Served:
    """A server in a process of its own, and one client of it."""

    def __init__(self, variant: str, handlers: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", variant, handlers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.sock = connected(self.port)

    def cpu_s(self) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/cpu")
        answer = float(connection.getresponse().read())
        connection.close()
        return answer

    def round(self) -> tuple[float, float]:
        """Events a second, and CPU us an event."""
        burst = frame('42["null",1]') * EVENTS
        cpu_s, start_s = self.cpu_s(), time.perf_counter()
        # A hundred at a time, each answered before the next: so not the making of thousands of threads is measured.
        chunk = len(burst) // EVENTS * 100
        for at in range(0, len(burst), chunk):
            self.sock.sendall(burst[at : at + chunk])
            until(self.sock, b'"done"')
        took_s = time.perf_counter() - start_s
        return EVENTS / took_s, (self.cpu_s() - cpu_s) / EVENTS * 1e6

    def close(self) -> None:
        self.sock.close()
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def connected(port: int) -> socket.socket:
    """A client's websocket, without a library that would cost more than what is measured."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    until(sock, b"sid")
    sock.sendall(frame("40"))
    until(sock, b'40{"sid"')
    return sock


def until(sock: socket.socket, wanted: bytes) -> None:
    got = b""
    while wanted not in got:
        got += sock.recv(65536)


def frame(text: str) -> bytes:
    """A short text as a client's frame, its mask all zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


def serve(variant: str, handlers: str) -> None:
    """Until standard input is closed."""
    from flask import Flask
    from flask_socketio import SocketIO

    app = Flask("benchmark")
    socketio = SocketIO(app, async_mode="threading", async_handlers=handlers == "threads", ping_interval=3_600)
    counted = itertools.count(1)

    @socketio.on("null")
    def null(data: object) -> None:
        if next(counted) % 100 == 0:
            socketio.emit("done")

    @app.get("/cpu")
    def cpu() -> str:
        return str(time.process_time())

    if variant in ("labkit", "blame"):
        import labkit

        app.inside = labkit.instrument(socketio, blame=variant == "blame")
    elif variant == "admin":
        socketio.server.instrument(auth=False)
    with serving(app) as port:
        print(port, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def serving(app: object) -> Iterator[int]:
    """Werkzeug around an app, on a thread; its port."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *args: object) -> None:
            """Nothing."""

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


# Exactness


def exactness() -> None:
    print("event by event: what the client saw (sent to delivered) less what was seen inside (read to written)")
    print("load                                    events   p50 ms   p99 ms   within 2 ms")
    for handlers in ("threads", "serial"):
        for title, cost_ms, clients, rounds in (
            ("1 client, one after the other", 0, 1, 1_000),
            ("10 clients at once", 0, 10, 100),
            ("10 clients at once, 5 ms each", 5, 10, 30),  # packets wait in the kernel while handlers hold the GIL
        ):
            beyond = sorted(beyond_ms(handlers, cost_ms, clients, rounds))
            share = sum(1 for each in beyond if 0 <= each <= 2) / len(beyond)
            p50, p99 = beyond[len(beyond) // 2], beyond[int(len(beyond) * 0.99)]
            print(f"{title + ', ' + handlers:40}{len(beyond):6}{p50:9.2f}{p99:9.2f}{share:13.1%}")


def beyond_ms(handlers: str, cost_ms: float, clients: int, rounds: int) -> list[float]:
    """Of each event, by how much the stages inside fall short of what its client, another process, saw."""
    from flask import Flask
    from flask_socketio import SocketIO, emit

    import labkit

    app = Flask("benchmark")
    socketio = SocketIO(app, async_mode="threading", async_handlers=handlers == "threads")

    @socketio.on("echo")
    def echo(number: int) -> None:
        end = time.thread_time() + cost_ms / 1000
        while time.thread_time() < end:
            pass
        emit("echoed", number)

    with labkit.instrument(socketio, payloads=True) as inside, serving(app) as port:
        asking = [sys.executable, __file__, "--ask", str(port), str(clients), str(rounds)]
        seen = json.loads(subprocess.run(asking, check=True, capture_output=True, text=True).stdout)
        record = inside.record()
    rows = dict(zip(record.events["number"], record.events["read"], strict=True))
    written = dict(zip(record.emits["event"], record.emits["first_written"], strict=True))
    beyond = []
    for told in record.payloads:
        sent_ns, delivered_ns = seen[told["arguments"][0]]
        inside_ns = written[told["number"]] - rows[told["number"]]
        beyond.append((delivered_ns - sent_ns - inside_ns) / 1e6)
    return beyond


def ask(port: int, clients: int, rounds: int) -> None:
    """In a process of its own: events numbered from 0, one a client in every round, and both instants of each."""
    socks = [connected(port) for _ in range(clients)]
    waiting = selectors.DefaultSelector()
    for sock in socks:
        waiting.register(sock, selectors.EVENT_READ)
    seen: list[list[int]] = []
    for _ in range(rounds):
        for sock in socks:
            seen.append([time.perf_counter_ns(), 0])
            sock.sendall(frame(f'42["echo",{len(seen) - 1}]'))
        missing = clients
        while missing:
            for key, _ in waiting.select(10):
                now = time.perf_counter_ns()
                for number in re.findall(rb'"echoed",(\d+)', key.fileobj.recv(65536)):
                    seen[int(number)][1] = now
                    missing -= 1
    print(json.dumps(seen))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
