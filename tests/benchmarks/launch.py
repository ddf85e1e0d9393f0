"""What `labkit run` adds to the start of an app: until its server is made, and until it lets a client in; interleaved.

python -m tests.benchmarks.launch [TIMES]
"""

import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.launching import APP, client, free_port, launched

WAYS = {"python app.py": (), "labkit run app.py": ("-m", "labkit", "run", "--out", "out.d")}

#: The app says when it has come so far that its server is there.
TOLD = APP.replace('if __name__ == "__main__":', 'print("made", time.time(), flush=True)\nif __name__ == "__main__":')


def start(way: str) -> tuple[float, float]:
    """Seconds until the server is made, and until the first client is in."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "app.py").write_text(TOLD)
        before = time.time()
        with launched(folder, *WAYS[way], "app.py", port) as process:
            with client(port):
                let_in = time.time() - before
            process.send_signal(signal.SIGINT)
            process.wait(30)
        return float((folder / "out").read_text().split()[1]) - before, let_in


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(times):
        for way in WAYS:
            found[way].append(start(way))
    medians = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in found.items()}
    for way, (made_s, let_in_s) in medians.items():
        print(f"{way:20} server made after {made_s:.3f} s, first client in after {let_in_s:.3f} s")
    added = [labkit - plain for plain, labkit in zip(*medians.values(), strict=True)]
    print(f"labkit run adds {added[0]:.3f} s and {added[1]:.3f} s (asked 0.3); medians of {times}, interleaved")


if __name__ == "__main__":
    main()
