"""Strangers send frames of every kind to the lab's server: others are served, and nothing stays of them.

The state machine of ``tests/server/test_fuzz.py``, for longer.
"""

import argparse
import time

from tests.support.fuzzed import bear


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="at least so many")
    asked = parser.parse_args()
    before_s = time.monotonic()
    sent = bear(200, frames=asked.frames)
    print(f"{sent:,} frames in {time.monotonic() - before_s:.0f} s: others were served, and nothing stayed")


if __name__ == "__main__":
    main()
