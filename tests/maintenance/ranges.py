"""Are the dependency ranges of pyproject.toml true? Fast tests with the oldest versions that it names, and the newest.

    pip install uv
    python tests/maintenance/ranges.py                            # this Python, oldest and newest
    python tests/maintenance/ranges.py --python 3.12 --python 3.13 --only newest
    python tests/maintenance/ranges.py --keep FOLDER              # environments stay there, and are used again

Each pair of a Python and a resolution gets a fresh environment, made by uv: "oldest" are the lowest versions of what
labkit itself names (`--resolution lowest-direct`), whatever they need in the newest that fits. CI does not run this: it
fetches some hundred packages for each environment. `tests/repository/test_house.py` is left out: numpy's types change
from year to year, and the house is checked with the newest. Exit code: 0 all passed, 1 one did not.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[2]
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
TIMEOUT_S = 600

#: Where labkit touches other packages: server and hooks, client, strategies, figures, the command. Under `tests/`.
FAST = (
    "server/test_in_process",
    "client/test_client",
    "strategies/test_strategies",
    "plots/test_runs",
    "ui/commands/test_main",
    "runs/test_run",
    "plan/test_work",
)


@dataclass(frozen=True)
class Outcome:
    """What became of one environment.

    Attributes:
        python, resolution: which.
        told: pytest's closing line, or why there was none.
        passed: whether all was well.
        details: the failures, a line each.
    """

    python: str
    resolution: str
    told: str
    passed: bool
    details: tuple[str, ...] = ()


def closing(output: str) -> tuple[str, tuple[str, ...]]:
    """pytest's last line without its decoration, and the lines of its short summary."""
    lines = output.strip().splitlines() or ["pytest printed nothing"]
    return lines[-1].strip("= "), tuple(line for line in lines if re.match(r"(FAILED|ERROR) ", line))


def table(outcomes: Iterable[Outcome]) -> str:
    """For people to read, and for Markdown."""
    rows = [(Path(o.python).name, o.resolution, o.told) for o in outcomes]
    return tabulate(rows, ("Python", "versions", "tests"), tablefmt="github", disable_numparse=True)


def tried(folder: Path, python: str, resolution: str, tests: Iterable[str]) -> Outcome:
    """Make the environment, run the tests in it."""
    venv = folder / f"{re.sub(r'[^0-9.]', '', Path(python).name) or 'this'}-{resolution}"
    program = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    steps = [
        *([] if program.exists() else [[*uv, "venv", "--no-python-downloads", "--python", python, str(venv)]]),
        [
            *[*uv, "pip", "install", "--python", str(program), "--upgrade", "--resolution", RESOLUTIONS[resolution]],
            *["--editable", f"{ROOT}[all]"],
        ],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return Outcome(python, resolution, "no environment", False, tuple(done.stderr.strip().splitlines()))
    files = [str(Path("tests") / f"{name.removesuffix('.py')}.py") for name in tests]
    command = [str(program), "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no", *files]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Outcome(python, resolution, f"not done after {TIMEOUT_S} s", False)
    told, details = closing(done.stdout)
    return Outcome(python, resolution, told, done.returncode == 0, details or tuple(done.stderr.splitlines()[-5:]))


def main(arguments: list[str] | None = None) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--python", action="append", help="a version, or a program; again for more")
    asked.add_argument("--only", choices=RESOLUTIONS, help="one of the two")
    asked.add_argument("--keep", type=Path, help="a folder for the environments")
    asked.add_argument("tests", nargs="*", default=FAST, help="test modules, such as runs/test_run")
    given = asked.parse_args(arguments)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="labkit-ranges-") as scratch:
        folder = (given.keep or Path(scratch)).resolve()
        for python in given.python or [sys.executable]:
            for resolution in [given.only] if given.only else RESOLUTIONS:
                outcome = tried(folder, python, resolution, given.tests)
                outcomes.append(outcome)
                print(*outcome.details, sep="\n", end="\n" if outcome.details else "", flush=True)
    print(table(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
