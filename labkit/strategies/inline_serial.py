"""Advice A with async_handlers=False: a client's events are handled one after the other."""

from flask_socketio import emit

MODES = {"threading", "gunicorn", "gevent", "gevent-unpatched"}
OPTIONS = {"async_handlers": False}


def register(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(data):
        result = complex_calculation(data)
        emit("response", result)
