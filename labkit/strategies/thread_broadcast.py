"""Advice B exactly as written: a new thread for every event. (The answer goes to everybody.)"""

import threading

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}


def register(socketio, complex_calculation):
    def background_task(data):
        result = complex_calculation(data)
        socketio.emit("response", result)

    @socketio.on("message")
    def handle_message(data):
        threading.Thread(target=background_task, args=(data,)).start()
