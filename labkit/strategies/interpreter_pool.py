"""Other interpreters of this process calculate: each has a GIL of its own, and none is a process (Python 3.14)."""

import os

from flask import request

MODES = {"threading", "gunicorn"}
OPTIONS = {}
NEEDS_PICKLE = True
NEEDS_PYTHON = (3, 14)


def register(socketio, complex_calculation, workers=None):
    from concurrent.futures import InterpreterPoolExecutor  # at the top of an app of yours; older Pythons have none

    # One core stays free for the server's own interpreter. What is imported in the others is imported once more, and
    # not everything can be: NumPy refuses.
    pool = InterpreterPoolExecutor(workers or max(1, (os.cpu_count() or 2) - 1))

    @socketio.on("message")
    def handle_message(data):
        sid = request.sid

        def answer(done):
            if done.cancelled():  # the server stops
                return
            error = done.exception()
            result = {"id": data["id"], "error": f"no result: {error}"} if error else done.result()
            socketio.emit("response", result, to=sid)

        pool.submit(complex_calculation, data).add_done_callback(answer)

    return lambda: pool.shutdown(wait=False, cancel_futures=True)
