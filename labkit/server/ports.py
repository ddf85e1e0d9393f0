"""A socket that listens, or a sentence that says why there is none."""

import contextlib
import errno
import socket

from labkit.base.errors import PortInUse, ServerError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; on a port that is free where `port` is 0.

    Raises:
        PortInUse: something listens there.
        ServerError: this machine has no such address, or does not allow it.
    """
    # Werkzeug would print and exit the process where the port is taken.
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} on {host} is in use: stop what listens there, or leave port=0") from error
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def knock(host: str, port: int) -> None:
    """Wake a thread that waits there for a connection, so that it sees that it should stop."""
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()
