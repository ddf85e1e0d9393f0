"""Processes forked from one that has imported what they need: a fork takes a hundredth of what a start takes.

As gunicorn's ``preload_app`` and multiprocessing's forkserver do it; those own what they fork, and here each is a
process like one of :mod:`labkit.orders`. It has the pipes, the environment, the working directory and the random
numbers of a process that was started; what it shares with the next is the seed of hashes.

On Linux alone: elsewhere the system's own libraries do not stand a fork. What cannot be forked is started.
"""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO

import psutil

#: How long a template may take to import, or to fork, and to end.
_START_S, _END_S = 30.0, 5.0

#: The longest order: the code and the environment.
_ORDER_BYTES = 1 << 20


class Forked:
    """Of a process that a template forked, what :class:`subprocess.Popen` tells of one's own."""

    def __init__(self, pid: int, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
            self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """None while it runs."""
        return None if self._process is not None and self._process.is_running() else 0

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; `subprocess.TimeoutExpired` where that takes longer."""
        try:
            if self._process is not None:
                self._process.wait(timeout)
        except psutil.TimeoutExpired as error:
            raise subprocess.TimeoutExpired(str(self.pid), error.seconds) from error
        return 0


class Template:
    """A process that imports, and then waits for orders to fork itself. It ends with who started it.

    Args:
        preamble: the Python code that it runs first.
    """

    def __init__(self, preamble: str) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(_START_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{preamble}\nfrom labkit.preload import _serve; _serve({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what cannot be imported here is told by the process that is then started
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Wait until it has imported; False where it has ended instead, or takes too long."""
        try:
            return bool(self._orders.recv(1))
        except OSError:
            return False

    def fork(self, code: str, stderr: int) -> Forked | None:
        """A process that runs `code`, with pipes for input and output; None where there is none to be had."""
        order = pickle.dumps((code, os.getcwd(), dict(os.environ)))
        (input_end, stdin), (stdout, output_end) = os.pipe(), os.pipe()
        with contextlib.ExitStack() as unless_forked:
            for end in (stdin, stdout):
                unless_forked.callback(os.close, end)
            unless_forked.callback(self._orders.close)  # an answer that comes late would be taken for the next one's
            try:
                socket.send_fds(self._orders, [order], [input_end, output_end, stderr])
                pid = int(self._orders.recv(32) or 0)
            except OSError:  # it has ended, or the environment is longer than a message can be
                pid = 0
            finally:
                os.close(input_end)
                os.close(output_end)
            if not pid:
                return None
            unless_forked.pop_all()
        return Forked(pid, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"))

    def close(self) -> None:
        """End it. What it forked goes on."""
        self._orders.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # still importing
            self._process.kill()
            self._process.wait()


_READY: dict[str, Template] = {}


@contextlib.contextmanager
def preloaded(*preambles: str) -> Iterator[None]:
    """Within the block, processes that begin with one of these pieces of code are forked.

    Their templates import at the same time, and when the block begins they are done: nothing runs beside it.
    """
    mine: dict[str, Template] = {}
    try:
        if sys.platform == "linux":
            for preamble in preambles:
                if preamble not in _READY and preamble not in mine:
                    mine[preamble] = Template(preamble)
        _READY.update({preamble: template for preamble, template in mine.items() if template.is_ready()})
        yield
    finally:
        for preamble, template in mine.items():
            _READY.pop(preamble, None)
            template.close()


def forked(preamble: str, code: str, stderr: int) -> Forked | None:
    """A process that runs `code` after `preamble`; None where no :func:`preloaded` block has one."""
    template = _READY.get(preamble)
    return None if template is None else template.fork(code, stderr)


def _serve(orders: int) -> None:
    """The template's end. By modules in C: gevent patches those in Python, even what closes a file."""
    import _signal  # type: ignore[import-not-found]
    import _socket
    import array
    import posix

    connection = _socket.socket(fileno=orders)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # nobody here waits for what is forked
    connection.send(b"1")
    while True:
        order, passed, _, _ = connection.recvmsg(_ORDER_BYTES, _socket.CMSG_SPACE(3 * array.array("i").itemsize))
        if not order:
            posix._exit(0)
        files = array.array("i", passed[0][2])
        pid = posix.fork()
        if not pid:
            break
        for file in files:
            posix.close(file)
        connection.send(str(pid).encode())
    connection.close()
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    posix.setsid()
    for file, standard in zip(files, range(3), strict=True):
        posix.dup2(file, standard)
        posix.close(file)
    code, folder, environment = pickle.loads(order)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "gevent" in sys.modules:
        sys.modules["gevent"].reinit()  # as it asks of who forks; some imports begin a hub
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own begin anew by themselves
    exec(code, sys.modules["__main__"].__dict__)
