"""The folder of one ``labkit run``: what the command and the processes of the app have left there.

::

    run.json            the command, when it was started, its exit code
    server-PID/         of each process that served: inside.json and the columns beside it, process.json
"""

import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.errors import RecordError
from labkit.base.files import whole
from labkit.base.typed import typed
from labkit.inside.record import Record, load

SCHEMA_VERSION = 1

#: In the folder of a process: what became of the events that it was to record with what they carry.
RECORDED = "recorded.json"


@dataclass(frozen=True)
class Served:
    """What one process of the app has seen of one of its servers.

    Attributes:
        folder: of the record.
        pid: of the process.
        record: its record, the last that it saved.
        ended: whether it could save at its end; else up to a second is missing.
        asked: a signal was about to come, and it has saved until it died of that.
        versions: of the libraries that the hooks reach into; empty where it could not save at its end.
        patched_late: gevent replaced threads after the server was made.
    """

    folder: Path
    pid: int
    record: Record
    ended: bool = True
    asked: bool = False
    versions: Mapping[str, str] | None = None
    patched_late: bool = False


@dataclass(frozen=True)
class Ran:
    """What a folder holds.

    Attributes:
        command: what was started; empty where the folder does not say.
        started_utc: when.
        exit_code: of it; None where it has not ended, or labkit was ended before it.
        served: the processes that served somebody, in the order in which they began to.
        made: how many processes made a server, whether or not they served.
        problems: what went wrong with the looking, a sentence each.
    """

    command: tuple[str, ...] = ()
    started_utc: str = ""
    exit_code: int | None = None
    served: tuple[Served, ...] = ()
    made: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """The events that the processes of a run have written with what they carry.

    Attributes:
        files: where they are.
        events: how many.
        missing: how many are not there, by reason.
        redacted: how many secrets of each kind were taken out.
    """

    files: tuple[str, ...]
    events: int
    missing: Mapping[str, int]
    redacted: Mapping[str, int]


def recording(folder: Path) -> Recording:
    """What was recorded; empty where nothing was."""
    told = []
    for path in sorted(folder.glob(f"server-*/{RECORDED}")):
        with contextlib.suppress(OSError, ValueError):  # cut short by a kill
            told.append(json.loads(path.read_text("utf-8")))
    files = tuple(each["file"] for each in told if each["file"])
    missing, redacted = Counter[str](), Counter[str]()
    for each in told:
        missing.update(each["missing"])
        redacted.update(each["redacted"])
    return Recording(files, sum(each["events"] for each in told), missing, redacted)


def write(folder: Path, ran: Ran) -> None:
    """Say in the folder what was run, and take away the notes of processes that this sums up.

    Raises:
        OSError: it cannot be written.
    """
    about = {
        "schema_version": SCHEMA_VERSION,
        "command": ran.command,
        "started_utc": ran.started_utc,
        "exit_code": ran.exit_code,
        "made": ran.made,
        "problems": ran.problems,
    }
    with whole(folder / "run.json") as path:
        path.write_text(json.dumps(about), "utf-8")
    notes = ("made-*.json", "failed-*.json", "server-*/ask", "server-*/live.*")
    for note in (path for pattern in notes for path in folder.glob(pattern)):
        note.unlink(missing_ok=True)


def read(folder: str | Path) -> Ran:
    """What is in the folder; of a server's own folder, that server.

    A record that is cut short is told among the problems, beside those that can be read.

    Raises:
        RecordError: it is no folder, or holds nothing of ``labkit run``.
    """
    folder = Path(folder)
    if (folder / "inside.json").exists():
        return Ran(served=(_served(folder),))
    if not folder.is_dir():
        raise RecordError(f"{folder} is no folder: name one that labkit run has written")
    about = _json(folder / "run.json")
    served: list[Served] = []
    problems = _valid(list[str], about.get("problems"), [])
    for each in folder.glob("server-*"):
        if not (each / "inside.json").exists() and not (each / "process.json").exists():
            continue
        try:
            served.append(_served(each))
        except RecordError as error:
            problems.append(str(error))
    made = [_json(path) for path in folder.glob("made-*.json")]
    for each_made in made:
        installed = _valid(dict[str, str], each_made.get("versions"), {})
        versions = ", ".join(f"{name} {version}" for name, version in installed.items())
        about_it = f"{each_made.get('python')}{versions and ', '}{versions}"
        problems.extend(f"{problem} ({about_it})" for problem in _valid(list[str], each_made.get("problems"), []))
    failed = [_json(path) for path in folder.glob("failed-*.json")]
    problems.extend(
        f"labkit could not look into a server ({each.get('python')}: {each.get('error')})" for each in failed
    )
    if not (about or served or problems):
        raise RecordError(f"{folder} holds no record: name a folder that labkit run has written")
    return Ran(
        command=tuple(_valid(list[str], about.get("command"), [])),
        started_utc=_valid(str, about.get("started_utc"), ""),
        exit_code=_valid(int, about.get("exit_code"), None),
        served=tuple(sorted(_with_clients(served), key=lambda each: each.record.started_ns)),
        made=_valid(int, about.get("made"), 0) + len(made) + len(failed),
        problems=tuple(dict.fromkeys(problems)),
    )


def _with_clients(served: list[Served]) -> list[Served]:
    """Those that somebody was connected to, unless there are none: one that only answered probes tells nothing."""
    return [each for each in served if each.record.connections_seen or each.record.events_seen] or served


def _served(folder: Path) -> Served:
    about = _json(folder / "process.json")
    return Served(
        folder=folder,
        pid=_valid(int, about.get("pid"), 0),
        record=load(folder),
        ended=_valid(bool, about.get("ended"), True),
        asked=_valid(bool, about.get("asked"), False),
        versions=_valid(dict[str, str], about.get("versions"), None),
        patched_late=_valid(bool, about.get("patched_late"), False),
    )


def _valid(kind: Any, told: Any, otherwise: Any) -> Any:
    """What a small file says, where it says something of that kind."""
    try:
        return typed(kind, told)
    except ValueError:
        return otherwise


def _json(path: Path) -> dict[str, Any]:
    """What a small file says; nothing where it is not there, or cut short."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
