"""Other processes calculate: this one keeps its GIL for the people who are connected."""

import os
from concurrent.futures import ThreadPoolExecutor

from flask import request
from loky import BrokenProcessPool, ProcessPoolExecutor  # never forks, and takes any function

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {}
NEEDS_PICKLE = True


def register(socketio, complex_calculation, workers=None, limit_s=60):
    # One core stays free for the server: with all of them busy, its clients wait for a core instead of for the GIL.
    workers = workers or max(1, (os.cpu_count() or 2) - 1)
    threads = ThreadPoolExecutor(workers)  # they only wait
    # A pool of one process for each: a worker that dies takes nobody else's event with it.
    pools = [ProcessPoolExecutor(1) for _ in range(workers)]
    free = list(range(workers))
    for pool in pools:
        pool.submit(int)  # its process starts now, not at the first event

    def answer(sid, data):
        number = free.pop()
        try:
            result = pools[number].submit(complex_calculation, data).result(limit_s)
        except (BrokenProcessPool, TimeoutError) as error:  # it died or does not return: the next event gets a new one
            pools[number].shutdown(kill_workers=True)
            pools[number] = ProcessPoolExecutor(1)
            result = {"id": data["id"], "error": f"no result from the worker process: {type(error).__name__}"}
        finally:
            free.append(number)
        socketio.emit("response", result, to=sid)

    @socketio.on("message")
    def handle_message(data):
        threads.submit(answer, request.sid, data)

    return lambda: [threads.shutdown(wait=False, cancel_futures=True), *(p.shutdown(kill_workers=True) for p in pools)]
