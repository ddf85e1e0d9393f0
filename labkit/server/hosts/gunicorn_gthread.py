"""Flask-SocketIO under gunicorn's threads: the process that was started is the arbiter, its one worker serves.

There is one worker, since all requests of a Socket.IO client must come to the same one. It has 100 threads, since
every connection holds one. Flask-SocketIO's documentation recommends both
(https://flask-socketio.readthedocs.io, Deployment).
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from gunicorn.app.base import BaseApplication

from labkit.plan.modes import GUNICORN_THREADS


class Worker(Protocol):
    """What the worker process does besides serving."""

    def build(self) -> Any:
        """Make the app."""

    def ready(self, port: int) -> object:
        """It can be connected to."""


def arbitrate(host: str, port: int, worker: Worker) -> None:
    """Be gunicorn's arbiter until the worker ends; it is forked from here, and calls `worker`."""

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings: dict[str, Any] = {
                "bind": [f"{host}:{port}"],
                "worker_class": "gthread",
                "workers": 1,
                "threads": GUNICORN_THREADS,
                "loglevel": "critical",  # else its remarks on a worker's end would hide the worker's own last words
                "graceful_timeout": 1,
                "control_socket_disable": True,
                "post_worker_init": lambda w: worker.ready(w.sockets[0].getsockname()[1]),
                # Never a second worker: a measurement that has lost its server learns it by the end of this process.
                "child_exit": lambda arbiter, w: os._exit(0),
            }
            for name, value in settings.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            app: Callable[..., Any] = worker.build().app
            return app

    Application().run()
