"""Advice A on an event loop: calculate inside the async handler. (The loop waits, and so does everybody on it.)"""

MODES = {"asgi"}
OPTIONS = {}


def register(socketio, complex_calculation):
    @socketio.on("message")
    async def handle_message(sid, data):
        result = complex_calculation(data)
        await socketio.emit("response", result, to=sid)
