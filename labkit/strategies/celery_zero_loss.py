"""Celery that loses nothing: tasks are acknowledged when done, results kept until a client with an outbox asks."""

import json
import os
from uuid import uuid4

from celery import Celery
from flask import request
from flask_socketio import SocketIO, emit, join_room
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

MODES = {"threading", "gunicorn", "gevent"}
OPTIONS = {"message_queue": "redis://", "channel": "app"}  # the server sends on what a worker emits
NEEDS_PICKLE = True
KEEPS_RESULTS = True
KEEP_S = 3600  # a result: a client may be away for so long, and a task that comes twice is calculated once
RETRY = {"retry": Retry(ConstantBackoff(0.1), 100), "health_check_interval": 2}  # for ten seconds without a Redis


def both_ends(complex_calculation, url, queue, visibility_timeout_s):
    tasks = Celery(queue, broker=url)
    tasks.conf.update(task_default_queue=queue, task_ignore_result=True)
    tasks.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
    tasks.conf.broker_transport_options = {
        "visibility_timeout": visibility_timeout_s,  # longer than the longest task, or that is done twice
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 1000,
        "unacked_mutex_expire": 5,
        "socket_timeout": 3,
        "health_check_interval": 2,
    }
    kept = Redis.from_url(url, **RETRY)
    emitter = SocketIO(message_queue=url, channel=queue)

    @tasks.task(name="calculate")
    def calculate(client, key, data):
        result = kept.get(key)
        if result is None:
            result = json.dumps(complex_calculation(data))
            kept.set(key, result, ex=KEEP_S)  # before it is emitted: nobody may be there to hear that
        emitter.emit("response", json.loads(result), to=client)

    return tasks, calculate, kept


def register(socketio, complex_calculation, url="redis://", queue="app", visibility_timeout_s=60):
    tasks, calculate, kept = both_ends(complex_calculation, url, queue, visibility_timeout_s)
    socketio.server.manager.redis_options = RETRY  # by itself it listens again after 1, 2, 4, up to 60 s

    @socketio.on("message")
    def handle_message(data):
        client = data.get("client")  # stays when the connection breaks; without it nobody can ask again
        join_room(client or request.sid)
        calculate.delay(client or request.sid, f"{queue}:{client or uuid4()}:{data['id']}", data)

    @socketio.on("resume")
    def hand_over(client, ids):
        join_room(client)
        results = dict(zip(ids, kept.mget([f"{queue}:{client}:{event}" for event in ids]), strict=True))
        for result in filter(None, results.values()):
            emit("response", json.loads(result))
        return [event for event in ids if results[event] is None]  # the client submits them again

    return tasks.close


def work(complex_calculation, url="redis://", queue="app", visibility_timeout_s=60, workers=None):
    tasks, _, _ = both_ends(complex_calculation, url, queue, visibility_timeout_s)
    workers = workers or max(1, (os.cpu_count() or 2) - 1)  # one core stays free for the server
    tasks.worker_main(["worker", "--pool=prefork", f"--concurrency={workers}", "--without-gossip", "--without-mingle"])
