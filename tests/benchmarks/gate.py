"""How often `labkit gate` calls an equal head slower, and whether it finds a handler that is slower by half.

``python -m tests.benchmarks.gate [GATES [NEIGHBOURS]]``: so many gates of 10 rounds, two with an equal head for each
with a slower one, real servers and clients; beside so many processes that compute all the time. At most 2 of 40 equal
heads may be called slower, and 19 of 20 slower ones must be, where nobody else computes; beside a neighbour "can't
tell" is right, too. A gate takes about a minute and a half.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import labkit as lab
from labkit.experiments.at_url import aimed
from labkit.experiments.gate import Gate
from labkit.runs.gate import SIDES, judge
from labkit.server.version import Launch

APP = """
import time

from flask import Flask
from flask_socketio import SocketIO

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")


@socketio.on("price")
def price(data):
    time.sleep({seconds})
    return data
"""

#: Of the handler, and of the slower one.
SECONDS, SLOWER = 0.040, 1.5


def aim(url):
    """160 events, so that each run has a p98."""
    return aimed(url, lab.constant(100, events=160), {"payload": {}}, {"event": "price"})


def gate(folder, factor, seed):
    """What one gate says."""
    for name, seconds in (("base", SECONDS), ("head", SECONDS * factor)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "shop.py").write_text(APP.format(seconds=seconds))
    sides = {name: [] for name in SIDES}
    for name, run in Gate(folder / "base", folder / "head", Launch("shop:app"), aim, "shop", seed=seed).runs():
        sides[name].append(run)
    return judge(sides)


@contextlib.contextmanager
def neighbours(count):
    """So many processes that compute while the block runs."""
    found = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in found:
            each.kill()
            each.wait()


def main(gates=60, busy=0):
    found = {1.0: Counter(), SLOWER: Counter()}
    with tempfile.TemporaryDirectory() as folder, neighbours(busy):
        for number in range(gates):
            factor = SLOWER if number % 3 == 2 else 1.0
            judged = gate(Path(folder), factor, number)
            found[factor][str(judged.direction)] += 1
            print(f"{number + 1}: head takes {factor:g}x: {judged.direction}; {judged.sentences[0]}", flush=True)
            print(f"   {judged.found.cautions[-1]}", flush=True)
    for factor, counts in found.items():
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"head takes {factor:g}x, {busy} neighbours: of {counts.total()} gates {told}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
