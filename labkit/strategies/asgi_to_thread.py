"""An event loop hands the work to a thread and awaits it, by asyncio.to_thread."""

import asyncio

MODES = {"asgi"}
OPTIONS = {}


def register(socketio, complex_calculation):
    @socketio.on("message")
    async def handle_message(sid, data):
        result = await asyncio.to_thread(complex_calculation, data)
        await socketio.emit("response", result, to=sid)
