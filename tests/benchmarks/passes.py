"""The notebooks again and again: how often each claim held, and its smallest headroom (measured over bound).

What each pass printed is kept in the folder, a file a pass. Further passes add to those that are there. Exit code 1
where one failed.
"""

import argparse
import math
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tabulate import tabulate

from labkit.claims import CLAIMS

ROOT = Path(__file__).parents[2]

#: A line of the summary with which a pass ends (notebooks/conftest.py).
TOLD = re.compile(r"^  (?P<status>[A-Z ]+): (?P<sentence>.+?)(?: \[(?P<headroom>\S+) times its bound\])?$", re.M)

#: How pytest says that it is done, and after how long.
DONE = re.compile(r"^(?:(?P<failed>\d+) failed, )?\d+ passed.* in (?P<seconds>[\d.]+)s", re.M)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of what the passes printed")
    parser.add_argument("--times", type=int, default=20, help="how many passes there shall be (20)")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    while len(kept := sorted(asked.folder.glob("*.log"))) < asked.times:
        file = asked.folder / f"pass_{len(kept) + 1:02}.log"
        file.write_text(one_pass())
        print(f"{len(kept) + 1} of {asked.times}: {last_line(file)}", file=sys.stderr, flush=True)
    return tell([file.read_text() for file in kept])


def one_pass() -> str:
    """Run all notebooks; what was printed. A skipped cell is a failed one."""
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "notebooks"]
    environment = {**os.environ, "LABKIT_NO_SKIP": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True).stdout


def last_line(file: Path) -> str:
    return file.read_text().rstrip().rpartition("\n")[2]


def tell(passes: list[str]) -> int:
    """Print a table of the claims; how many passes failed."""
    held, headrooms = defaultdict(list), defaultdict(list)
    for printed in passes:
        for line in TOLD.finditer(printed):
            slugs = [slug for slug, claim in CLAIMS.items() if line["sentence"].startswith(claim.sentence)]
            for slug in slugs:
                held[slug].append(line["status"] == "HOLDS")
                headrooms[slug] += [float(line["headroom"])] if line["headroom"] else []
    rows = [
        (slug, f"{sum(said)} of {len(said)}", f"{min(headrooms[slug]):.2f}" if headrooms[slug] else "exact count")
        for slug, said in held.items()
    ]
    print(tabulate(rows, ("claim", "holds", "smallest headroom"), tablefmt="github", disable_numparse=True))
    ended = [DONE.search(printed) for printed in passes]
    failed = sum(end is None or end["failed"] is not None for end in ended)
    seconds = [float(end["seconds"]) for end in ended if end is not None] or [math.nan]
    print(f"\n{len(passes)} passes, {failed} failed; {min(seconds):.0f} to {max(seconds):.0f} s each")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
