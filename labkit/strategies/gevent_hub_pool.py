"""gevent's pool of real threads calculates: the hub goes on, as far as the GIL lets it."""

from flask_socketio import emit

MODES = {"gevent", "gevent-unpatched"}
OPTIONS = {}


def register(socketio, complex_calculation):
    import gevent  # at the top of an app of yours; who lists the strategies need not have it

    @socketio.on("message")
    def handle_message(data):
        # Only this handler's greenlet waits; the answer is sent from the hub's thread, as it must be.
        result = gevent.get_hub().threadpool.apply(complex_calculation, (data,))
        emit("response", result)
