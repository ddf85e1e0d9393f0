"""Which apps are looked into now, on this machine: by their folder, their process, or where they serve."""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from labkit.base.clock import NS_PER_S, now_ns, sleep
from labkit.base.errors import UsageError
from labkit.inside.publishing import PROCESS

#: How the clocks of a file system and of a process table may differ, in seconds.
_SLACK_S = 2.0

#: A process that saves at its end takes no longer, as a rule.
ENDS_WITHIN_S = 1.0

_HOW = "start the app with labkit run, or call labkit.instrument(socketio).publish() in it"


@dataclass(frozen=True)
class Running:
    """A server of a process that runs.

    Attributes:
        folder: of its own, in which it says what it does.
        pid: of the process.
    """

    folder: Path
    pid: int


def in_folder(folder: Path) -> tuple[Running, ...]:
    """Those of one run, or the one whose own folder it is; in the order in which they began."""
    places = [folder] if (folder / PROCESS).exists() else list(folder.glob("server-*"))
    found = [(place, _running(place)) for place in places]
    there = [(_began(place), running) for place, running in found if running is not None]
    return tuple(running for _, running in sorted(there, key=lambda each: (each[0], str(each[1].folder))))


def wait_for_end(folder: Path, within_s: float = ENDS_WITHIN_S) -> None:
    """Wait until no server of a run has anything left to save, though not long.

    A reloader, or a shell, can end a moment before the process that it has started.
    """
    deadline = now_ns() + round(within_s * NS_PER_S)
    while in_folder(folder) and now_ns() < deadline:
        sleep(0.01)


def awaits(folder: Path) -> bool:
    """Whether an app of this run has made a server to which nobody has connected yet: it has nothing to say."""
    for note in folder.glob("made-*.json"):
        with contextlib.suppress(psutil.Error, OSError, ValueError):
            process = psutil.Process(int(note.stem.partition("-")[2]))
            if process.create_time() <= note.stat().st_mtime + _SLACK_S:
                return True
    return False


def folder_of(target: str | None, results: Path) -> Path:
    """The folder of what somebody names.

    Args:
        target: a folder, a process's number, or an address; None for the run in `results` that began last.
        results: where runs are kept if nobody names a folder.

    Raises:
        UsageError: there is no such folder, process or server, or nobody looks into it.
    """
    if target is None:
        return _newest(results)
    if "://" in target:
        return _of_url(target, results)
    if target.isdecimal() and not Path(target).exists():
        return _of_process(int(target), results)
    folder = Path(target)
    if not folder.is_dir():
        raise UsageError(f"{target} is no folder, no process's number and no address: name one that labkit run wrote")
    return folder


def _newest(results: Path) -> Path:
    for folder in sorted(results.glob("*"), reverse=True):
        if folder.is_dir() and (in_folder(folder) or awaits(folder)):
            return folder
    raise UsageError(f"no app that is looked into runs in {results}: {_HOW}, or name its folder, process or address")


def _of_process(pid: int, results: Path) -> Path:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error as error:
        raise UsageError(f"there is no process {pid} that you may ask: see labkit watch --help") from error
    found = _of_processes([each.pid for each in family], results)
    if found is None:
        raise UsageError(f"nobody looks into process {pid}: {_HOW}")
    return found


def _of_processes(pids: Iterable[int], results: Path) -> Path | None:
    """The folder of one of these processes: below `results`, or that which ``labkit run`` gave it."""
    for pid in pids:
        for place in sorted(results.glob(f"*/server-{pid}*"), reverse=True):
            if (running := _running(place)) is not None and running.pid == pid:
                return place
        with contextlib.suppress(psutil.Error, ValueError, KeyError, TypeError):
            folder = Path(json.loads(psutil.Process(pid).environ()["LABKIT_RUN"])["folder"])
            own = [each.folder for each in in_folder(folder) if each.pid == pid]
            if own:
                return own[0] if len(own) == 1 else folder
            if in_folder(folder) or awaits(folder):  # it started those that serve, or nobody is served yet
                return folder
    return None


def _of_url(url: str, results: Path) -> Path:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443, "ws": 80, "wss": 443}[parts.scheme]
    except (ValueError, KeyError) as error:
        raise UsageError(f"{url} is no address such as http://127.0.0.1:5000: name one") from error
    pids = _listening(port)
    if not pids:
        raise UsageError(f"no process of yours listens at port {port} of this machine: name the app's folder")
    folder = _of_processes(pids, results)
    if folder is None:
        raise UsageError(f"nobody looks into what serves {url}: {_HOW}")
    # Several workers listen at one port; one of them alone would be half of what people meet there.
    return folder if len(pids) == 1 else folder.parent if (folder / PROCESS).exists() else folder


def _listening(port: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            connections = process.net_connections("tcp")
            if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections):
                found.append(process.pid)
    return found


def _running(place: Path) -> Running | None:
    """Whose folder it is, where that process runs still, and has not said that it ends."""
    try:
        about = json.loads((place / PROCESS).read_text("utf-8"))
        pid, ended = int(about["pid"]), about.get("ended", True)
        process = psutil.Process(pid)
        if ended or process.status() == psutil.STATUS_ZOMBIE or process.create_time() > _began(place) + _SLACK_S:
            return None  # the number is another process's by now
    except (OSError, ValueError, KeyError, TypeError, AttributeError, psutil.Error):
        return None
    return Running(place, pid)


def _began(place: Path) -> float:
    try:
        return (place / PROCESS).stat().st_mtime
    except OSError:
        return 0.0
