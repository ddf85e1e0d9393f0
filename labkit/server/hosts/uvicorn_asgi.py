"""python-socketio's AsyncServer on uvicorn, in the process that was started for it. There is no Flask in it."""

import socket
from collections.abc import Callable

import socketio
import uvicorn

from labkit.server.async_hooks import AsyncHooks
from labkit.server.contract import PING_EVENT
from labkit.server.hosts.bounds import bound
from labkit.server.hosts.own_pages import Names, OwnPagesOnlyAsync
from labkit.server.hosts.parts import check_options, list_logger, refused_options
from labkit.server.setup import Setup


class AsgiHost:
    """A server whose every connection and handler is a task of one event loop.

    Args:
        setup: what it is made of.
        log: where the libraries' warnings go.

    Raises:
        ServerError: python-socketio does not take the options, or the strategy could not be registered.
    """

    def __init__(self, setup: Setup, log: list[str]) -> None:
        self.setup = setup
        logger = list_logger(log)
        try:
            check_options(setup.options)
            self.server = socketio.AsyncServer(
                async_mode="asgi", logger=logger, engineio_logger=logger, **setup.options
            )
        except Exception as error:
            raise refused_options(error) from error
        self.hooks = AsyncHooks(self.server) if setup.instrumented else None
        bound(self.server, log)
        self.server.on(PING_EVENT, _acknowledge)
        self.close = setup.register(self.server)
        # uvicorn's own defaults but for logging; a connection that does not end must not hold the stop.
        config = uvicorn.Config(
            OwnPagesOnlyAsync(socketio.ASGIApp(self.server), Names(setup.host, setup.names)),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            ws_max_size=self.server.eio.max_http_buffer_size,  # while it comes, not when all of it is there
        )
        self._uvicorn = uvicorn.Server(config)

    def serve(self, ready: Callable[[int], object]) -> None:
        """Serve until :meth:`stop`."""
        listening = socket.create_server((self.setup.host, self.setup.port), backlog=2048)
        startup = self._uvicorn.startup

        async def started(sockets: list[socket.socket] | None = None) -> None:
            await startup(sockets)
            ready(listening.getsockname()[1])

        self._uvicorn.startup = started  # type: ignore[method-assign]
        self._uvicorn.run([listening])

    def stop(self) -> None:
        """From another thread: uvicorn looks at this ten times a second."""
        self._uvicorn.should_exit = True


async def _acknowledge(*_: object) -> None:
    """Return nothing: python-socketio sends the acknowledgement."""
