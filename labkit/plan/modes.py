"""The async modes in which an app is deployed: what serves it, where it runs, and what cannot be seen there.

A mode belongs to a run, not to a strategy. All but the first run in a process of their own: gevent patches the whole
interpreter, gunicorn forks, and an event loop of ours beside a notebook's would share its GIL.

eventlet is no mode here: it is deprecated upstream, and Flask-SocketIO's documentation advises against it.

A mode is a record, and what makes its server (:class:`labkit.server.contract.Host`). :func:`add` takes one of the
reader's.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labkit.base.errors import MissingExtra, ModeError


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
        maker: makes a :class:`labkit.server.contract.Host` in the child process, or its name, ``module:name``; empty
            where the server is a thread of this process.
        arbiter: ``module:name`` of what runs in the child process where that does not serve but starts what does.
        first: Python code that the child process executes before anything else.
        like: a mode whose strategies run here too, without naming this one.
        connections_at_most: how many websockets can be open at once; None where nothing of the mode limits them.
        bytes_at_most: settings of the server below Socket.IO that end a connection on which a larger message comes,
            each with its value.
        tuned: what differs from the server as it is started by default, for people to read.
    """

    name: str
    served_by: str
    server: str
    needs: tuple[str, ...] = ()
    is_asynchronous: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    maker: str | Callable[..., object] = ""
    arbiter: str = ""
    first: str = ""
    like: str = ""
    tuned: Mapping[str, str] = field(default_factory=dict)
    connections_at_most: int | None = None
    bytes_at_most: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_in_process(self) -> bool:
        """Whether the server is a thread of this process."""
        return not self.maker

    def require(self) -> None:
        """Raise `MissingExtra` where a package that the mode needs is absent."""
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingExtra(f"mode {self.name} needs {', '.join(missing)}: pip install 'labkit[modes]'")

    def require_room(self, clients: int, others: int) -> None:
        """Raise `ModeError` where so many connections cannot be open at once.

        Args:
            clients: those that send.
            others: of the lab's own: the bystander, the listener.
        """
        most = self.connections_at_most
        if most is not None and clients + others > most:
            raise ModeError(
                f"mode {self.name} holds {most} connections at once, since each websocket takes one of its {most} "
                f"threads, and {clients} clients and {others} of the lab's own are asked for: ask for "
                f"{most - others} clients or fewer"
            )


#: Of gunicorn's one worker. Each websocket holds one.
GUNICORN_THREADS = 100

_PYWSGI = {"Nagle's algorithm": "off (pywsgi's default: on)"}

#: All modes by name, in the order in which the lab shows them.
MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("threading", "Werkzeug in this process, async_mode=threading", "werkzeug"),
        Mode(
            "gunicorn",
            f"gunicorn (gthread, one worker, {GUNICORN_THREADS} threads), async_mode=threading",
            "gunicorn",
            ("gunicorn",),
            maker="labkit.server.hosts.flask_threading:ThreadingHost",
            arbiter="labkit.server.hosts.gunicorn_gthread:arbitrate",
            connections_at_most=GUNICORN_THREADS,
        ),
        Mode(
            "gevent",
            "gevent's pywsgi, monkey-patched, async_mode=gevent",
            "gevent",
            ("gevent",),
            maker="labkit.server.hosts.gevent_pywsgi:GeventHost",
            first="from gevent import monkey; monkey.patch_all()",
            tuned=_PYWSGI,
        ),
        Mode(
            "gevent-unpatched",
            "gevent's pywsgi, not monkey-patched, async_mode=gevent",
            "gevent",
            ("gevent",),
            maker="labkit.server.hosts.gevent_pywsgi:GeventHost",
            tuned=_PYWSGI,
        ),
        Mode(
            "asgi",
            "uvicorn with python-socketio's AsyncServer (no Flask)",
            "uvicorn",
            ("uvicorn",),
            is_asynchronous=True,
            hidden={"read": "uvicorn's protocol reads ahead into a buffer of its own, which has no place for a hook"},
            maker="labkit.server.hosts.uvicorn_asgi:AsgiHost",
            bytes_at_most={"ws_max_size": 16 * 2**20},  # uvicorn's default
        ),
    )
}

#: In place of a mode: what serves cannot be told from outside.
NOT_KNOWN = "not known"

#: Where ordinary Flask-SocketIO handlers run.
FLASK_MODES = tuple(name for name, mode in MODES.items() if not mode.is_asynchronous)


def add(mode: Mode) -> Mode:
    """From now on measure in this mode too, wherever one is named.

    Raises:
        ModeError: there is one of that name, it has nothing that makes its server, or it is like one that there is not.
    """
    if mode.name in MODES:
        raise ModeError(f"there is a mode {mode.name!r} already: give yours another name")
    if mode.is_in_process:
        raise ModeError(f"mode {mode.name} has nothing that makes its server: give it a maker")
    if mode.like and mode.like not in MODES:
        raise ModeError(f"there is no mode {mode.like!r} for {mode.name} to be like: choose from {', '.join(MODES)}")
    MODES[mode.name] = mode
    return mode


def takes(mode: str, named: frozenset[str]) -> bool:
    """Whether a strategy that names these modes runs in `mode`."""
    return mode in named or (MODES[mode].like != "" and takes(MODES[mode].like, named))


def has_greenlets(mode: str) -> bool:
    """Whether handlers are greenlets of one thread there."""
    return takes(mode, frozenset({"gevent", "gevent-unpatched"}))


def hidden(mode: str) -> tuple[str, ...]:
    """A sentence for each stage that a mode cannot show."""
    stages = MODES[mode].hidden if mode in MODES else {}
    return tuple(f"{mode}: {stage} cannot be seen: {why}" for stage, why in stages.items())
