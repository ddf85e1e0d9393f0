"""An event loop hands the work to another process and awaits it: neither the loop nor its GIL is held."""

import asyncio
import os

from loky import ProcessPoolExecutor  # as concurrent.futures', but never forks, and takes any function

MODES = {"asgi"}
OPTIONS = {}
NEEDS_PICKLE = True


def register(socketio, complex_calculation, workers=None):
    pool = ProcessPoolExecutor(workers or max(1, (os.cpu_count() or 2) - 1))

    @socketio.on("message")
    async def handle_message(sid, data):
        result = await asyncio.get_running_loop().run_in_executor(pool, complex_calculation, data)
        await socketio.emit("response", result, to=sid)

    return lambda: pool.shutdown(kill_workers=True)
