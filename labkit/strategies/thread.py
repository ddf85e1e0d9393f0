"""Advice B, repaired: a new thread for every event, and the answer goes to its caller alone."""

import threading

from flask import request

MODES = {"threading", "gunicorn", "gevent", "gevent-unpatched"}
OPTIONS = {}


def register(socketio, complex_calculation):
    def background_task(sid, data):
        result = complex_calculation(data)
        socketio.emit("response", result, to=sid)

    @socketio.on("message")
    def handle_message(data):
        # The sid is taken here: outside of the handler there is no request to ask.
        threading.Thread(target=background_task, args=(request.sid, data)).start()
