"""Answers are collected and sent together, every `window_ms`: fewer messages, a little later."""

import threading
from collections import defaultdict

from flask import request

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}


def register(socketio, complex_calculation, window_ms=50):
    waiting = defaultdict(list)
    lock = threading.Lock()
    closing = threading.Event()

    @socketio.on("message")
    def handle_message(data):
        result = complex_calculation(data)  # outside of the lock, or the handlers wait for each other
        with lock:
            waiting[request.sid].append(result)

    def flush():
        while not closing.wait(window_ms / 1000):
            with lock:
                batches = dict(waiting)
                waiting.clear()
            for sid, results in batches.items():
                socketio.emit("response", results, to=sid)

    flusher = socketio.start_background_task(flush)

    def close():
        closing.set()
        flusher.join()

    return close
