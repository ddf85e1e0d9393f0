"""Loads an app of :mod:`tests.support.culprits` or :mod:`tests.support.loop_culprits`, and reads who was blamed."""

import contextlib
import http.client
import subprocess
import sys
import time
from pathlib import Path

from labkit.experiments.blame import NOTHING
from labkit.inside.watched import CAUSES, CLIENT, CORE, GIL, LOCK, LOOP, RECEIVE_LOOP
from tests.support import culprits, loop_culprits
from tests.support.helpers import RawClient

ROOT = Path(__file__).parents[2]

#: What disturbs, of each app: the event that one client sends, or the path that is asked for.
DISTURBS = {"handler": "export", "extension": "search", "lock": "checkout", "serial": "query", "quiet": "export"}


def run(name, folder, seconds=1.2, every_s=0.02, disturb_s=0.3, use=None):
    """Serve it, let people chat, disturb them, and leave what was seen in the folder; or `use` it in another way."""
    process = subprocess.Popen(
        [sys.executable, "-m", module_of(name).__name__, name, str(folder)],
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
            if use is None:
                load(name, port, clients, seconds, every_s, disturb_s)
            else:
                use(clients)
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
    "hub-computes": (GIL, "under_gevent.refresh", "TASK-BUILD"),
    "hub-blocks": (LOOP, "under_gevent.refresh", "TASK-BLOCKS"),
    "loop-computes": (GIL, "under_asyncio.refresh", "TASK-BUILD"),
    "loop-blocks": (LOOP, "under_asyncio.refresh", "TASK-BLOCKS"),
}


def module_of(name):
    """The module that has this app."""
    return loop_culprits if name in loop_culprits.APPS else culprits


def line_of(module, mark):
    """The line of a module that ends with a comment."""
    lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if text.endswith(f"# {mark}")]
    return line


def is_right(name, blamed):
    """Whether the worst finding names the cause, who it is, and the line; of a quiet app, that nobody in it is one."""
    finding, right = blamed.verdict, RIGHT[name]
    if right is None:
        # A machine that had no core for anybody is no part of the app.
        return finding.cause in (NOTHING, CAUSES[CORE]) and str(blamed.told()).startswith("Nothing")
    cause, by, mark = right
    module = module_of(name)
    where = f"tests/support/{Path(module.__file__).name}:{line_of(module, mark)} in "
    return finding.cause == CAUSES[cause] and finding.by == by and finding.where.startswith(where)
