"""Dear events go to another process; all others are answered at once, and wait behind nobody's dear one."""

from concurrent.futures import ThreadPoolExecutor

from flask import request
from flask_socketio import emit
from loky import BrokenProcessPool, ProcessPoolExecutor  # never forks, and takes any function

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}
NEEDS_PICKLE = True


def register(socketio, complex_calculation, dear=("export",), limit_s=60):
    # A pool for everything would be one queue, in which a chat line waits for anybody's export.
    thread = ThreadPoolExecutor(1)  # it only waits
    pools = [ProcessPoolExecutor(1)]
    pools[0].submit(int)  # its process starts now, not at the first event

    def answer(sid, data):
        try:
            result = pools[0].submit(complex_calculation, data).result(limit_s)
        except (BrokenProcessPool, TimeoutError) as error:  # it died or does not return: the next event gets a new one
            pools[0].shutdown(kill_workers=True)
            pools[0] = ProcessPoolExecutor(1)
            result = {"id": data["id"], "error": f"no result from the worker process: {type(error).__name__}"}
        socketio.emit("response", result, to=sid)

    @socketio.on("message")  # an app has an event of its own for each kind: "chat", "export"
    def handle_message(data):
        kind = data["payload"].get("kind") if isinstance(data["payload"], dict) else None
        if kind in dear:
            thread.submit(answer, request.sid, data)
        else:
            emit("response", complex_calculation(data))

    return lambda: [thread.shutdown(wait=False, cancel_futures=True), pools[0].shutdown(kill_workers=True)]
