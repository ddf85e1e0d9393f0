"""The peers' packages, in a folder outside the repository: nothing of theirs is kept in it, no lock file either."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers.processes import Failed, run

#: Artillery brings hundreds of packages.
LIMIT_S = 600

#: Where packages stay from one run to the next, unless another folder is asked for.
FOLDER = Path.home() / ".cache" / "labkit-peers"


@dataclass(frozen=True)
class Packages:
    """What has been installed, or why it was not.

    Attributes:
        folder: where it is.
        versions: of the packages that were asked for; empty where they are missing.
        missing: why; "" where nothing is.
    """

    folder: Path
    versions: dict[str, str]
    missing: str = ""


def _once(folder: Path, install) -> Packages:  # type: ignore[no-untyped-def]
    """`install()` returns the versions; it runs where no earlier one has come to its end."""
    done = folder / "versions.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            done.write_text(json.dumps(install()))
        except (Failed, OSError, ValueError) as error:
            return Packages(folder, {}, f"cannot be installed: {error}")
    return Packages(folder, json.loads(done.read_text()))


def _versions(python: Path | str, names: tuple[str, ...], path: str = "") -> dict[str, str]:
    code = f"""
import importlib.metadata as m, json
path = {path!r}
found = {{d.metadata["Name"].lower(): d.version for d in m.distributions(**({{"path": [path]}} if path else {{}}))}}
print(json.dumps({{name: found[name] for name in {names!r}}}))"""
    return dict(json.loads(run([str(python), "-c", code], limit_s=60)))


def pip_target(folder: Path, *names: str) -> Packages:
    """Packages beside labkit's own: a folder to append to its path."""

    def install() -> dict[str, str]:
        run([sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *names], limit_s=LIMIT_S)
        return _versions(sys.executable, names, str(folder))

    return _once(folder, install)


def venv(folder: Path, *names: str) -> Packages:
    """Packages apart from labkit's own."""

    def install() -> dict[str, str]:
        run([sys.executable, "-m", "venv", str(folder)], limit_s=120)
        run([str(python_of(folder)), "-m", "pip", "install", "-q", *names], limit_s=LIMIT_S)
        return _versions(python_of(folder), names)

    return _once(folder, install)


def python_of(folder: Path) -> Path:
    """The interpreter of a venv."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def npm(folder: Path, *names: str) -> Packages:
    """Node's packages; their install scripts do not run, since one would download a browser."""
    if shutil.which("node") is None or (npm_command := shutil.which("npm")) is None:
        return Packages(folder, {}, "Node.js and npm are not here")

    def install() -> dict[str, str]:
        flags = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund")
        run([npm_command, "install", "--prefix", str(folder), *flags, *names], limit_s=LIMIT_S)
        packages = {name: folder / "node_modules" / name / "package.json" for name in names}
        versions = {name: json.loads(file.read_text())["version"] for name, file in packages.items()}
        return {**versions, "node": run(["node", "--version"], limit_s=20).strip()}

    return _once(folder, install)
