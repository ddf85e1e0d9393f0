"""The async modes in which an app is deployed: what serves it, where it runs, and what cannot be seen there.

A mode belongs to a run, not to a strategy. All but the first run in a process of their own: gevent patches the whole
interpreter, gunicorn forks, and an event loop of ours beside a notebook's would share its GIL.

eventlet is no mode here: it is deprecated upstream, and Flask-SocketIO's documentation advises against it.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.errors import MissingExtra


@dataclass(frozen=True)
class Mode:
    """A way to run the server.

    Attributes:
        name: as typed on the command line.
        served_by: what serves it, for people to read.
        server: the distribution of that server.
        needs: modules that have to be there.
        is_asynchronous: python-socketio's ``AsyncServer``; its handlers are ``async def handle(sid, data)``.
        hidden: stages that cannot be stamped there, each with the reason.
    """

    name: str
    served_by: str
    server: str
    needs: tuple[str, ...] = ()
    is_asynchronous: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_in_process(self) -> bool:
        """Whether the server is a thread of this process."""
        return self.name == "threading"

    def require(self) -> None:
        """Raise `MissingExtra` where a package that the mode needs is absent."""
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingExtra(f"mode {self.name} needs {', '.join(missing)}: pip install 'labkit[modes]'")


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("threading", "Werkzeug in this process, async_mode=threading", "werkzeug"),
        Mode(
            "gunicorn",
            "gunicorn (gthread, one worker, 100 threads), async_mode=threading",
            "gunicorn",
            ("gunicorn",),
        ),
        Mode("gevent", "gevent's pywsgi, monkey-patched, async_mode=gevent", "gevent", ("gevent",)),
        Mode("gevent-unpatched", "gevent's pywsgi, not monkey-patched, async_mode=gevent", "gevent", ("gevent",)),
        Mode(
            "asgi",
            "uvicorn with python-socketio's AsyncServer (no Flask)",
            "uvicorn",
            ("uvicorn",),
            is_asynchronous=True,
            hidden={"read": "uvicorn's protocol reads ahead into a buffer of its own, which has no place for a hook"},
        ),
    )
}

#: Of each mode the stages that it cannot show, with the reason; they are missing in its runs, and never filled in.
HIDDEN: Mapping[str, Mapping[str, str]] = {name: mode.hidden for name, mode in MODES.items()}

#: Where ordinary Flask-SocketIO handlers run.
FLASK_MODES = tuple(name for name, mode in MODES.items() if not mode.is_asynchronous)


def hidden(mode: str) -> tuple[str, ...]:
    """A sentence for each stage that a mode cannot show."""
    return tuple(f"{mode}: {stage} cannot be seen: {why}" for stage, why in HIDDEN.get(mode, {}).items())
