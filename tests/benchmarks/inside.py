"""What looking inside costs, and whether what it tells adds up.

``python tests/benchmarks/inside.py``: the stages of an event, read inside, against what the client saw.

``python tests/benchmarks/inside.py --overhead``: the throughput of a null handler, and the CPU time that an event costs
the server, without hooks, with labkit's, and with python-socketio's own ``instrument()`` for its Admin UI, in turn.
"""

import http.client
import itertools
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

EVENTS, ROUNDS = 3_000, 9
VARIANTS = ("none", "labkit", "admin")


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
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
                turn = VARIANTS[number % 3 :] + VARIANTS[: number % 3]
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
        self.sock = socket.create_connection(("127.0.0.1", self.port))
        self.sock.settimeout(60)
        self.sock.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.until(b"sid")
        self.sock.sendall(frame("40"))
        self.until(b'40{"sid"')

    def until(self, wanted: bytes) -> None:
        got = b""
        while wanted not in got:
            got += self.sock.recv(65536)

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
            self.until(b'"done"')
        took_s = time.perf_counter() - start_s
        return EVENTS / took_s, (self.cpu_s() - cpu_s) / EVENTS * 1e6

    def close(self) -> None:
        self.sock.close()
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def frame(text: str) -> bytes:
    """A short text as a client's frame, its mask all zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


def serve(variant: str, handlers: str) -> None:
    """Until standard input is closed."""
    import threading

    from flask import Flask
    from flask_socketio import SocketIO
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, *args: object) -> None:
            """Nothing."""

    app = Flask("benchmark")
    socketio = SocketIO(app, async_mode="threading", async_handlers=handlers == "threads")
    counted = itertools.count(1)

    @socketio.on("null")
    def null(data: object) -> None:
        if next(counted) % 100 == 0:
            socketio.emit("done")

    @app.get("/cpu")
    def cpu() -> str:
        return str(time.process_time())

    if variant == "labkit":
        import labkit

        app.inside = labkit.instrument(socketio)
    elif variant == "admin":
        socketio.server.instrument(auth=False)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


# Exactness


def exactness() -> None:
    import labkit as lab

    print("event by event: what the client saw (sent to delivered) less what was seen inside (read to written)")
    print("load                          events     p50 ms   p99 ms   within 2 ms")
    for title, plan in (
        ("10 clients, 100/s", lab.constant(100, events=1_000)),
        ("10 clients, 300/s", lab.constant(300, events=1_000)),
        ("a burst of 10, 20 ms each", lab.burst(10)),
    ):
        beyond = sorted(beyond_ms(lab.cpu(ms=20 if "burst" in title else 0.1), plan))
        share = sum(1 for each in beyond if 0 <= each <= 2) / len(beyond)
        p50, p99 = beyond[len(beyond) // 2], beyond[int(len(beyond) * 0.99)]
        print(f"{title:30}{len(beyond):6}{p50:11.2f}{p99:9.2f}{share:13.1%}")


def beyond_ms(work: object, plan: object) -> list[float]:
    """Of each event, by how much the stages inside fall short of what its client saw."""
    import labkit as lab
    from labkit.base.clock import NS_PER_MS

    with lab.serve("inline", work) as server, lab.instrument(server.server.socketio, payloads=True) as inside:
        run = lab.fire(server, plan)
        time.sleep(0.2)
        record = inside.record()
    by_number = {number: row for row, number in enumerate(record.events["number"])}
    written = {
        event: at
        for event, at in zip(record.emits["event"], record.emits["first_written"], strict=True)
        if event >= 0 and at
    }
    ids = {
        told["arguments"][0]["id"]: told["number"]
        for told in record.payloads
        if told["arguments"] and isinstance(told["arguments"][0], dict) and "id" in told["arguments"][0]
    }
    beyond = []
    for place, (sent, delivered) in enumerate(zip(run.events["sent"], run.events["delivered"], strict=True)):
        number = ids.get(place)
        if number in written and number in by_number:
            inside_ns = written[number] - record.events["read"][by_number[number]]
            beyond.append((int(delivered) - int(sent) - inside_ns) / NS_PER_MS)
    return beyond


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
