"""Which browsers there are, in the order in which the lab prefers them.

1. the one that the reader names (``LABKIT_BROWSER``, or an argument)
2. a Chrome or Chromium of the system, Debian's packages included
3. one that ``playwright install`` fetched
4. one of npm's ``@sparticuz/chromium`` that was unpacked by hand: name it, as in 1

The exact pass issues every frame itself, which only *headless shell* can do: it is looked for beside.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.base.errors import MissingExtra, UsageError

#: The reader's choice.
VARIABLE = "LABKIT_BROWSER"

HOW = (
    "run playwright install chromium (no root needed), or apt install chromium chromium-headless-shell, "
    f"or set {VARIABLE} to one"
)

_NAMES = ("google-chrome-stable", "google-chrome", "chromium", "chromium-browser", "chrome", "chromium-headless-shell")

_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)

#: Below the folder of ``playwright install``: full browsers, then headless shells.
_PLAYWRIGHT = (
    "chromium-*/chrome-*/chrome",
    "chromium-*/chrome-*/chrome.exe",
    "chromium-*/chrome-*/*.app/Contents/MacOS/*",
    "chromium_headless_shell-*/chrome-*/*headless*shell*",
)


@dataclass(frozen=True)
class Browser:
    """A Chromium that can be started.

    Attributes:
        name: as people call it.
        version: as it says itself.
        path: the program itself, not a script around it.
        is_shell: whether it is headless shell, which the exact pass needs.
    """

    name: str
    version: str
    path: Path
    is_shell: bool

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.path})"


#: By program and when its file was changed: to ask takes a twentieth of a second.
_known: dict[tuple[Path, int], Browser] = {}


def browsers(named: str | os.PathLike[str] | None = None) -> tuple[Browser, ...]:
    """All that there are, the preferred one first.

    Raises:
        UsageError: the one that the reader names is none.
    """
    chosen = named or os.environ.get(VARIABLE)
    found: dict[Path, Browser] = {}
    if chosen:
        first = _asked(Path(chosen))
        if first is None:
            raise UsageError(f"{chosen} is not a Chromium that starts: name its program file, or unset {VARIABLE}")
        found[first.path] = first
    for path in _candidates():
        program = _program(path)
        if program not in found and (browser := _asked(program)) is not None:
            found[program] = browser
    return tuple(found.values())


def full(named: str | os.PathLike[str] | None = None) -> Browser:
    """The browser of the timed and the explained pass: a full one if there is one.

    Raises:
        MissingExtra: there is none.
    """
    found = browsers(named)
    if not found:
        raise MissingExtra(f"there is no browser to measure in: {HOW}")
    if named or os.environ.get(VARIABLE):
        return found[0]
    return next((browser for browser in found if not browser.is_shell), found[0])


def shell(named: str | os.PathLike[str] | None = None) -> Browser | None:
    """The headless shell of the exact pass; None where there is none."""
    return next((browser for browser in browsers(named) if browser.is_shell), None)


def _candidates() -> Iterator[Path]:
    for name in _NAMES:
        if where := shutil.which(name):
            yield Path(where)
    for path in map(Path, _APPLICATIONS):
        if path.is_file():
            yield path
    for pattern in _PLAYWRIGHT:
        # The highest revision first.
        yield from sorted(_playwright_folder().glob(pattern), key=lambda path: _numbers(str(path)), reverse=True)


def _playwright_folder() -> Path:
    if path := os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        return Path(path)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "ms-playwright"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _program(path: Path) -> Path:
    """The program behind a distribution's script: who ends the script would leave the browser running."""
    path = path.resolve()
    try:
        with path.open("rb") as file:
            if file.read(2) != b"#!":
                return path
    except OSError:
        return path
    # Debian: /usr/bin/chromium starts /usr/lib/chromium/chromium, and chromium-headless-shell the one beside it.
    for behind in (Path("/usr/lib/chromium") / path.name, Path("/opt/google/chrome/chrome")):
        if behind.is_file() and (path.name.startswith("chromium") == (behind.parent.name == "chromium")):
            return behind
    return path


def said(program: Path | str) -> "subprocess.CompletedProcess[str] | None":
    """What a program says of its version; None where it does not start, or not end."""
    try:
        return subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _asked(path: Path) -> Browser | None:
    """What a program says of itself; None where it is no Chromium or does not start."""
    path = _program(path)
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        return None
    known = _known.get((path, changed_ns)) or _by_its_version(path)
    if known is not None:  # one that did not answer may have been too busy
        _known[path, changed_ns] = known
    return known


def _by_its_version(path: Path) -> Browser | None:
    """None where its ``--version`` names none."""
    is_shell = "headless" in path.name and "shell" in path.name
    if sys.platform == "win32":  # chrome.exe --version opens a window there
        return Browser("Chrome", "", path, is_shell) if path.is_file() else None
    answer = said(path)
    version = re.search(r"\d+(?:\.\d+){1,3}", answer.stdout) if answer is not None else None
    if (
        answer is None
        or answer.returncode != 0
        or version is None
        or not re.search(r"chrom", answer.stdout, re.IGNORECASE)
    ):
        return None
    name = "Google Chrome" if "Google Chrome" in answer.stdout else "Chromium"
    return Browser(f"{name} headless shell" if is_shell else name, version[0], path, is_shell)
