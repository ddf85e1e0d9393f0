"""Loads one of the apps of :mod:`tests.support.culprits`, and reads who was blamed."""

import contextlib
import http.client
import subprocess
import sys
import time
from pathlib import Path

from labkit.experiments.blame import NOTHING
from labkit.inside.watched import CAUSES, CLIENT, CORE, GIL, LOCK, RECEIVE_LOOP
from tests.support import culprits
from tests.support.helpers import RawClient

ROOT = Path(__file__).parents[2]

#: What disturbs, of each app: the event that one client sends, or the path that is asked for.
DISTURBS = {"handler": "export", "extension": "search", "lock": "checkout", "serial": "query", "quiet": "export"}


def run(name, folder, seconds=1.2, every_s=0.02, disturb_s=0.3):
    """Serve it, let people chat, disturb them, and leave what was seen in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.culprits", name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        port = int(process.stdout.readline())
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawClient(port)) for _ in range(3)]
            if name == "reader":
                stack.enter_context(RawClient(port, receive_buffer=4096))  # and never reads again
            load(name, port, clients, seconds, every_s, disturb_s)
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def load(name, port, clients, seconds, every_s, disturb_s):
    for client in clients:
        client.sock.setblocking(False)
    end = time.monotonic() + seconds
    turn, disturbed = 0, time.monotonic()
    while (now := time.monotonic()) < end:
        clients[turn % 2].send(f'42["chat",{turn}]')
        turn += 1
        if now >= disturbed:
            disturbed = now + disturb_s
            if name in DISTURBS:
                # Of one whose handlers run in turn, the one that waits is the client itself.
                clients[0 if name == "serial" else 2].send(f'42["{DISTURBS[name]}",1]')
            elif name == "route":
                asked = http.client.HTTPConnection("127.0.0.1", port)
                asked.request("GET", "/report")  # whose answer nobody reads
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                while client.sock.recv(1 << 20):
                    pass
        time.sleep(every_s)


#: Of each app the right answer: the cause, who, and the comment at the end of the line.
RIGHT = {
    "handler": (GIL, "export", "BUILD"),
    "task": (GIL, "task.refresh", "BUILD"),
    "route": (GIL, "/report", "BUILD"),
    "extension": (GIL, "search", "FIND"),
    "lock": (LOCK, "checkout", "CHECKOUT"),
    "serial": (RECEIVE_LOOP, "query", "QUERY"),
    "reader": (CLIENT, "reader.feed", "FEED"),
    "quiet": None,
}


def is_right(name, blamed):
    """Whether the worst finding names the cause, who it is, and the line; of a quiet app, that nobody in it is one."""
    finding, right = blamed.verdict, RIGHT[name]
    if right is None:
        # A machine that had no core for anybody is no part of the app.
        return finding.cause in (NOTHING, CAUSES[CORE]) and str(blamed.told()).startswith("Nothing")
    cause, by, mark = right
    where = f"tests/support/culprits.py:{culprits.line_of(mark)} in "
    return finding.cause == CAUSES[cause] and finding.by == by and finding.where.startswith(where)
