"""A client that does not keep up gets the newest answer instead of all; each acknowledges what it has read."""

import threading
from collections import Counter

from flask import request

MODES = {"threading"}
OPTIONS = {}


def register(socketio, complex_calculation, unread=50):
    sent, newest, lock = Counter(), {}, threading.Lock()  # sent: how many each client has not acknowledged yet

    def emit(sid, result):
        socketio.emit("response", result, to=sid, callback=lambda *_: was_read(sid))  # its page calls done()

    def was_read(sid):
        with lock:
            result = newest.pop(sid, None)
            if not result:
                sent[sid] -= 1  # else the newest is sent now, and takes its place
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
