"""The floor: the same closed loop as nothing but its system calls, a wait, a read and a write, always the same bytes.

No event is encoded, no answer is looked at. Whatever a client in Python does besides comes on top.
"""

import json
import os
import select
import struct
import sys
import time

from labkit.base.event_loop import Loop
from labkit.client import packets
from labkit.client.connection import connect_all


def closed_loop(url: str, sockets: int, seconds: float, payload: object) -> int:
    """How many answers came on all sockets; each is one read, since the server sends no more before the next event."""
    loop = Loop()
    connections = loop.run_until_complete(connect_all(url, sockets, 10))
    text = packets.message([packets.MESSAGE, payload], 0)
    # A client masks its frames (RFC 6455, 5.2); the mask of zeros leaves the text as it is.
    frame = struct.pack("!BBI", 0x81, 0x80 | len(text), 0) + text
    waiting = select.epoll()
    for connection in connections:
        number = connection.transport.underlying_transport.get_extra_info("socket").fileno()
        waiting.register(number, select.EPOLLIN)
        os.write(number, frame)
    acks, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for number, _ in waiting.poll(1):
            os.read(number, 4096)
            os.write(number, frame)
            acks += 1
    waiting.close()
    return acks


def main(kind: str, task: dict) -> None:
    if kind != "cost":
        raise SystemExit("it looks at nothing, so it times nothing")
    print(json.dumps({"acks": closed_loop(task["url"], task["sockets"], task["seconds"], task["payload"])}))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
