"""Advice A: calculate inside the handler, then answer. (Flask-SocketIO's defaults.)"""

from flask_socketio import emit

MODES = {"threading", "gunicorn", "gevent", "gevent-unpatched"}
OPTIONS = {}


def register(socketio, complex_calculation):
    @socketio.on("message")
    def handle_message(data):
        result = complex_calculation(data)
        emit("response", result)
