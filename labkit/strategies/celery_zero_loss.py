"""Celery that loses nothing: a task is acknowledged when done, its result kept, a client with an outbox asks again."""

import os

from flask import json, request
from flask_socketio import SocketIO, join_room

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {"message_queue": "redis://", "channel": "app"}  # the server sends on what a worker emits
NEEDS_PICKLE = KEEPS_RESULTS = True


def both_ends(complex_calculation, url, queue, visibility_timeout_s):
    from celery import Celery  # at the top of an app of yours; who lists the strategies need not have it

    tasks = Celery(queue, broker=url, backend=url)
    tasks.conf.update(task_default_queue=queue, worker_prefetch_multiplier=1)
    tasks.conf.broker_transport_options = {"visibility_timeout": visibility_timeout_s}  # longer than the longest task
    emitter, kept = SocketIO(message_queue=url, channel=queue), tasks.backend.client

    @tasks.task(name="calculate", ignore_result=True, acks_late=True, reject_on_worker_lost=True)
    def calculate(client, data):
        result = kept.get(key := f"{queue}:{client}:{data['id']}") or json.dumps(complex_calculation(data))
        kept.set(key, result, ex=3600)  # before it is emitted: nobody may be there to hear that
        emitter.emit("response", json.loads(result), to=client)

    return tasks, calculate


def register(socketio, complex_calculation, url="redis://", queue="app", visibility_timeout_s=60):
    tasks, calculate = both_ends(complex_calculation, url, queue, visibility_timeout_s)

    @socketio.on("message")
    def handle_message(data):
        join_room(client := data.get("client", request.sid))  # who asks, whatever connection it has by now
        calculate.delay(client, data)

    return tasks.close


def work(complex_calculation, url="redis://", queue="app", visibility_timeout_s=60, workers=None):
    tasks, _ = both_ends(complex_calculation, url, queue, visibility_timeout_s)
    workers = workers or max(1, (os.cpu_count() or 2) - 1)  # one core stays free for the server
    tasks.worker_main(["worker", "--pool=prefork", f"--concurrency={workers}", "--without-gossip", "--without-mingle"])
