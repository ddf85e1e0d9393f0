"""In the process of an app that ``labkit run`` has started: a record of each of its servers, saved while it runs.

A server is looked into as soon as it is made, and no more than that happens in a process that never serves: the parent
of Werkzeug's reloader, gunicorn's arbiter with ``preload_app``. The first request starts a thread that saves, on a
*real* thread whatever gevent has patched. A process forked before that starts its own.

The last second may be missing where a process is killed. Of a signal that Python does not handle, SIGTERM, say, it
dies at once too; but where the command passes that on, it asks for what there is first. gunicorn's workers end by
``sys.exit``, and so save at the end; one that waits for its threads (gthread, with open websockets) until the arbiter
kills it goes on saving meanwhile.
"""

import _thread
import atexit
import contextlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.base.clock import NS_PER_S, now_ns, thread_cpu_ns
from labkit.base.errors import LabError
from labkit.base.files import whole
from labkit.inside.asking import Asked
from labkit.inside.instrument import Inside, instrument
from labkit.inside.record import Record
from labkit.inside.run_folder import RECORDED

if TYPE_CHECKING:
    from labkit.inside.recorder import Recorder

#: Whether records are newer than those saved is looked at this often, in seconds.
SAVED_EVERY_S = 1.0

#: After it was asked to save, since a signal comes, it is looked at more often for so long: an app that ends in its own
#: time may die of that signal in the end, as under uvicorn.
SAVED_SOON_S, HURRIES_FOR_S = 0.05, 30.0

#: Saving takes no more than this share of a core, and of this one where it hurries, unless more than the longest pause
#: would be needed for that, seconds.
_SHARE, _SHARE_OF_HURRY, _LONGEST_S = 0.01, 0.1, 5.0

#: What the hooks know the private names of.
LIBRARIES = ("flask-socketio", "python-socketio", "python-engineio", "simple-websocket")

#: Of so many rows it is looked at whether they have become more complete.
_LAST = 1_000


class Launched:
    """What one process of the app keeps of one server.

    Args:
        inside: what looks into the server.
        folder: of the run; a folder of this process's own is made in it once the server serves.
        start: starts a real thread.
        sleep: puts a real thread to sleep, seconds.
        recorder: writes events with what they carry to a file; None where nobody asked for that.
    """

    def __init__(
        self,
        inside: Inside,
        folder: Path,
        start: Callable[..., Any],
        sleep: Callable[[float], Any],
        recorder: "Recorder | None" = None,
    ) -> None:
        self._inside = inside
        self._recorder = recorder
        self._folder = folder
        self._start = start
        self._sleep = sleep
        self._lock = _thread.allocate_lock()
        self._awaits = False  # the first request
        self._pid = 0  # for which it saves
        self._own: Path | None = None
        self._saved: tuple[int, ...] = ()
        self._patched_before = _patched()

    def await_first_request(self, eio: Any) -> None:
        """Put one hook more into the server, which is gone after it was called."""
        if self._awaits:  # since before a fork
            return
        self._awaits = True
        before = eio.handle_request
        absent = "handle_request" not in vars(eio)

        def first() -> None:
            if vars(eio).get("handle_request") is hook:
                if absent:
                    del eio.handle_request
                else:
                    eio.handle_request = before
                self._awaits = False
                self._serves()

        def handle_request(*args: Any, **kwargs: Any) -> Any:
            first()
            return before(*args, **kwargs)

        async def handle_request_async(*args: Any, **kwargs: Any) -> Any:
            first()
            return await before(*args, **kwargs)

        hook = handle_request_async if inspect.iscoroutinefunction(before) else handle_request
        eio.handle_request = hook

    def forked(self, eio: Any) -> None:
        """This process is a fork of one that made the server: if it serves, it has a record of its own."""
        self._lock = _thread.allocate_lock()
        if self._recorder is not None:
            self._recorder.forked()
        self.await_first_request(eio)

    def _serves(self) -> None:
        """The first request: from now on there is something to save."""
        try:
            self._pid = os.getpid()
            self._own = _own_folder(self._folder)
            self._tell(ended=False)
            self._inside.watch()  # not before: a fork would have none of its thread
            atexit.register(self._at_exit)
            # Made here: who asks before the thread has come so far finds the pipe.
            self._start(self._go_on_saving, (Asked(self._own, self._sleep),))
            self._inside.publish(self._own)
        except Exception as error:  # noqa: BLE001 (the app goes on)
            tell(self._folder, [f"nothing can be saved: {error}"])

    def _go_on_saving(self, asked: Asked) -> None:
        pause_s, hurries_until_ns = SAVED_EVERY_S, 0
        while True:
            try:
                now = asked.wait(pause_s)
                is_first = now and not hurries_until_ns
                hurries_until_ns = now_ns() + round(HURRIES_FOR_S * NS_PER_S) if now else hurries_until_ns
                hurries = now_ns() < hurries_until_ns
                least_s, share = (SAVED_SOON_S, _SHARE_OF_HURRY) if hurries else (SAVED_EVERY_S, _SHARE)
                with self._lock:
                    if self._pid != os.getpid():
                        return
                    began_ns = thread_cpu_ns()
                    self._save()
                    pause_s = (thread_cpu_ns() - began_ns) / NS_PER_S / share
                    pause_s = min(max(pause_s, least_s), _LONGEST_S)
                    if is_first:
                        self._tell(ended=False, asked=True)
                if now:
                    asked.answer()
            except Exception:  # noqa: BLE001 (a full disk: perhaps the next time)
                self._sleep(10 * SAVED_EVERY_S)

    def _at_exit(self) -> None:
        if self._pid != os.getpid():
            return  # a fork of it ends; what it has seen is its parent's
        with contextlib.suppress(Exception), self._lock:
            self._save()
            self._tell(ended=True)
            self._pid = 0

    def _save(self) -> None:
        assert self._own is not None
        self._record()
        record = self._inside.record()
        seen = _seen(record)
        if seen != self._saved:
            self._inside.watched().save(self._own)
            record.save(self._own)
            self._saved = seen

    def _record(self) -> None:
        """Write the events that have come, and say beside the record what became of them."""
        if self._recorder is None:
            return
        assert self._own is not None
        with contextlib.suppress(OSError):  # a full disk: they are counted
            self._recorder.write()
        with contextlib.suppress(OSError), whole(self._own / RECORDED) as path:
            path.write_text(json.dumps(self._recorder.told()), "utf-8")

    def _tell(self, ended: bool, asked: bool = False) -> None:
        """What a record does not have, beside it."""
        assert self._own is not None
        about: dict[str, Any] = {"pid": self._pid, "arguments": sys.orig_argv, "ended": ended, "asked": asked}
        if ended:  # importing what tells versions takes a while, so not while it serves
            about["versions"] = versions()
            about["patched_late"] = _patched() and not self._patched_before
        with whole(self._own / "process.json") as path:
            path.write_text(json.dumps(about), "utf-8")


def made(server: Any, told: str, start: Callable[..., Any], sleep: Callable[[float], Any]) -> None:
    """A server was made in this process: look into it.

    Args:
        server: ``socketio.Server`` or ``socketio.AsyncServer``.
        told: by the command, as JSON: `folder`, `events`, `payloads`, `otel` and `recording`, the file of events.
        start: starts a real thread, see ``_thread.start_new_thread``.
        sleep: puts a real thread to sleep.
    """
    about = json.loads(told)
    folder = Path(about["folder"])
    try:
        inside = instrument(server, events=about["events"], payloads=about["payloads"])
    except LabError as error:
        tell(folder, [str(error)], versions())
        return
    problems = []
    try:
        inside.export(otel=about.get("otel", False))
    except LabError as error:
        problems.append(str(error))
    tell(folder, problems)
    launched = Launched(inside, folder, start, sleep, _recorder(inside, about.get("recording")))
    launched.await_first_request(server.eio)
    os.register_at_fork(after_in_child=lambda: launched.forked(server.eio))


def _recorder(inside: Inside, path: str | None) -> "Recorder | None":
    if path is None:
        return None
    from labkit.inside.recorder import Recorder

    recorder = Recorder(Path(path))
    inside.record_events(recorder)
    return recorder


def tell(folder: Path, problems: list[str], installed: dict[str, str] | None = None) -> None:
    """Leave word for the command that a server was made in this process, and what came of it."""
    with contextlib.suppress(OSError), whole(folder / f"made-{os.getpid()}.json") as path:
        about = {"python": sys.executable, "problems": problems, "versions": installed or {}}
        path.write_text(json.dumps(about), "utf-8")


def versions() -> dict[str, str]:
    """What is installed of the libraries that the hooks reach into."""
    from importlib import metadata

    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _own_folder(folder: Path) -> Path:
    """A new one for this process; with a number where it has several servers, or an earlier one had its number."""
    name = f"server-{os.getpid()}"
    for number in range(1, 1_000):
        own = folder / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            own.mkdir()
            return own
    raise OSError(f"{folder} has 999 folders of one process")


def _seen(record: Record) -> tuple[int, ...]:
    """What grows whenever something happens that a record tells."""
    connections = record.connections
    return (
        record.events_seen,
        record.emits_seen,
        record.connections_seen,
        sum(record.emits["written"][-_LAST:]),
        *(sum(record.events[column][-_LAST:]) for column in ("handler_end", "loop_free", "answer_written")),
        sum(each.pongs + each.unsent + (each.closed_ns > 0) + (each.upgraded_ns > 0) for each in connections),
    )


def _patched() -> bool:
    """Whether gevent has put green threads in the place of threads."""
    monkey = sys.modules.get("gevent.monkey")
    return bool(monkey is not None and monkey.is_module_patched("threading"))
