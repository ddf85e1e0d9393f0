"""A function that needs its Flask app: run inside the app's context, with the app made once in each process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labkit.base.errors import WorkloadError
from labkit.plan.targets import imported
from labkit.plan.work import Work

if TYPE_CHECKING:
    from flask import Flask

_apps: "dict[str, Flask]" = {}
_making = threading.Lock()


@dataclass(frozen=True)
class InApp:
    """A function inside of an app's context; the app travels to a worker process as its name, and is made there.

    Attributes:
        function: payload -> result; may use ``current_app`` and the app's extensions, but no ``request``.
        app: ``package.module:create_app``.
    """

    function: Callable[[Any], Any]
    app: str

    def __call__(self, payload: Any) -> Any:
        with made(self.app).app_context():
            return self.function(payload)


def in_app(work: Work, app: str) -> Work:
    """The same work inside of an app's context.

    Args:
        work: a function of the reader's.
        app: ``package.module:name`` of a Flask app, or of a function without arguments that makes one. It is called
            here once, so that what is wrong with it is said before anything is measured.

    Raises:
        WorkloadError: the work is one of the lab's own; the app cannot be imported or made, or is no Flask app.
    """
    if work.kind != "call":
        raise WorkloadError(f"{work.name} is the lab's own work and needs no app: give a function of yours")
    made(app)
    return replace(work, function=InApp(work.function, app))


def made(app: str) -> "Flask":
    """The app of that name, made at the first call of each process."""
    with _making:
        if app not in _apps:
            _apps[app] = _make(app)
        return _apps[app]


def _make(app: str) -> "Flask":
    from flask import Flask

    module, _, name = app.partition(":")
    if not module or not name:
        raise WorkloadError(f"write the app as package.module:create_app, not {app!r}")
    found: Any = imported(module, name)
    if not isinstance(found, Flask):
        try:
            found = found()
        except Exception as error:
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            raise WorkloadError(f"{app} could not make the app ({told}): mend it, or set what it reads") from error
    if not isinstance(found, Flask):
        raise WorkloadError(
            f"{app} gives a {type(found).__name__}, not a Flask app: name the function that returns one"
        )
    return found
