"""Flask-SocketIO under gunicorn's threads: the process that was started is the arbiter, its one worker serves.

One worker, since a Socket.IO client's requests must all come to one; 100 threads, since every connection holds one.
Both as Flask-SocketIO's documentation recommends (https://flask-socketio.readthedocs.io, Deployment).
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

from gunicorn.app.base import BaseApplication

THREADS = 100


class Worker(Protocol):
    """What the worker process does besides serving."""

    def build(self) -> Any:
        """Make the app."""

    def ready(self, port: int) -> object:
        """It can be connected to."""


def arbitrate(host: str, port: int, worker: Worker) -> None:
    """Be gunicorn's arbiter; the worker is forked from here, and calls `worker`."""

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            settings: dict[str, Any] = {
                "bind": [f"{host}:{port}"],
                "worker_class": "gthread",
                "workers": 1,
                "threads": THREADS,
                "loglevel": "critical",  # its remarks on the end of a worker would hide the worker's own last words
                "graceful_timeout": 1,
                "control_socket_disable": True,
                "post_worker_init": lambda w: worker.ready(w.sockets[0].getsockname()[1]),
                # Never a second worker: who measures has lost its server, and is told by the end of this process.
                "child_exit": lambda arbiter, w: os._exit(0),
            }
            for name, value in settings.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Callable[..., Any]:
            app: Callable[..., Any] = worker.build().app
            return app

    Application().run()
