"""Open a shop in a process of its own, as its owner would, and close it for good.

    with opened("shop") as url: ...          # python -m shop PORT
    url = stack.enter_context(opened("shop.mended"))

It ends with whoever opened it, also where that is killed: then its standard input closes.
"""

import contextlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

OPENS_WITHIN_S = 20


@contextlib.contextmanager
def opened(module, under=()):
    """Serve the shop of a module; its address.

    Args:
        module: as of ``python -m``.
        under: arguments of Python before it, such as of a program that starts the shop and looks on.

    Raises:
        RuntimeError: it did not open; the sentence ends with what it said last.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *under, "-m", "shop.opened", module, str(port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    # Not of this process's group: whoever kills that whole must leave the shop the time to close.
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], start_new_session=True, **pipes) as shop:
        said = []
        reads = threading.Thread(target=lambda: said.extend(shop.stderr), daemon=True)
        reads.start()
        try:
            _wait_for(port, shop, said)
            yield f"http://127.0.0.1:{port}"
        finally:
            shop.stdin.close()
            try:
                shop.wait(10)
            except subprocess.TimeoutExpired:
                shop.kill()
            reads.join(5)


def _wait_for(port, shop, said):
    end = time.monotonic() + OPENS_WITHIN_S
    while shop.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    time.sleep(0.1)  # what it said last is on its way
    last = said[-1].decode(errors="replace").strip() if said else "it said nothing"
    raise RuntimeError(f"the shop did not open: {last}")


def _end_with_the_owner():
    """Wait until nobody holds the other end of standard input, and stop as Ctrl-C does."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    module, port = sys.argv[1:]
    threading.Thread(target=_end_with_the_owner, daemon=True).start()
    sys.argv = [module, port]
    runpy.run_module(module, run_name="__main__", alter_sys=False)
