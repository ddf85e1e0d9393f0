"""Celery's workers calculate, here or on other machines: a broker keeps what waits, and Redis carries the answers."""

import os

from flask import request
from flask_socketio import SocketIO

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {"message_queue": "redis://", "channel": "app"}  # the server sends on what a worker emits
NEEDS_PICKLE = True


def both_ends(complex_calculation, url, queue):
    from celery import Celery  # at the top of an app of yours; who lists the strategies need not have it

    tasks = Celery(queue, broker=url)
    tasks.conf.update(task_default_queue=queue, task_ignore_result=True)
    emitter = SocketIO(message_queue=url, channel=queue)

    @tasks.task(name="calculate")
    def calculate(sid, data):
        emitter.emit("response", complex_calculation(data), to=sid)

    return tasks, calculate


def register(socketio, complex_calculation, url="redis://", queue="app"):
    tasks, calculate = both_ends(complex_calculation, url, queue)

    @socketio.on("message")
    def handle_message(data):
        calculate.delay(request.sid, data)

    return tasks.close


def work(complex_calculation, url="redis://", queue="app", workers=None):
    tasks, _ = both_ends(complex_calculation, url, queue)
    workers = workers or max(1, (os.cpu_count() or 2) - 1)  # one core stays free for the server
    tasks.worker_main(["worker", "--pool=prefork", f"--concurrency={workers}", "--without-gossip", "--without-mingle"])
