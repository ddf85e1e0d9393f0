"""Other processes calculate: this one keeps its GIL for the people who are connected."""

import os

from flask import request
from loky import ProcessPoolExecutor  # as concurrent.futures', but never forks, and takes any function

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}
NEEDS_PICKLE = True


def register(socketio, complex_calculation, workers=None):
    # One core stays free for the server: with all of them busy, its clients wait for a core instead of for the GIL.
    pool = ProcessPoolExecutor(workers or max(1, (os.cpu_count() or 2) - 1))

    @socketio.on("message")
    def handle_message(data):
        sid = request.sid
        future = pool.submit(complex_calculation, data)
        future.add_done_callback(lambda done: socketio.emit("response", done.result(), to=sid))

    return lambda: pool.shutdown(kill_workers=True)
