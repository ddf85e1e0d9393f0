"""What the apps of all modes need: a logger that keeps quiet, a bystander's handler, a sentence for bad options."""

import logging

from labkit.base.errors import ServerError


def list_logger(log: list[str]) -> logging.Logger:
    """A logger that keeps warnings in a list. Nothing of it reaches the stderr of a notebook."""

    class ListHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(self.format(record))

    logger = logging.Logger("labkit.server", logging.WARNING)
    logger.addHandler(ListHandler())
    return logger


def acknowledge(*_: object) -> None:
    """Handle a bystander's ping: return nothing, and Socket.IO sends the acknowledgement."""


def refused_options(error: Exception) -> ServerError:
    """The error to raise where the library does not take the options."""
    return ServerError(f"SocketIO(...) does not take these options ({error}): change them")
