"""A limited queue before a few threads: when it is full, the oldest or the newest is dropped, and its client told."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from flask import request

MODES = {"threading"}
OPTIONS = {"async_handlers": False}  # the handler only queues: it needs no thread, and keeps the order of arrival


def register(socketio, complex_calculation, workers=4, waiting=100, drop="oldest"):
    pool = ThreadPoolExecutor(workers)
    queue, lock = deque(), threading.Lock()

    def work():  # one call for each place that is taken
        with lock:
            sid, data = queue.popleft()
        socketio.emit("response", complex_calculation(data), to=sid)

    @socketio.on("message")
    def handle_message(data):
        event = (request.sid, data)
        with lock:
            if len(queue) < waiting:
                queue.append(event)
                pool.submit(work)
                return
            if drop == "oldest":  # whose client has waited longest, and may have lost interest
                queue.append(event)
                event = queue.popleft()
        sid, data = event
        socketio.emit("response", {"id": data["id"], "busy": True}, to=sid)

    return lambda: pool.shutdown(cancel_futures=True)
