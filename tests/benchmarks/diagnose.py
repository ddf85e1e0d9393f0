"""Is the diagnosis right? Functions of known kind, 20 times each: how often right, how long it takes.

With ``--busy N`` beside N other processes that compute all the time: a busy machine must not be taken for a busy GIL.
"""

import argparse
import hashlib
import json
import random
import re
import subprocess
import sys
import time
import zlib

import numpy as np

import labkit as lab
from labkit.experiments.diagnose import diagnose
from labkit.experiments.kinds import HOLDS, MIXED, RELEASES, WAITS

BYTES = np.random.default_rng(0).bytes(20_000_000)
MATRIX = np.random.default_rng(0).random((900, 900))
COLUMN = np.random.default_rng(0).random(4_000_000)
SHUFFLED = random.Random(0).sample(range(300_000), 300_000)


def sleep():
    time.sleep(0.03)


def pure_python():
    x = 1
    for _ in range(200_000):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF


def sha256():
    hashlib.sha256(BYTES).digest()


def compress():
    zlib.compress(BYTES[:2_000_000], 1)


def matmul():
    np.matmul(MATRIX, MATRIX)


def ufunc():
    np.sin(COLUMN)


def big_sort():
    sorted(SHUFFLED)


def big_json():
    json.dumps(SHUFFLED * 3)


def big_pow():
    pow(3, 1 << 3000, (1 << 4001) - 1)


def backtracking():
    re.match(r"(a+)+$", "a" * 22 + "b")


def half_and_half():
    pure_python()
    time.sleep(0.01)


def python_and_hash():
    pure_python()
    hashlib.sha256(BYTES).digest()


KNOWN = {
    sleep: (WAITS, False),
    pure_python: (HOLDS, False),
    sha256: (RELEASES, False),
    compress: (RELEASES, False),
    matmul: (RELEASES, False),
    ufunc: (RELEASES, False),
    big_sort: (HOLDS, True),
    big_json: (HOLDS, True),
    big_pow: (HOLDS, True),
    backtracking: (HOLDS, True),
    half_and_half: (MIXED, False),
    python_and_hash: (MIXED, False),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=20)
    arguments.add_argument("--busy", type=int, default=0, metavar="N")
    asked = arguments.parse_args()
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(asked.busy)]
    try:
        wrong = sum(report(function, *expected, asked.repeats) for function, expected in KNOWN.items())
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    sys.exit(wrong > 0)


def report(function, kind: str, in_one_go: bool, repeats: int) -> int:
    found, took_s = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        found.append(diagnose(lab.call(function)))
        took_s.append(time.perf_counter() - began)
    right = sum(d.kind == kind for d in found)
    told = sum(d.in_one_go == in_one_go for d in found)
    held, waiting = ([getattr(d, name) for d in found] for name in ("gil_held", "waiting"))
    print(
        f"{function.__name__:16} {kind:28} right {right:2} of {repeats}, Python or C told {told:2}; "
        f"GIL held {min(held):.0%} to {max(held):.0%}, waiting {min(waiting):.0%} to {max(waiting):.0%}, "
        f"another thread waits {max(d.hold_ms for d in found):.0f} ms at once, at most {max(took_s):.1f} s",
        flush=True,
    )
    return repeats - right


if __name__ == "__main__":
    main()
