"""A few threads for all events, a limited queue, and an honest "busy" when it is full."""

import threading
from concurrent.futures import ThreadPoolExecutor

from flask import request
from flask_socketio import emit

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}


def register(socketio, complex_calculation, workers=4, waiting=100):
    pool = ThreadPoolExecutor(workers)
    places = threading.BoundedSemaphore(workers + waiting)

    def answer(sid, data):
        try:
            socketio.emit("response", complex_calculation(data), to=sid)
        finally:
            places.release()

    @socketio.on("message")
    def handle_message(data):
        if places.acquire(blocking=False):
            pool.submit(answer, request.sid, data)
        else:
            emit("response", {"id": data["id"], "busy": True})

    return lambda: pool.shutdown(cancel_futures=True)
