"""A version of the reader's code in a folder: as it lies there, or as git has it, in a temporary folder.

Not ``git worktree add``: that writes into the reader's repository, and what a killed command leaves there is hidden but
stays. Git can write a tree anywhere with an index of its own; then there is only the temporary folder to remove, which
the warden (:mod:`labkit.base.warden`) does after a ``kill -9``.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.base.errors import UsageError
from labkit.base.processes import temporary_prefix

#: How much of a commit's name is shown.
_SHORT = 10


@dataclass(frozen=True)
class Source:
    """Where a version of the code is.

    Attributes:
        given: as the reader named it: a folder, or a ref of git.
        folder: where it lies; where a ref's app would lie in its repository.
        commit: of the ref; empty for a folder.
        notes: what to know of it, a sentence each.
    """

    given: str
    folder: Path
    commit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What it is, in few words."""
        return f"{self.given} ({self.commit[:_SHORT]})" if self.commit else str(self.folder)


def source(given: str, beside: Path) -> Source:
    """What the reader has named.

    Args:
        given: a folder, else a ref of git: a branch, a tag, a commit.
        beside: a folder in the repository that a ref is of.

    Raises:
        UsageError: it is neither.
    """
    folder = Path(given)
    if folder.is_dir():
        return Source(given, folder.resolve(), notes=_notes(folder))
    if folder.exists():
        raise UsageError(f"{given} is a file: name the folder of a version, or a ref of git such as main")
    if _git(beside, "rev-parse", "--git-dir") is None:
        raise UsageError(f"{given} is no folder, and {beside.resolve()} is in no git repository that has refs")
    commit = _git(beside, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{given}^{{commit}}")
    if not commit:
        raise UsageError(
            f"{given} is no folder, and no ref that the repository of {beside.resolve()} has: fetch it first "
            f"(git fetch origin {given} && ... --base FETCH_HEAD), or name a folder"
        )
    return Source(given, beside.resolve(), commit, _submodules(beside, commit))


@contextlib.contextmanager
def checked_out(version: Source) -> Iterator[Path]:
    """The folder of a version while the block runs: its own, or a temporary one with the files of its commit.

    Raises:
        UsageError: git cannot write its files, or the folder is not there in that commit.
    """
    if not version.commit:
        yield version.folder
        return
    with tempfile.TemporaryDirectory(prefix=temporary_prefix(os.getpid()), ignore_cleanup_errors=True) as temporary:
        root, index = Path(temporary) / "tree", {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        top = Path(_git(version.folder, "rev-parse", "--show-toplevel") or version.folder)
        prefix = _git(version.folder, "rev-parse", "--show-prefix") or ""
        root.mkdir()
        for order in (["read-tree", version.commit], [f"--work-tree={root}", "checkout-index", "--all", "--force"]):
            if _git(top, *order, environment=index) is None:
                raise UsageError(f"git could not write the files of {version.told}: see git fsck, and free space")
        folder = root / prefix
        if not folder.is_dir():
            raise UsageError(f"{version.told} has no folder {prefix.rstrip('/')}: name a ref that has it")
        yield folder


def _notes(folder: Path) -> tuple[str, ...]:
    """Of a folder that is the working tree of a repository: that it is taken as it is."""
    status = _git(folder, "status", "--porcelain", "--", ".")
    if not status:
        return ()
    count = len(status.splitlines())
    files = "1 file" if count == 1 else f"{count} files"
    return (f"{folder.resolve()} is the working tree as it is, with {files} changed or not committed",)


def _submodules(beside: Path, commit: str) -> tuple[str, ...]:
    tree = _git(beside, "ls-tree", "-r", "--full-tree", commit) or ""
    if any(line.startswith("160000 ") for line in tree.splitlines()):
        return (f"{commit[:_SHORT]} has submodules, which are not checked out with it",)
    return ()


def _git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str | None:
    """What git answers there; None where it fails."""
    # A hook's own settings (GIT_DIR, GIT_INDEX_FILE) are about another repository, or another index.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**outside, **(environment or {})},
        )
    except FileNotFoundError:
        raise UsageError("git is not installed, and refs are its: install it, or name folders") from None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None
