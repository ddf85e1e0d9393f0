"""The hooks of Flask-SocketIO's own object: a server that ``init_app`` makes later, and errors that the app takes.

``SocketIO._handle_event`` asks ``exception_handlers.get`` for the app's handler of errors while it handles one. Such an
error never reaches python-socketio, so it is seen there or nowhere.
"""

import sys
from collections.abc import Callable
from typing import Any

from labkit.inside.placed import Placed


class SeenHandlers(dict):  # type: ignore[type-arg]
    """``SocketIO.exception_handlers``, which tells of the exception for which one is asked."""

    def __init__(self, handlers: dict[str, Any], raised: Callable[[BaseException], None]) -> None:
        super().__init__(handlers)
        self._raised = raised

    def get(self, key: Any, default: Any = None) -> Any:
        if (error := sys.exc_info()[1]) is not None:
            self._raised(error)
        return super().get(key, default)


class FlaskHooks:
    """The hooks of one ``flask_socketio.SocketIO``.

    Args:
        socketio: that one.
        made: called with the server that ``init_app`` has made.
        raised: called with an exception of a handler, in the handler's thread.
        fail: called where `made` has raised, with a hook's name.
    """

    def __init__(
        self,
        socketio: Any,
        *,
        made: Callable[[Any], None],
        raised: Callable[[BaseException], None],
        fail: Callable[[str], None],
    ) -> None:
        self._placed = Placed()
        make = socketio.init_app

        def init_app(app: Any, **kwargs: Any) -> Any:
            result = make(app, **kwargs)
            try:
                made(socketio.server)
            except Exception:  # noqa: BLE001 (the app goes on)
                fail("init_app")
            return result

        self._placed.put(socketio, "init_app", init_app)
        self._before = getattr(socketio, "exception_handlers", None)
        if type(self._before) is dict:
            self._seen = SeenHandlers(self._before, raised)
            self._placed.put(socketio, "exception_handlers", self._seen)

    def take_off(self) -> bool:
        """Put everything back; see :meth:`Placed.take_off`."""
        if type(self._before) is dict:
            self._before.update(self._seen)  # handlers of errors that were registered meanwhile
        return self._placed.take_off()
