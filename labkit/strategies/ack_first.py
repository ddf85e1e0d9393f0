"""The event is acknowledged at once, if its client asks for that; the result follows when a few threads have it."""

from concurrent.futures import ThreadPoolExecutor

from flask import request

MODES = {"threading"}
OPTIONS = {}


def register(socketio, complex_calculation, workers=4):
    pool = ThreadPoolExecutor(workers)

    def answer(sid, data):
        socketio.emit("response", complex_calculation(data), to=sid)

    @socketio.on("message")
    def handle_message(data):
        pool.submit(answer, request.sid, data)
        return {"accepted": data["id"]}  # what a handler returns is the acknowledgement

    return lambda: pool.shutdown(cancel_futures=True)
