"""The same by Flask-SocketIO's own helper, which picks the kind of thread that fits the async mode."""

from flask import request

MODES = {"threading", "gunicorn", "gevent", "gevent-unpatched"}
OPTIONS = {}


def register(socketio, complex_calculation):
    def background_task(sid, data):
        result = complex_calculation(data)
        socketio.emit("response", result, to=sid)

    @socketio.on("message")
    def handle_message(data):
        socketio.start_background_task(background_task, request.sid, data)
