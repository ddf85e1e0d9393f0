"""The people who use the shop, from a process of their own: the same ones, at the same times, in every visit.

Customers search, ask for the stock and fill their baskets. Branches ask for their report, all at the same time. The
head office changes prices. One customer's tab sleeps: it is connected, and reads nothing.

    python -m shop.customers http://127.0.0.1:5000 '{"seconds": 5}'
"""

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Request, TextMessage

#: What people wait for an answer to before they leave, and how long they do.
ANSWERED = ("search", "stock", "report")
PATIENCE_S = 10

STOCK_EVERY_S, BASKET_EVERY_S, REPORT_EVERY_S, PRICE_EVERY_S = 1.0, 0.5, 0.75, 0.08


def visit(url, **who):
    """Let them use the shop, and wait until they have left.

    Args:
        url: of the shop.
        who: how many `customers`, of `branches`, for how many `seconds`; `rate_hz` searches a second of all customers.
    """
    command = [sys.executable, "-m", "shop.customers", url, json.dumps(who)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], check=False, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"the customers could not stay: {ran.stderr.strip().splitlines()[-1]}")


class Person:
    """A Socket.IO client that reads when it is told to, and acknowledges what asks for it."""

    def __init__(self, url, reads=True):
        place = urlsplit(url)
        self.sock, self.ws = socket.socket(), WSConnection(ConnectionType.CLIENT)
        if not reads:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # Packets as small as a network's: within one machine they are large, and so are the buffers for them.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        self.sock.settimeout(PATIENCE_S)  # whoever is not let in gives up
        self.sock.connect((place.hostname, place.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.text, self.asked, self.unanswered = "", 0, 0
        target = "/socket.io/?EIO=4&transport=websocket"
        self._write(Request(host=place.netloc, target=target))
        self._await("0")  # the transport is open
        self.say("40")
        self._await("40")  # and the shop has let it in

    def send(self, event, *arguments):
        """Send an event; a search asks for an acknowledgement."""
        self.asked += 1
        self.unanswered += event in ANSWERED
        number = self.asked if event == "search" else ""
        self.say(f"42{number}{json.dumps([event, *arguments])}")

    def say(self, packet):
        self._write(TextMessage(data=packet))

    def hear(self):
        """Read what is there; its packets."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("the shop hung up")
        self.ws.receive_data(data)
        packets = []
        for event in self.ws.events():
            if isinstance(event, TextMessage):
                self.text += event.data
                if event.message_finished:
                    packets.append(self.text)
                    self.text = ""
        for packet in packets:
            head = packet.partition("[")[0]
            if packet == "2":  # a ping
                self.say("3")
            elif head.startswith("42") and head[2:].isdigit():  # it asks whether this was read
                self.say(f"43{head[2:]}[]")
            self.unanswered -= head.startswith("43") or packet.startswith(('42["stock"', '42["report"'))
        return packets

    def leave(self):
        with contextlib.suppress(OSError):
            self._write(CloseConnection(code=1000))
        self.sock.close()

    def _await(self, start):
        while not any(packet.startswith(start) for packet in self.hear()):
            pass

    def _write(self, event):
        self.sock.sendall(self.ws.send(event))


@contextlib.contextmanager
def patient(url, rate_hz):
    """Meanwhile one customer searches so often, but never before the last answer is there: how long each took, in ms.

    The list is complete when the block has ended.
    """
    took_ms, me, gone = [], Person(url), threading.Event()

    def search():
        due = time.monotonic()
        while not gone.wait(max(0, due - time.monotonic())):
            sent = time.monotonic()
            me.send("search", "7")
            while me.unanswered:
                me.hear()
            took_ms.append((time.monotonic() - sent) * 1000)
            due = max(due + 1 / rate_hz, time.monotonic())  # nothing is made up for

    searching = threading.Thread(target=search)
    searching.start()
    try:
        yield took_ms
    finally:
        gone.set()
        searching.join()
        me.leave()


def times(first_s, every_s, seconds):
    """When somebody does something again and again."""
    return [first_s + number * every_s for number in range(int((seconds - first_s) / every_s) + 1)]


def diary(customers, branches, rate_hz, seconds):
    """Who does what, when: (seconds, number of the person, event, arguments), in order. The last one sets prices."""
    found = []
    for who in range(customers):
        share = (who + 0.5) / customers
        every_s = customers / rate_hz
        found += [(at, who, "search", (f"{who}",)) for at in times(share * every_s, every_s, seconds)]
        found += [(at, who, "stock", ("product 7",)) for at in times(share * STOCK_EVERY_S, STOCK_EVERY_S, seconds)]
        found += [(at, who, "basket", (f"product {who}",)) for at in times(share * 0.5, BASKET_EVERY_S, seconds)]
    for who in range(customers, customers + branches):
        found += [(at, who, "report", (who,)) for at in times(0.25, REPORT_EVERY_S, seconds)]
    office = customers + branches
    found += [
        (at, office, "price", ("product 7", number)) for number, at in enumerate(times(0, PRICE_EVERY_S, seconds))
    ]
    return sorted(found)


def main(url, customers=8, branches=3, rate_hz=40, seconds=3):
    people = [Person(url) for _ in range(customers + branches + 1)]
    sleeper = Person(url, reads=False)
    by_socket = {person.sock: person for person in people}
    todo, began = diary(customers, branches, rate_hz, seconds), time.monotonic()
    end = began + seconds + PATIENCE_S
    while (todo or any(person.unanswered for person in people)) and (now := time.monotonic()) < end:
        while todo and began + todo[0][0] <= now:
            _, who, event, arguments = todo.pop(0)
            people[who].send(event, *arguments)
        due = began + todo[0][0] if todo else end
        for sock in select.select(list(by_socket), [], [], max(0, due - now))[0]:
            by_socket[sock].hear()
    for person in [sleeper, *people]:
        person.leave()


if __name__ == "__main__":
    main(sys.argv[1], **json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))
