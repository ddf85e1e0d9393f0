"""A socket that listens, or a sentence that says why there is none; a port that is free."""

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


def free_port() -> int:
    """A port of the loopback address that is free now, for a program that cannot be handed a socket.

    Another may take it before that program does: look whether it is the program that answers.
    """
    with listen("127.0.0.1", 0) as free:
        port: int = free.getsockname()[1]
        return port


def knock(host: str, port: int) -> None:
    """Wake a thread that waits there for a connection, so that it sees that it should stop."""
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()
