"""Celery's workers calculate, here or on other machines: a broker keeps what waits, and Redis carries the answers."""

import os

from celery import Celery
from flask import request
from flask_socketio import SocketIO

URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {"message_queue": URL, "channel": "app"}  # so that this server sends on what the workers emit
NEEDS_PICKLE = True


def make_task(complex_calculation, url, name):
    """What both ends know."""
    tasks = Celery(name, broker=url)
    tasks.conf.update(task_default_queue=name, task_ignore_result=True, broker_connection_retry_on_startup=True)
    answers = SocketIO(message_queue=url, channel=name)

    @tasks.task(name="calculate")
    def calculate(sid, data):
        answers.emit("response", complex_calculation(data), to=sid)

    return tasks, calculate


def register(socketio, complex_calculation, url=URL, name="app"):
    tasks, calculate = make_task(complex_calculation, url, name)

    @socketio.on("message")
    def handle_message(data):
        calculate.delay(request.sid, data)

    return tasks.close


def work(complex_calculation, url=URL, name="app", workers=None):
    """The other end, a process of its own: python app.py worker."""
    tasks, _ = make_task(complex_calculation, url, name)
    # One core stays free for the server, as long as both share a machine.
    workers = workers or max(1, (os.cpu_count() or 2) - 1)
    tasks.worker_main(["worker", "--pool=prefork", f"--concurrency={workers}", "--without-gossip", "--without-mingle"])
