"""A few threads for all clients, but a client's events one after the other, in the order in which they came."""

import threading
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor

from flask import request

MODES = {"threading"}
OPTIONS = {"async_handlers": False}  # with a thread for each event, the order would be lost before the pool


def register(socketio, complex_calculation, workers=4):
    pool = ThreadPoolExecutor(workers)
    events, lock = defaultdict(deque), threading.Lock()  # of each client: the one that is worked on, and the rest

    def work(sid):
        try:
            socketio.emit("response", complex_calculation(events[sid][0]), to=sid)
        finally:
            with lock:
                events[sid].popleft()
                if events[sid]:
                    pool.submit(work, sid)  # behind the other clients': nobody keeps a thread for himself
                else:
                    del events[sid]

    @socketio.on("message")
    def handle_message(data):
        with lock:
            events[request.sid].append(data)
            if len(events[request.sid]) == 1:
                pool.submit(work, request.sid)

    return lambda: pool.shutdown(cancel_futures=True)
