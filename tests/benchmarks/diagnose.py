"""Is the diagnosis right? Functions of known kind, 20 times each: how often right, how many calls, how long it takes.

With ``--busy N`` beside N other processes that compute all the time: a busy machine must not be taken for a busy GIL.
"""

import argparse
import ctypes
import fcntl
import functools
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
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


LINE, POOL, FIVE = threading.Lock(), threading.BoundedSemaphore(3), threading.Semaphore(5)
LIBC, HOLDING = ctypes.CDLL(None), ctypes.PyDLL(None)
SEEN = []


def one_lock():
    with LINE:
        time.sleep(0.02)


def pool_of_three():
    with POOL:
        time.sleep(0.03)


def semaphore_of_five():
    with FIVE:
        time.sleep(0.03)


def one_file():
    with open(f"{tempfile.gettempdir()}/labkit-benchmark.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(0.03)


def hashes_one_at_a_time():
    with LINE:
        hashlib.sha256(BYTES).digest()


def c_driver():
    LIBC.usleep(30_000)


def c_driver_that_holds():
    HOLDING.usleep(30_000)


def child_computes():
    subprocess.run([sys.executable, "-S", "-c", "for _ in range(1_500_000): pass"], check=True)


def child_waits():
    subprocess.run(["sleep", "0.05"], check=True)


@functools.cache
def memoised(number):
    pure_python()


def grows(number):
    SEEN.append(number)
    for _ in range(8_000 * len(SEEN)):
        pass


def draws(number):
    SEEN.append(number)
    time.sleep(0.005)
    return len(SEEN)


#: Of each function its kind, whether it holds the GIL in one go, and words of what is said of it.
KNOWN = {
    sleep: (WAITS, False, "8 at once took no longer than one"),
    pure_python: (HOLDS, False, "computes in Python and holds the GIL: threads can't help, processes can"),
    sha256: (RELEASES, False, "threads help, up to"),
    compress: (RELEASES, False, "threads help, up to"),
    matmul: (RELEASES, False, "threads"),
    ufunc: (RELEASES, False, "threads help, up to"),
    big_sort: (HOLDS, True, "threads can't help"),
    big_json: (HOLDS, True, "threads can't help"),
    big_pow: (HOLDS, True, "threads can't help"),
    backtracking: (HOLDS, True, "threads can't help"),
    half_and_half: (MIXED, False, "threads help until the GIL is busy"),
    python_and_hash: (MIXED, False, "threads help until the GIL is busy"),
    one_lock: (WAITS, False, "only one call at a time can: threads can't help; other processes were not tried"),
    pool_of_three: (WAITS, False, "threads help, up to 3 at once"),
    semaphore_of_five: (WAITS, False, "threads help, up to 5 at once"),
    one_file: (WAITS, False, "only one call at a time can: threads can't help; nor can other processes"),
    hashes_one_at_a_time: (RELEASES, False, "only one call at a time can: threads can't help"),
    c_driver: (WAITS, False, "8 at once took no longer than one"),
    c_driver_that_holds: (HOLDS, True, "waits in C code that keeps the GIL"),
    child_computes: (RELEASES, False, "a child process that computes"),
    child_waits: (WAITS, False, "8 at once took no longer than one"),
    memoised: (HOLDS, False, "answers are kept"),
    grows: (HOLDS, False, "slower and slower"),
    draws: (WAITS, False, "the same payload otherwise"),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=20)
    arguments.add_argument("--busy", type=int, default=0, metavar="N")
    arguments.add_argument("--only", default="", metavar="NAME", help="functions whose name holds this")
    asked = arguments.parse_args()
    burners = [orphan("while True: pass") for _ in range(asked.busy)]
    try:
        wrong = sum(
            report(function, *expected, asked.repeats)
            for function, expected in KNOWN.items()
            if asked.only in function.__name__
        )
    finally:
        for burner in burners:
            os.kill(burner, signal.SIGKILL)
    sys.exit(wrong > 0)


def orphan(code: str) -> int:
    """A process that is nobody's child, since a child's CPU time counts for the function; its number."""
    start = (
        "import subprocess, sys; "
        f"print(subprocess.Popen([sys.executable, '-c', {code!r}], stdout=subprocess.DEVNULL).pid)"
    )
    return int(subprocess.run([sys.executable, "-c", start], stdout=subprocess.PIPE, check=True).stdout.split()[0])


def report(function, kind: str, in_one_go: bool, words: str, repeats: int) -> int:
    found, took_s = [], []
    for _ in range(repeats):
        SEEN.clear()
        getattr(function, "cache_clear", int)()
        began = time.perf_counter()
        found.append(diagnose(lab.call(function)))
        took_s.append(time.perf_counter() - began)
    right = [d.kind == kind and words in repr(d) for d in found]
    told = sum(d.in_one_go == in_one_go for d in found)
    held, waiting = ([getattr(d, name) for d in found] for name in ("gil_held", "waiting"))
    print(
        f"{function.__name__:20} {kind:28} right {sum(right):2} of {repeats}, Python or C told {told:2}; "
        f"GIL held {min(held):.0%} to {max(held):.0%}, waiting {min(waiting):.0%} to {max(waiting):.0%}, "
        f"another thread waits {max(d.hold_ms for d in found):.0f} ms at once, "
        f"{max(d.calls for d in found)} calls, at most {max(took_s):.1f} s",
        flush=True,
    )
    for wrong in [d for d, is_right in zip(found, right, strict=True) if not is_right]:
        print(f"  {wrong!r}")
    return repeats - sum(right)


if __name__ == "__main__":
    main()
