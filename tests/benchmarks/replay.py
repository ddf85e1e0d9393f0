"""A replay of 10,000 events: how late each was sent, in which order, and whether every acknowledgement came back.

Beside it the same arrivals as a plan that is no replay: what the machine does to both at that hour.

Also how fast a HAR is read, and with how much memory: python -m tests.benchmarks.replay HAR_MB
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

import labkit as lab
from labkit.base.clock import NS_PER_MS
from labkit.plan import recording
from labkit.plan.recording import Recorded
from tests.support.recorded_traffic import received, sent
from tests.support.strange_app import running

EVENTS, CLIENTS, SECONDS, RUNS = 10_000, 20, 25, 2


def recorded(path: Path) -> Path:
    """Arrivals as people's are: at random, and every tenth event carries bytes."""
    random = np.random.default_rng(1)
    at = np.sort(random.uniform(0, SECONDS, EVENTS))
    who = random.integers(0, CLIENTS, EVENTS)
    with path.open("w") as file:
        file.write(recording.head() + "\n")
        for n, (time_s, client) in enumerate(zip(at.tolist(), who.tolist(), strict=True)):
            payload = (n, b"\x00\xff" * 20) if n % 10 == 0 else ({"n": n},)
            file.write(Recorded(time_s, client, "/", "silent", payload, True).line() + "\n")
    return path


def fired(folder: Path) -> None:
    found = lab.replay(recorded(folder / "many.jsonl"))
    print(found)
    with running("flask") as url:
        for _ in range(RUNS):
            told("a replay", lab.fire(url, found, ping_hz=0))
            told("no replay", lab.fire(url, found.schedule, event="silent", payload={"n": "{counter}"}, ping_hz=0))


def told(name: str, run: lab.Run) -> None:
    late_ms = (run.events["sent"] - run.events["intended"]) / NS_PER_MS
    p50, p99 = np.percentile(late_ms, [50, 99])
    in_order = bool((np.diff(run.events["sent"]) >= 0).all())
    answered, rest = run.outcomes["answered"], f"unaccounted {run.unaccounted}, strays {run.strays}"
    print(f"{name}: late p50 {p50:.3f} ms, p99 {p99:.3f} ms, max {late_ms.max():.3f} ms;", end=" ")
    print(f"in order {in_order}; answered {answered:,} of {len(run):,}, {rest}", flush=True)


def read(folder: Path, megabytes: int) -> None:
    path = folder / "large.har"
    body = json.dumps({"request": {"method": "GET", "url": "x"}, "response": {"content": {"text": "x" * 100_000}}})
    news = json.dumps(received(0, '42["news","' + "y" * 400 + '"]'))
    with path.open("w") as file:
        file.write('{"log": {"entries": [' + body)
        while file.tell() < megabytes * 500_000:
            file.write("," + body)
        file.write(f', {{"_webSocketMessages": [{news}')
        n = 0
        while file.tell() < megabytes * 1_000_000:
            n += 1
            own = json.dumps(sent(n * 0.001, f'42["a",{n}]'))
            file.write(f", {news}, {own}")
        file.write("]}]}}")
    process, began = psutil.Process(), time.perf_counter()
    before = process.memory_info().rss
    found = lab.replay(path)
    took, peak = time.perf_counter() - began, process.memory_info().rss - before
    print(f"{path.stat().st_size / 1e6:.0f} MB read in {took:.1f} s with {peak / 1e6:.0f} MB more: {found}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            read(Path(folder), int(sys.argv[1]))
        else:
            fired(Path(folder))


if __name__ == "__main__":
    main()
