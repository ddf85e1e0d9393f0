"""A client that does not keep up gets the newest answer instead of all; each acknowledges what it has read."""

import threading
from collections import Counter

from flask import request

MODES = {"threading"}
OPTIONS = {}


def register(socketio, complex_calculation, unread=50):
    sent, newest, lock = Counter(), {}, threading.Lock()  # sent: unread; the server's own queue would not tell

    def emit(sid, result):
        socketio.emit("response", result, to=sid, callback=lambda *_: was_read(sid))  # its page calls done()

    def was_read(sid):
        with lock:
            sent[sid] -= sid not in newest  # else the newest takes its place
            result = newest.pop(sid, None)
        if result:
            emit(sid, result)

    @socketio.on("message")
    def handle_message(data):
        sid, result = request.sid, complex_calculation(data)
        with lock:
            if sent[sid] >= unread:
                newest[sid] = result  # the one that waited there is dropped
                return
            sent[sid] += 1
        emit(sid, result)

    @socketio.on("disconnect")
    def forget(*_):
        with lock:
            sent.pop(request.sid, None)
            newest.pop(request.sid, None)
