"""Locust's Socket.IO user. Locust patches the standard library, so nothing else runs in its process."""

import json
import os

from locust import constant, constant_throughput, task
from locust.contrib.socketio import SocketIOUser

TASK = json.loads(os.environ["PEERS_TASK"])


class Person(SocketIOUser):
    """Emits and waits for the acknowledgement: `call` is what Locust takes the time of."""

    wait_time = constant(0) if TASK["kind"] == "cost" else constant_throughput(TASK["rate_hz"] / TASK["sockets"])

    def on_start(self):
        self.sio.connect(TASK["url"], transports=["websocket"])

    def on_stop(self):
        self.sio.disconnect()

    @task
    def ask(self):
        self.sio.call("message", TASK["payload"])
