"""Only the newest waiting event of a key is worked on; the client of an older one is told that it is superseded."""

import threading
from concurrent.futures import ThreadPoolExecutor

from flask import request

MODES = {"threading"}
OPTIONS = {"async_handlers": False}  # the newest is the last to arrive, so the order of arrival has to be kept


def register(socketio, complex_calculation, workers=4, key=None):
    pool = ThreadPoolExecutor(workers)
    newest, lock = {}, threading.Lock()  # a key that is worked on is in here, with what waits for it, or None

    def work(name):
        with lock:
            (sid, data), newest[name] = newest[name], None
        try:
            socketio.emit("response", complex_calculation(data), to=sid)
        finally:
            with lock:
                if newest[name]:
                    pool.submit(work, name)
                else:
                    del newest[name]

    @socketio.on("message")
    def handle_message(data):
        name = request.sid, data["payload"].get(key) if key else None  # one client's events never replace another's
        with lock:
            if name not in newest:
                pool.submit(work, name)
            older, newest[name] = newest.get(name), (request.sid, data)
        if older:
            socketio.emit("response", {"id": older[1]["id"], "superseded": True}, to=request.sid)

    return lambda: pool.shutdown(cancel_futures=True)
