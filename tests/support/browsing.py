"""What tests with a real browser share: whether there is one, and a path prefix such as a notebook's proxy has."""

import contextlib
import importlib.util
import socket
import threading

import pytest

from labkit.base.errors import MissingExtra
from labkit.browser.driver import chromium
from labkit.browser.page import javascript


def needed(*, exact=False):
    """Skip with a sentence where a part of ``labkit render`` is absent."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("Playwright is not installed: pip install 'labkit[browser]'")
    try:
        found = chromium.full()
        javascript.find()
    except MissingExtra as error:
        pytest.skip(str(error))
    if exact and chromium.shell() is None:
        pytest.skip(f"the exact pass needs headless shell; {chromium.HOW}")
    return found


@contextlib.contextmanager
def prefixed(port, prefix):
    """A server that passes on to `port` what comes below `prefix`; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    own = listening.getsockname()[1]
    sockets, threads = [listening], []

    def pump(source, target, change):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(change(data))
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def strip(data):
        if data.startswith((b"GET ", b"POST ")):
            if b" " + prefix.encode() + b"/" not in data:
                return data.replace(b" /", b" /outside-the-prefix/", 1)
            return data.replace(b" " + prefix.encode() + b"/", b" /", 1)
        return data

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", port))
                sockets.extend((client, server))
                for arguments in ((client, server, strip), (server, client, lambda data: data)):
                    threads.append(threading.Thread(target=pump, args=arguments, daemon=True))
                    threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{own}{prefix}"
    finally:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in (accepting, *threads):
            thread.join(5)
